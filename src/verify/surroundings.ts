/**
 * What is sent again of a network of which somebody brought only some captures: frames of
 * those outside of it, as its own interfaces received them; packets of pods that were not
 * captured, as their node sent them on; and what nodes asked by ARP.
 */
import type { Cluster } from '../cluster/cluster.ts';
import type { Port } from '../cluster/names.ts';
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import { innermost } from '../replay/sent-again.ts';
import { macAt } from '../wire/address.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { AnnouncedMss } from './announced-mss.ts';
import { AwaitedAnswers } from './awaited-answers.ts';
import type { Input } from './inputs.ts';
import { askedInputs } from './known-neighbours.ts';
import type { Lab } from './lab.ts';
import { OUTSIDE } from './outside.ts';
import { fingerprint } from './pod-packets.ts';
import type { CapturedFrame, Recording } from './recording.ts';

/** Nothing for a lab that has captures of everybody. */
export function surroundingInputs(lab: Lab, cluster: Cluster, mss: AnnouncedMss): Input[] {
  if (lab.brought === undefined) return [];
  const ports = cluster.nodes
    .filter(({ plan }) => plan.role !== 'pod')
    .flatMap((node) => node.devices.map((device) => ({ node, device })));
  const living = cluster.nodes.filter(({ silent }) => !silent);
  return [
    ...ports.flatMap((port) => arriving(lab, cluster, port, own(lab, port) ?? [])),
    ...living.flatMap((node) => resent(lab, cluster, node, mss)),
    ...ports
      .filter(({ node, device }) => !node.silent && device.ethernet)
      .flatMap((port) =>
        askedInputs(cluster, port, lab.frames(port.node.name, port.device.name) ?? []),
      ),
  ];
}

/** What a capture of the interface itself saw. */
const own = ({ captures }: Lab, { node, device }: Port): Recording | undefined =>
  captures.find((c) => c.namespace === node.name && c.device === device.name)?.frames;

const isFramed = ({ bytes }: CapturedFrame): boolean => bytes.length >= ethernet.HEADER_LEN;

/** Frames on an interface that nobody of the network sends. */
function arriving(lab: Lab, cluster: Cluster, port: Port, recording: Recording): Input[] {
  const isForeign = foreignTo(lab, cluster, port);
  return recording.filter(isForeign).map(({ bytes, seconds, nanoseconds }) => ({
    seconds,
    nanoseconds,
    given: nameOf(port),
    enter: () => cluster.arrive(port, bytes),
  }));
}

const nameOf = ({ node, device }: Port): string => `${node.name}:${device.name}`;

type Test = (frame: CapturedFrame) => boolean;

/** Whether a frame that an interface received comes from outside of the network. */
function foreignTo(lab: Lab, cluster: Cluster, { node, device }: Port): Test {
  const { kind, mac } = device.plan;
  const isHeard = (other: Device): boolean => own(lab, { node, device: other }) !== undefined;
  if (kind === 'vxlan' || kind === 'ipip' || kind === 'wireguard') {
    // Where the wire was captured, it tells what came out of the tunnel.
    if (node.devices.some((other) => other.plan.kind === 'nic' && isHeard(other))) return never;
    const known = addressesOf(cluster);
    return ({ bytes }) => {
      const at = device.ethernet ? ethernet.HEADER_LEN : 0;
      return isSound(bytes, at) && !known.has(ipv4.source(bytes, at));
    };
  }
  if (cluster.across({ node, device }) !== null) return never;
  // What a bridge takes up came in by its ports.
  if (node.devices.some((port) => port.master === device.position && isHeard(port))) return never;
  const inside = new Set([mac, ...macsBeside(lab, node.name, device.name)]);
  return (frame) => isFramed(frame) && !inside.has(macAt(frame.bytes, 6));
}

const never: Test = () => false;

/** MACs of the network's own devices on a wire. */
function macsBeside({ plan }: Lab, namespace: string, device: string): (number | undefined)[] {
  const known = new Map(plan.namespaces.map((one) => [one.name, one]));
  return plan.segments
    .filter(({ members }) =>
      members.some((one) => one.namespace === namespace && one.device === device),
    )
    .flatMap(({ members }) =>
      members.map((one) => {
        const { devices, name } = known.get(one.namespace)!;
        if (name.startsWith(OUTSIDE)) return undefined;
        return devices.find((end) => end.name === one.device)?.mac;
      }),
    );
}

const isSound = (b: Buffer, at: number): boolean => ipv4.check(b, at, b.length) === 0;

const addressesOf = ({ nodes }: Cluster): Set<number> =>
  new Set(nodes.flatMap(({ devices }) => devices.flatMap(({ addresses }) => addresses)));

/**
 * Packets of pods that nobody captured, as their node's own interfaces have them; the wire
 * last: what the capture of a tunnel lost is still inside a frame there.
 */
function resent(lab: Lab, cluster: Cluster, node: Node, mss: AnnouncedMss): Input[] {
  const pods = unheardPods(lab, cluster, node);
  if (pods.size === 0) return [];
  const isWire = (device: Device): boolean => device.plan.kind === 'nic';
  const devices = [...node.devices].sort((a, b) => Number(isWire(a)) - Number(isWire(b)));
  const inside = new Map<string, number>();
  return devices.flatMap((device) => {
    const recording = lab.frames(node.name, device.name) ?? [];
    const awaited = new AwaitedAnswers(recording, device.plan.mac ?? 0);
    return recording.flatMap(({ bytes: b, seconds, nanoseconds }) => {
      const l3 = sentOn(node, device, b);
      const pod = l3 < 0 ? undefined : pods.get(ipv4.source(b, l3));
      if (pod === undefined) return [];
      const key = `${fingerprint(b, l3)} ${ipv4.source(b, l3)}`;
      const before = inside.get(key) ?? 0;
      if (isWire(device) && before > 0) {
        inside.set(key, before - 1);
        return [];
      }
      if (!isWire(device)) {
        if (deviceTo(node, ipv4.destination(b, l3)) !== device) return [];
        inside.set(key, before + 1);
      }
      const frame = asSent(b, l3, pod);
      // What passed its node was cut to what the way takes.
      const mtu = Math.min(
        pod.device.mtu,
        deviceTo(node, ipv4.destination(b, l3))?.mtu ?? Infinity,
      );
      const longest = Math.min(mss.longest(frame, ethernet.HEADER_LEN) || mtu, mtu);
      const enter = (): void => cluster.depart(pod, frame, 0, frame.length, longest);
      const left = { seconds, nanoseconds };
      const when = device.ethernet ? awaited.sentAt(b.readUIntBE(0, 6), left) : left;
      return [{ ...when, enter }];
    });
  });
}

/** Where the packet stands that a device sent on, inside all tunnels on a wire; -1 for none. */
function sentOn(node: Node, device: Device, b: Buffer): number {
  if (device.ethernet && !isSentBy(device, b)) return -1;
  const at = device.ethernet ? ethernet.HEADER_LEN : 0;
  if (device.plan.kind === 'nic') return innermost(node, b, at, b.length);
  return isSound(b, at) ? at : -1;
}

const isSentBy = ({ plan: { mac } }: Device, b: Buffer): boolean =>
  b.length > ethernet.HEADER_LEN &&
  ethernet.type(b, 0) === ethernet.TYPE_IPV4 &&
  macAt(b, 6) === mac;

/** By which device the tables of a node send to an address. */
export function deviceTo(node: Node, address: number): Device | null {
  const route = node.lookup(address);
  return route < 0 ? null : (node.devices[node.routes.device(route)] ?? null);
}

interface Unheard extends Port {
  /** Its node's end of the veth. */
  readonly end: Device;
}

/** Pods of a node by their addresses, of whose veths neither end was captured. */
function unheardPods(lab: Lab, cluster: Cluster, node: Node): Map<number, Unheard> {
  const pods = new Map<number, Unheard>();
  for (const device of node.devices) {
    const pod = cluster.across({ node, device });
    if (pod === null || !pod.node.silent) continue;
    if (lab.frames(pod.node.name, pod.device.name) !== undefined) continue;
    for (const address of pod.device.addresses) pods.set(address, { ...pod, end: device });
  }
  return pods;
}

/** The packet at `l3` in a frame to the pod's node, which took one hop off. */
function asSent(b: Buffer, l3: number, { device, end }: Unheard): Buffer {
  const length = ipv4.totalLength(b, l3);
  const frame = Buffer.alloc(ethernet.HEADER_LEN + length);
  const { macHigh: high, macLow: low } = device;
  ethernet.emit(frame, 0, end.macHigh, end.macLow, high, low, ethernet.TYPE_IPV4);
  b.copy(frame, ethernet.HEADER_LEN, l3, l3 + length);
  frame[ethernet.HEADER_LEN + ipv4.field.ttl] = Math.min(ipv4.ttl(b, l3) + 1, 255);
  ipv4.fillChecksum(frame, ethernet.HEADER_LEN);
  return frame;
}
