/**
 * A living cluster: namespaces, links, a virtual clock. What happens in it is a
 * pure function of the plan, the frames that are sent, and the seed.
 */
import { DROP_COUNT, Drop, dropInfo } from '../drop.ts';
import { PodwireError } from '../errors.ts';
import { planFiles } from '../import/plan-files.ts';
import type { Audit } from '../node/audit.ts';
import type { Device, Tap } from '../node/device.ts';
import { neighbourTimer } from '../node/neighbour.ts';
import type { Node, World } from '../node/node.ts';
import { End, Room } from '../node/room.ts';
import { noteSegments, recognise } from '../node/segment.ts';
import { noteFrame, noteSender } from '../node/sockets.ts';
import { TapeRecorder } from '../node/tape-recorder.ts';
import { type RoomWatch, walk, walkTraced, walkWatched } from '../node/walk.ts';
import { bytes } from '../packet/arena.ts';
import { isBefore, later, type Moment, millisecondsOf, ticksOf } from '../packet/moment.ts';
import type { Packet } from '../packet/packet.ts';
import { give, take } from '../packet/slab.ts';
import type { ClusterPlan, NamespacePlan } from '../plan/plan.ts';
import { routesOnly } from '../plan/routes-only.ts';
import { Changes } from '../tables/changes.ts';
import type { Since } from '../text/calicoctl.ts';
import { runCommand } from '../text/command.ts';
import { peersOf } from '../text/link-peer.ts';
import { DROPPED, type TraceRing } from '../trace/ring.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { Account, type Counts, type Witness } from './account.ts';
import { buildLinks, buildNodes, warm } from './build.ts';
import type { ClusterOptions } from './cluster-options.ts';
import { dump } from './dump.ts';
import { Fifo, Timers } from './events.ts';
import { FirstKeepalives } from './first-keepalives.ts';
import { Flow, FlowCache } from './flow-cache.ts';
import type { Link } from './links.ts';
import { Names, type Port } from './names.ts';
import { type SendOptions, send, type Trace } from './send.ts';
import { KeyRing } from './tunnel-keys.ts';

export class Cluster implements World {
  readonly plan: ClusterPlan;
  readonly nodes: readonly Node[];
  readonly names: Names;
  /** Secrets of WireGuard, for a key log. */
  readonly keys: KeyRing;
  private readonly account = new Account();
  readonly counts: Counts = this.account;
  /** Virtual time: whole seconds since the epoch, and nanoseconds. It never goes back. */
  now: Moment = { seconds: 0, nanoseconds: 0 };
  observer: Tap | null = null;
  answering = false;
  resetsStrays = true;
  witness: Witness | null = null;
  audit: Audit | null = null;
  /** While set, IPv4 frames that leave by this device end there: a capture tells what lies beyond. */
  boundary: Device | null = null;
  private ring: TraceRing | null = null;
  private readonly links: readonly Link[];
  private readonly ready = new Fifo();
  readonly timers = new Timers();
  readonly changes = new Changes();
  private carrier: Node | null = null;
  readonly flows: FlowCache;
  private readonly keepalives: FirstKeepalives;

  constructor(planned: ClusterPlan, options: ClusterOptions = {}) {
    const plan = options.netfilter === false ? routesOnly(planned) : planned;
    this.plan = plan;
    const seed = options.seed ?? 1;
    this.keys = new KeyRing(plan, seed);
    this.nodes = buildNodes(plan, this, seed, this.keys);
    this.links = buildLinks(plan, this.nodes, options.neighbours === 'cold');
    if ((options.neighbours ?? 'warm') === 'warm') warm(plan, this.nodes);
    this.names = new Names(this.nodes, plan.services);
    this.keepalives = new FirstKeepalives(this.nodes, () => this.settle());
    this.flows = new FlowCache(this, this.nodes, options.flowCache ?? true);
  }

  /**
   * From manifests as calicoctl and kubectl print them, or an import's tables. `source`
   * names the text in errors; `release` counts here and in `loadCluster`.
   */
  static fromYaml(text: string, source = 'cluster', options: ClusterOptions = {}): Cluster {
    return new Cluster(planFiles([{ text, source }], options), options);
  }

  /** From a plan made or changed by the caller. */
  static fromPlan(plan: ClusterPlan, options: ClusterOptions = {}): Cluster {
    return new Cluster(plan, options);
  }

  /** Follows one packet from a pod (or node) to an address, until nothing more happens. */
  send(options: SendOptions): Trace {
    return send(this, options);
  }

  /** The tables of a namespace as they are now. */
  tables(name: string): NamespacePlan {
    return dump(this.names.find(name), this.keys);
  }

  /** What a command prints in a namespace: `['ip', 'route']` …; `since` is for `node status`. */
  exec(name: string, argv: readonly string[], since?: Since): string {
    return runCommand(this.tables(name), argv, { ...this.plan, peers: peersOf(this.plan), since });
  }

  /** Dropped packets by reason, over all namespaces; indexed by drop code. */
  drops(): Uint32Array {
    const sum = new Uint32Array(DROP_COUNT);
    for (const node of this.nodes) node.addDrops(sum);
    return sum;
  }

  /** Packets held back: on a queue, or waiting for a neighbour. */
  waiting(): number {
    return this.account.waiting;
  }

  /** The other end of a device's veth pair; null for another kind of device. */
  across({ device }: Port): Port | null {
    return this.links[device.link]?.across(device) ?? null;
  }

  /** A frame comes in on a device, as from its link. Copied once. */
  arrive({ node, device }: Port, frame: Buffer, start = 0, end = frame.length): void {
    const p = this.account.enter(node, frame, start, end);
    if (p === null) return;
    p.input = device.position;
    recognise(node, p, device, device.mtu);
    this.start(node, device, p, Room.Ingress);
  }

  /**
   * A finished frame leaves by a device, as from a packet socket. Copied once. A TCP
   * packet over `longest` bytes stands for segments of that length.
   */
  depart(
    { node, device }: Port,
    frame: Buffer,
    start = 0,
    end = frame.length,
    longest = device.mtu,
  ): void {
    const p = this.account.enter(node, frame, start, end);
    if (p === null) return;
    p.output = device.position;
    if (this.answering) noteFrame(node, device, p);
    recognise(node, p, device, longest);
    this.start(node, device, p, Room.Transmit);
  }

  /**
   * Sends an IPv4 packet, complete and sound, by the namespace itself. `longest` is as for
   * `depart`, 0 for its route's MTU; `traced` and `probes` as in Packet.
   */
  originate(node: Node, packet: Buffer, traced = 0, longest = 0, probes = false): void {
    const wrong = ipv4.check(packet, 0, packet.length);
    if (wrong !== Drop.None) {
      const found = dropInfo[wrong].meaning;
      throw new PodwireError('ERR_FRAME', `expected an IPv4 packet, found ${found}`);
    }
    const p = this.account.enter(node, packet, 0, ipv4.totalLength(packet, 0));
    if (p === null) return;
    p.l3 = p.data;
    p.traced = traced;
    p.probes = probes;
    if (longest > 0) noteSegments(p, p.l3, longest);
    if (this.answering) noteSender(node, p.l3, p.tail);
    this.ready.push(node, p, Room.Route);
    this.settle();
  }

  /** Moves the clock on to a moment, firing the timers on the way. Earlier moments change nothing. */
  advance(to: Moment): void {
    this.settle();
    this.keepalives.before(this.now, to);
    while (this.timers.first !== undefined && isBefore(this.timers.first.when, to)) this.fireNext();
    if (!isBefore(this.now, to)) return;
    this.now = to;
    this.keepalives.begin();
  }

  /** So many packets came in and were delivered elsewhere, the last one at this moment. */
  passed(count: number, now: Moment): void {
    this.account.entered += count;
    this.account.delivered += count;
    this.now = now;
    this.witness?.deliveredUnseen?.();
  }

  /** Lets virtual time pass until no packet waits any more. */
  run(): void {
    this.settle();
    while (this.timers.first !== undefined && this.waiting() > 0) this.fireNext();
  }

  /** Runs `action` with every step of traced packets written to `ring`. */
  recording<T>(ring: TraceRing, action: () => T): T {
    this.ring = ring;
    try {
      return action();
    } finally {
      this.ring = null;
    }
  }

  enqueue(node: Node, packet: Packet, room: Room): void {
    this.ready.push(node, packet, room);
  }

  proceed(node: Node, packet: Packet, room: Room): void {
    this.ready.unshift(node, packet, room);
  }

  create(length: number): Packet | null {
    const p = take(length);
    if (p !== null) this.account.born++;
    return p;
  }

  copy(node: Node, p: Packet): Packet | null {
    return this.account.copy(node, p);
  }

  absorb(p: Packet): void {
    this.account.consumed++;
    give(p);
  }

  milliseconds(): number {
    return millisecondsOf(this.now);
  }

  ticks(): number {
    return ticksOf(this.now);
  }

  arm(milliseconds: number, fire: () => void): void {
    this.timers.add(later(this.now, milliseconds), fire);
  }

  armNeighbour(node: Node, id: number, milliseconds: number): void {
    const token = node.neighbours.startTimer(id);
    this.arm(milliseconds, () => neighbourTimer(node, id, token));
  }

  discard(node: Node, p: Packet): void {
    node.drops[p.drop]!++;
    this.tell(node, p, Room.Neighbour, p.input);
    this.end(node, p);
  }

  /** A packet of a flow that is known goes its whole way at once. Others walk; where sockets answer, all do. */
  private start(node: Node, device: Device, p: Packet, room: Room): void {
    const { flows } = this;
    const plain = this.observer === null && !this.answering && this.ready.length === 0;
    const told = plain ? flows.look(device, p, room) : Flow.Walk;
    if (told === Flow.Played) this.deliver(flows.node!, p);
    else if (told === Flow.Astray) this.ready.push(flows.node!, p, Room.Prerouting);
    else this.ready.push(node, p, room);
    if (told === Flow.Record) this.record();
    else this.settle();
  }

  /** Walks one packet with the recorder looking on; its tape counts if nothing else went on. */
  private record(): void {
    const { born } = this.account;
    const { armed } = this.timers;
    const recorder = new TapeRecorder();
    this.settle(recorder);
    const quiet = this.account.born === born && this.timers.armed === armed;
    this.flows.keep(quiet ? recorder : null);
  }

  private fireNext(): void {
    const timer = this.timers.shift()!;
    if (isBefore(this.now, timer.when)) this.now = timer.when;
    timer.fire();
    this.settle();
  }

  /** Walks every packet that may go on, until none is left. */
  private settle(watch: RoomWatch | null = null): void {
    const { ready } = this;
    while (ready.shift()) {
      const { node, packet: p, room } = ready;
      const ring = p.traced === 0 ? null : this.ring;
      let end: End;
      if (ring !== null) end = walkTraced(node, p, room, ring);
      else end = watch === null ? walk(node, p, room) : walkWatched(node, p, room, watch);
      if (end === End.Sent) this.carry(node, p);
      else if (end === End.Delivered) this.deliver(node, p);
      else if (end === End.Dropped) this.end(node, p);
      else if (end === End.Consumed) this.absorb(p);
    }
  }

  private carry(node: Node, p: Packet): void {
    const device = node.devices[p.output]!;
    this.carrier = node;
    const ends = device === this.boundary && ethernet.type(bytes, p.data) === ethernet.TYPE_IPV4;
    if (ends) this.absorb(p);
    else if (device.link < 0) this.lose(p, Drop.LinkNowhere);
    else this.links[device.link]!.carry(node, device, p, this.lose);
  }

  /** A link could not carry a frame: the sender's loss. */
  private readonly lose = (p: Packet, why: Drop): void => {
    const node = this.carrier!;
    p.drop = why;
    node.drops[why]!++;
    this.tell(node, p, Room.Transmit, -1);
    this.end(node, p);
  };

  /** A drop outside of any walk, for the trace. */
  private tell(node: Node, p: Packet, room: Room, input: number): void {
    if (p.traced === 0 || this.ring === null) return;
    this.ring.mark(p, node.position, room, input, DROPPED - p.drop);
  }

  private deliver(node: Node, p: Packet): void {
    this.account.delivered++;
    this.witness?.delivered(node, p);
    give(p);
  }

  private end(node: Node, p: Packet): void {
    this.account.dropped++;
    this.witness?.dropped(node, p);
    give(p);
  }
}
