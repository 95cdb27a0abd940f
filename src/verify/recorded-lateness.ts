/**
 * How late the timers of a recorded node were: its timer wheel rounds up (calc_index of
 * kernel/time/timer.c), its limits count ticks, and a busy machine looks later still. Time
 * is free, but what a late timer lets pass is not: a packet that comes before an entry
 * fails waits for it, one that comes after starts another request. So a timer fires when
 * the recording shows what it did, where that is within the lateness a kernel may have;
 * what it does not show in all that time happens at its end, and is reported. An error
 * that teaches a node something is on its way for as long as was recorded, too: what the
 * node sent meanwhile did not know of it.
 */
import type { Cluster } from '../cluster/cluster.ts';
import type { Lateness } from '../node/lateness.ts';
import { isLastWait } from '../node/neighbour.ts';
import type { Node } from '../node/node.ts';
import { bytes as arena } from '../packet/arena.ts';
import type { Moment } from '../packet/moment.ts';
import type { Packet } from '../packet/packet.ts';
import { Nud } from '../tables/neighbours.ts';
import * as arp from '../wire/arp.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import { ErrorCredit } from './error-credit.ts';
import { insideTunnel, MAX_DEPTH } from './inner-packet.ts';
import { type Lab, vxlanPorts } from './lab.ts';
import { lessonOf } from './lesson.ts';
import { RecordedErrors } from './recorded-errors.ts';
import { RecordedTrains } from './recorded-trains.ts';

/** A level of the wheel starts at 63 of its slots or later: LVL_START, LVL_GRAN. */
const SLOT_SHARE = 8 / 63;
/** The longest tick of a kernel, HZ=100. */
const TICK_MS = 10;
/** By how much a busy machine looks at its timers later. */
const BUSY_MS = 100;
/** Between a packet's arrival and the request that it started. */
const ANSWER_MS = 2;
/** A microsecond: captures have no less. */
const JUST_MS = 0.001;

/** What was read of a recording, by namespace: it is run many times where its tables changed. */
const read = new WeakMap<Lab, ReadonlyMap<string, RecordedLateness>>();

/** Tells the nodes of the network how late they were; before the run. */
export function declareLateness(lab: Lab, cluster: Cluster): void {
  const known = read.get(lab) ?? readAll(lab, cluster.nodes);
  read.set(lab, known);
  for (const node of cluster.nodes) node.lateness = known.get(node.name) ?? null;
}

function readAll(lab: Lab, nodes: readonly Node[]): Map<string, RecordedLateness> {
  const errors = new Map(nodes.map((node) => [node, new RecordedErrors(lab, node)]));
  const credit = new ErrorCredit([...errors.values()].flatMap(({ limited }) => limited));
  return new Map(
    [...errors]
      .filter(([{ silent }]) => !silent)
      .map(([node, told]) => [node.name, new RecordedLateness(lab, node, told, credit)]),
  );
}

/** Times are milliseconds since the epoch, in the order of each list. */
class RecordedLateness implements Lateness {
  /** Requests by device and the address they ask for. */
  private readonly requests = new Map<string, number[]>();
  /** TCP segments that acknowledge, by device and the MAC they went to. */
  private readonly progress = new Map<string, number[]>();
  /** ICMP errors that came, by device, and what they teach. */
  private readonly lessons = new Map<string, number[]>();
  private readonly ports: readonly number[];
  private readonly trains: RecordedTrains;

  private readonly isBrought: boolean;
  /** The node's own ICMP errors. */
  private readonly errors: RecordedErrors;
  private readonly credit: ErrorCredit;

  constructor(lab: Lab, node: Node, errors: RecordedErrors, credit: ErrorCredit) {
    this.errors = errors;
    this.credit = credit;
    this.isBrought = lab.brought !== undefined;
    this.ports = vxlanPorts(lab);
    const own = new Set(node.devices.flatMap(({ addresses }) => addresses));
    this.trains = new RecordedTrains(lab, node);
    for (const device of node.devices) {
      for (const { bytes: b, ...moment } of lab.frames(node.name, device.name) ?? []) {
        const next = device.ethernet ? progressTo(b, device.plan.mac, this.ports) : null;
        if (next !== null) keep(this.progress, `${device.position} ${next}`, moment);
        const target = device.ethernet ? requestedBy(b, device.plan.mac) : null;
        if (target !== null) keep(this.requests, `${device.position} ${target}`, moment);
        const at = device.ethernet ? ethernet.HEADER_LEN : 0;
        const lesson = lessonOf(b, at, b.length, this.ports);
        const came = lesson !== null && !own.has(ipv4.source(b, at));
        if (came) keep(this.lessons, `${device.position} ${lesson}`, moment);
      }
    }
  }

  neighbour(node: Node, id: number, milliseconds: number): number {
    const now = timeOf(node.world.now);
    const { neighbours } = node;
    // Who verifies what when is put in as it was recorded (surroundings.ts).
    if (this.isBrought && neighbours.state(id) === Nud.Delay) return Number.POSITIVE_INFINITY;
    const key = `${neighbours.device(id)} ${neighbours.address(id)}`;
    const latest = latestAfter(milliseconds);
    const request = firstWithin(this.requests.get(key), now + milliseconds, latest - milliseconds);
    if (!isLastWait(node, id)) {
      if (request !== null) return request - now;
      return this.isConfirmed(node, id, milliseconds) ? Number.POSITIVE_INFINITY : latest;
    }
    // A failed entry is not asked for again before it failed.
    const end = request === null ? latest : Math.max(request - ANSWER_MS - now, milliseconds);
    for (let p = neighbours.oldest(id); p !== null; p = p.next) {
      const told = this.errors.about(icmp.UNREACHABLE, arena, p.l3);
      const at = firstWithin(told, now + milliseconds, end - milliseconds);
      if (at !== null) return at - now;
    }
    return end;
  }

  /**
   * Whether an entry in use will have been confirmed when its timer fires: by TCP's progress
   * (sock_confirm_neigh). The mark stays on a packet that crosses namespaces of one kernel.
   */
  private isConfirmed(node: Node, id: number, milliseconds: number): boolean {
    const { neighbours } = node;
    if (neighbours.state(id) !== Nud.Delay) return false;
    const mac = neighbours.macHigh(id) * 2 ** 32 + (neighbours.macLow(id) >>> 0);
    const times = this.progress.get(`${neighbours.device(id)} ${mac}`);
    const latest = latestAfter(milliseconds);
    return firstWithin(times, timeOf(node.world.now), latest) !== null;
  }

  fragments(node: Node, first: Packet, milliseconds: number): number {
    const now = timeOf(node.world.now);
    const latest = latestAfter(milliseconds);
    const told = this.errors.about(icmp.TIME_EXCEEDED, arena, first.l3);
    const at = firstWithin(told, now + milliseconds, latest - milliseconds);
    return at === null ? latest : at - now;
  }

  arrival(node: Node, p: Packet): number {
    if (this.lessons.size === 0) return 0;
    const lesson = lessonOf(arena, p.data + ethernet.HEADER_LEN, p.tail, this.ports);
    if (lesson === null) return 0;
    const now = timeOf(node.world.now);
    const at = firstWithin(this.lessons.get(`${p.input} ${lesson}`), now, BUSY_MS);
    return at === null ? 0 : at - now;
  }

  redirect(node: Node, p: Packet): number {
    const told = this.errors.about(icmp.REDIRECT, arena, p.l3);
    return firstWithin(told, timeOf(node.world.now), BUSY_MS) === null ? -TICK_MS : TICK_MS;
  }

  error(node: Node, p: Packet, type: number): boolean | null {
    const now = timeOf(node.world.now);
    if (!this.credit.mayBeSpent(now)) return null;
    const told = this.errors.aboutThis(type, arena.subarray(p.l3, p.tail));
    return firstWithin(told, now, BUSY_MS) !== null;
  }

  polled(train: Packet, l3: number): boolean {
    return this.trains.ends(train, l3);
  }

  waits(train: Packet): boolean {
    return this.trains.goesOn(train);
  }
}

/** The last millisecond at which a timer armed for so many may fire. */
const latestAfter = (milliseconds: number): number =>
  milliseconds * (1 + SLOT_SHARE) + TICK_MS + BUSY_MS;

const timeOf = ({ seconds, nanoseconds }: Moment): number => seconds * 1000 + nanoseconds / 1e6;

function keep(map: Map<string, number[]>, key: string, moment: Moment): void {
  const times = map.get(key);
  if (times === undefined) map.set(key, [timeOf(moment)]);
  else times.push(timeOf(moment));
}

/** Just before the first of the times that is in the span, so that what follows is not earlier. */
function firstWithin(
  times: readonly number[] | undefined,
  from: number,
  milliseconds: number,
): number | null {
  const found = times?.find((at) => at >= from && at <= from + milliseconds);
  return found === undefined ? null : Math.max(found - JUST_MS, from);
}

/** The address that the device's own frame asks for. */
function requestedBy(b: Buffer, mac: number | undefined): number | null {
  if (b.length < ethernet.HEADER_LEN + arp.LEN || ethernet.type(b, 0) !== ethernet.TYPE_ARP)
    return null;
  const isRequest = arp.operation(b, ethernet.HEADER_LEN) === arp.REQUEST;
  return isRequest && b.readUIntBE(6, 6) === mac ? arp.targetIp(b, ethernet.HEADER_LEN) : null;
}

/** The MAC that the device's own frame takes a TCP segment to which acknowledges something, in tunnels too. */
function progressTo(b: Buffer, mac: number | undefined, ports: readonly number[]): number | null {
  if (b.length < ethernet.HEADER_LEN || b.readUIntBE(6, 6) !== mac) return null;
  for (let at = ethernet.HEADER_LEN, depth = 0; depth < MAX_DEPTH; depth++) {
    if (ipv4.check(b, at, b.length) !== 0 || ipv4.fragmentOffset(b, at) !== 0) return null;
    const l4 = at + ipv4.headerLength(b, at);
    const protocol = ipv4.protocol(b, at);
    if (protocol === ipv4.PROTO_TCP) {
      if (tcp.check(b, l4, b.length) !== 0) return null;
      const flags = tcp.flags(b, l4) & (tcp.ACK | tcp.SYN | tcp.RST);
      return flags === tcp.ACK ? b.readUIntBE(0, 6) : null;
    }
    const inside = insideTunnel(b, at, ports);
    if (inside === null) return null;
    at = inside;
  }
  return null;
}
