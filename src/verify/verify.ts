/**
 * A recorded network run again: rebuilt from its tables, given what was sent in it,
 * and compared interface by interface with what its captures saw.
 */
import { tapAt } from '../cluster/capture-tap.ts';
import { Cluster } from '../cluster/cluster.ts';
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import { bytes } from '../packet/arena.ts';
import { isBefore, later, type Moment } from '../packet/moment.ts';
import type { Packet } from '../packet/packet.ts';
import { routeEntry } from '../text/ip-route.ts';
import { compareFrames, type InterfaceComparison, type MadeFrame } from './compare.ts';
import { completeCut } from './cut-frames.ts';
import { declarePorts, eventTime, type Input, labInputs } from './inputs.ts';
import { declareNeighbours } from './known-neighbours.ts';
import { type Lab, vxlanPorts, wireguardPorts } from './lab.ts';
import { setLossesAside } from './losses.ts';
import type { Insider } from './mask.ts';
import { ReceivedCounts } from './received-counts.ts';
import { declareChoices } from './recorded-choices.ts';
import { declareLateness } from './recorded-lateness.ts';
import { byTime } from './recording.ts';
import { TunnelReader } from './tunnel-reader.ts';

/** A change to the network while it was recorded, made just before an event. */
export interface LabEdit {
  /** When the event is, in seconds since the start. */
  readonly at: number;
  apply(cluster: Cluster): void;
}

export interface VerifyOptions {
  readonly seed?: number;
  /** For recordings whose tables changed on the way. */
  readonly edits?: readonly LabEdit[];
}

/** One comparison for each interface that has a capture. */
export function verifyLab(lab: Lab, options: VerifyOptions = {}): InterfaceComparison[] {
  const cluster = Cluster.fromPlan(lab.plan, {
    neighbours: lab.neighbours,
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  });
  // What nodes sent by TCP is in the recording.
  cluster.resetsStrays = false;
  declarePorts(lab, cluster);
  declareLateness(lab, cluster);
  declareNeighbours(lab, cluster);
  declareChoices(lab, cluster);
  const made = watch(cluster, lab);
  const inputs = [...labInputs(lab, cluster), ...editInputs(lab, cluster, options.edits ?? [])];
  inputs.sort(byTime);
  const given = new Map<string, number>();
  for (const input of inputs) {
    cluster.advance(input);
    input.enter();
    if (input.given !== undefined) given.set(input.given, (given.get(input.given) ?? 0) + 1);
  }
  cluster.advance(endOf(lab));

  const addressesOf = (nodes: readonly Node[]): Set<number> =>
    new Set(nodes.flatMap((n) => n.devices.flatMap((d) => d.addresses)));
  const own = addressesOf(cluster.nodes.filter(({ silent }) => !silent));
  const held = addressesOf(cluster.nodes);
  const ports = wireguardPorts(lab);
  const reader = new TunnelReader([...lab.secrets, ...cluster.keys.handshakes], ports);
  const insider: Insider = {
    isNode: (address) => own.has(address),
    isHeld: (address) => held.has(address),
    vxlanPorts: vxlanPorts(lab),
    wireguardPorts: ports,
    plain: reader.plain,
  };
  learnTunnels(reader, lab, cluster, made);
  const compared = lab.captures.flatMap(({ namespace, device, frames: recording, blind }) => {
    const place = `${namespace}:${device}`;
    const frames = made
      .get(place)
      ?.map((frame) => (blind === true ? withoutReceiver(frame) : frame));
    const end = cluster.nodes
      .find((n) => n.name === namespace)
      ?.devices.find((d) => d.name === device);
    if (recording === undefined || frames === undefined || end === undefined) return [];
    const recorded = recording.map((r) => ({
      ...(blind === true ? withoutReceiver(r) : r),
      at: sinceStart(lab, r.seconds, r.nanoseconds),
    }));
    // In a lab that is all here, the batches are known.
    const gathers = lab.brought !== undefined && end.receiveOffload;
    const comparison = compareFrames(
      namespace,
      end,
      completeCut(recorded, frames),
      frames,
      insider,
      gathers,
    );
    return [{ ...comparison, given: Math.min(given.get(place) ?? 0, comparison.frames) }];
  });
  return setLossesAside(compared, new ReceivedCounts(lab));
}

/** The frame without the MAC it was sent to, where no capture tells that. */
function withoutReceiver<F extends { readonly bytes: Buffer }>(frame: F): F {
  const bytes = Buffer.from(frame.bytes);
  bytes.fill(0, 0, Math.min(6, bytes.length));
  return { ...frame, bytes };
}

/** Whole microseconds: `started` has a fraction, and a double no digits for more. */
const sinceStart = ({ started }: Lab, seconds: number, nanoseconds: number): number =>
  Math.round((seconds - started + nanoseconds / 1e9) * 1e6) / 1e6;

/** Handshakes cross the wires of nodes. */
function learnTunnels(
  reader: TunnelReader,
  lab: Lab,
  cluster: Cluster,
  made: ReadonlyMap<string, readonly MadeFrame[]>,
): void {
  for (const node of cluster.nodes.filter(({ encrypts }) => encrypts)) {
    for (const { name, plan } of node.devices) {
      if (plan.kind !== 'nic') continue;
      reader.learn((lab.frames(node.name, name) ?? []).map((one) => one.bytes));
      reader.learn((made.get(`${node.name}:${name}`) ?? []).map((one) => one.bytes));
    }
  }
}

/** Keeps every frame of every device, with the route that sent it. */
function watch(cluster: Cluster, lab: Lab): Map<string, MadeFrame[]> {
  const made = new Map<string, MadeFrame[]>();
  const packets = new PacketNumbers();
  let order = 0;
  for (const node of cluster.nodes) {
    for (const device of node.devices) {
      const frames: MadeFrame[] = [];
      made.set(`${node.name}:${device.name}`, frames);
      const see = (_node: Node, _device: Device, p: Packet, outgoing: boolean): void => {
        const { seconds, nanoseconds } = cluster.now;
        frames.push({
          bytes: Buffer.from(bytes.subarray(p.data, p.tail)),
          at: sinceStart(lab, seconds, nanoseconds),
          decision: outgoing ? wayOut(node, p) : 'received',
          packet: packets.of(p),
          order: order++,
          outgoing,
        });
      };
      tapAt({ node, device }, { see });
    }
  }
  return made;
}

/** The route that a frame took. */
const wayOut = (node: Node, p: Packet): string =>
  (p.route >= 0 && routeEntry(node.routes.origin(p.route))) || 'sent as it is';

/** Numbers packets where they are seen first: what becomes of one keeps its number, and what answers it, too. */
class PacketNumbers {
  private count = 0;

  of(p: Packet): number {
    if (p.traced === 0) p.traced = ++this.count * ANSWERS;
    return Math.floor(p.traced / ANSWERS);
  }
}

/** More than the answers to answers to … that one packet has: each is traced with the number behind. */
const ANSWERS = 256;

function editInputs(lab: Lab, cluster: Cluster, edits: readonly LabEdit[]): Input[] {
  return edits.map(({ at, apply }) => ({
    ...eventTime(lab, at - EDIT_LEAD),
    enter: () => apply(cluster),
  }));
}

/** Seconds: the frame of an event is recorded a little after it. */
const EDIT_LEAD = 0.002;

/** Just after the last recorded frame: what timers do later, nobody saw. */
function endOf(lab: Lab): Moment {
  let last: Moment = { seconds: 0, nanoseconds: 0 };
  for (const recording of lab.recordings) {
    for (const { seconds, nanoseconds } of recording) {
      if (isBefore(last, { seconds, nanoseconds })) last = { seconds, nanoseconds };
    }
  }
  return later(last, 1);
}
