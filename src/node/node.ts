/** One network namespace: a node, a pod, a router or a host. State only; rooms act on it. */
import { DROP_COUNT } from '../drop.ts';
import type { Moment } from '../packet/moment.ts';
import type { Packet } from '../packet/packet.ts';
import type { NamespacePlan, RoutePlan } from '../plan/plan.ts';
import type { BridgeFdb } from '../tables/bridge-fdb.ts';
import type { Changes } from '../tables/changes.ts';
import type { Fdb } from '../tables/fdb.ts';
import type { Fib } from '../tables/fib.ts';
import type { Neighbours } from '../tables/neighbours.ts';
import type { Routes } from '../tables/routes.ts';
import { lookupRules, type Rule } from '../tables/rules.ts';
import type { Audit } from './audit.ts';
import type { Device, Tap } from './device.ts';
import type { Gathering } from './gather.ts';
import type { IcmpLimit } from './icmp-limit.ts';
import type { Identifications } from './identification.ts';
import type { Lateness } from './lateness.ts';
import type { NeighbourQuota } from './neighbour-quota.ts';
import type { Netfilter } from './netfilter.ts';
import type { PathMtus } from './path-mtu.ts';
import type { Reassembly } from './reassembly.ts';
import type { Room } from './room.ts';
import { Sockets } from './sockets.ts';
import type { SourcePorts } from './source-port.ts';
import type { Tunnels } from './wireguard-tunnel.ts';

/** What a namespace may ask of the cluster around it. */
export interface World {
  /** A slot for a packet this node makes, or null where none is free. */
  create(length: number): Packet | null;
  /** A copy of a packet, by a link or this node, or null: one that found no slot is counted there. */
  copy(node: Node, packet: Packet): Packet | null;
  /** Lets a packet that this node made or held back start at a room, after the present one. */
  enqueue(node: Node, packet: Packet, room: Room): void;
  /** The same, before all others: it goes on where the present one ends. */
  proceed(node: Node, packet: Packet, room: Room): void;
  /** A held packet whose bytes went into another. */
  absorb(packet: Packet): void;
  /** Virtual time, to the nanosecond. */
  readonly now: Moment;
  /** The same, milliseconds since the epoch. */
  milliseconds(): number;
  /** The same in 32 bits, which wrap after 49 days: a small integer, as jiffies are. */
  ticks(): number;
  /** Calls `fire` after `milliseconds` of virtual time. */
  arm(milliseconds: number, fire: () => void): void;
  /** Calls the node's neighbour timer for this entry after `milliseconds` of virtual time. */
  armNeighbour(node: Node, id: number, milliseconds: number): void;
  /** Of all its namespaces' tables. */
  readonly changes: Changes;
  /** Ends a packet this node held back: counts the reason and frees the slot. */
  discard(node: Node, packet: Packet): void;
  /**
   * Whether stacks answer for themselves: pods and hosts too, and for every port that has
   * no socket. Otherwise that is for whoever plays them, a capture for instance.
   */
  readonly answering: boolean;
  /** Whether nodes reset stray segments; not where whoever plays them has their resets too. */
  readonly resetsStrays: boolean;
  /** Sees the frames of all devices of all namespaces, while somebody wants to. */
  readonly observer: Tap | null;
  /** Told of what flows share, while somebody wants to know. */
  readonly audit: Audit | null;
}

/** What a namespace looks packets up in, and what it remembers of them. */
export interface NodeState {
  /** Table 255: this namespace's own addresses. Looked up first, as rule 0 says. */
  readonly local: Fib;
  /** In order of priority, the local table's among them. */
  readonly rules: readonly Rule[];
  readonly routes: Routes<RoutePlan>;
  readonly neighbours: Neighbours<Packet>;
  /** Shared by the namespaces of one kernel. */
  readonly neighbourQuota: NeighbourQuota;
  readonly fdb: Fdb;
  readonly bridges: BridgeFdb;
  readonly identifications: Identifications;
  readonly sourcePorts: SourcePorts;
  readonly icmpLimit: IcmpLimit;
  readonly pathMtus: PathMtus;
  /** The same, null while nothing was learned. */
  readonly learnedPathMtus: PathMtus | null;
  readonly reassembly: Reassembly;
  readonly gathering: Gathering;
  /** Null where nothing is filtered, translated or tracked. */
  readonly netfilter: Netfilter | null;
  /** Null where nothing is encrypted. */
  readonly wireguard: Tunnels | null;
}

export class Node {
  /** As planned, with what was changed since. */
  plan: NamespacePlan;
  readonly name: string;
  /** Position in the cluster's list of namespaces. */
  readonly position: number;
  readonly world: World;
  readonly devices: readonly Device[];
  readonly forwarding: boolean;
  /** Position of the IPIP device; -1 where there is none. */
  readonly ipip: number;
  /** Positions of the VXLAN devices. */
  readonly vxlans: readonly number[];
  /** Positions of the WireGuard devices. */
  private readonly encrypting: readonly number[];
  /** Nodes and routers always answer pings; pods and hosts where the world is `answering`. */
  readonly answersEcho: boolean;
  /** net.ipv4.ip_forward_use_pmtu and ip_no_pmtu_disc. */
  readonly forwardsByPathMtu: boolean;
  readonly pmtuDiscovery: number;
  /** Only watched: frames that come in end there. */
  readonly silent: boolean;
  /** How late its timers are; null: not at all. */
  lateness: Lateness | null = null;
  private changed = 0;
  private readonly make: (node: Node) => NodeState;
  private held: NodeState | null = null;
  private counted: Uint32Array | null = null;
  private opened: Sockets | null = null;
  private afterwards: ((node: Node) => void) | null = null;

  /**
   * `state` makes the tables when they are first asked for: a packet meets few of the
   * namespaces, and those of 5,000 nodes that all know each other take gigabytes.
   */
  constructor(parts: {
    plan: NamespacePlan;
    position: number;
    world: World;
    devices: readonly Device[];
    state: (node: Node) => NodeState;
  }) {
    this.plan = parts.plan;
    this.name = parts.plan.name;
    this.position = parts.position;
    this.world = parts.world;
    this.devices = parts.devices;
    this.forwarding = parts.plan.forwarding;
    for (const device of parts.devices) {
      device.namespace = parts.position;
      const { master } = device.plan;
      if (master !== undefined) device.master = parts.devices.findIndex((d) => d.name === master);
    }
    this.make = parts.state;
    this.silent = parts.plan.silent ?? false;
    this.forwardsByPathMtu = parts.plan.forwardUsePmtu ?? false;
    this.pmtuDiscovery = parts.plan.noPmtuDiscovery ?? 0;
    this.answersEcho = parts.plan.role === 'node' || parts.plan.role === 'router';
    this.ipip = parts.plan.devices.findIndex((d) => d.kind === 'ipip');
    this.vxlans = parts.devices.flatMap(({ plan, position }) =>
      plan.kind === 'vxlan' ? [position] : [],
    );
    this.encrypting = parts.devices.flatMap(({ plan, position }) =>
      plan.wireguard === undefined ? [] : [position],
    );
  }

  /** Goes up with every change of a table from outside; what was learned from packets has its own guards. */
  get version(): number {
    return this.changed;
  }

  /** A table was changed from outside. */
  change(): void {
    this.changed++;
    this.world.changes.note();
  }

  /** Dropped packets by reason. */
  get drops(): Uint32Array {
    this.counted ??= new Uint32Array(DROP_COUNT);
    return this.counted;
  }

  get sockets(): Sockets {
    this.opened ??= new Sockets();
    return this.opened;
  }

  /** Whether somebody said which ports listen here. */
  get listensAsStated(): boolean {
    return this.opened?.isStated ?? false;
  }

  /** Adds the dropped packets by reason to others'; most namespaces have none. */
  addDrops(sum: Uint32Array): void {
    if (this.counted === null) return;
    for (let code = 0; code < DROP_COUNT; code++) sum[code] = sum[code]! + this.counted[code]!;
  }

  /** Has `act` done once the tables are there, before anybody looks anything up. */
  whenMade(act: (node: Node) => void): void {
    if (this.held === null) this.afterwards = act;
    else act(this);
  }

  private get state(): NodeState {
    return this.held ?? this.open();
  }

  private open(): NodeState {
    const made = this.make(this);
    // Held from here on: what follows looks things up in it, perhaps by way of a neighbour.
    this.held = made;
    this.afterwards?.(this);
    this.afterwards = null;
    return made;
  }

  get local(): Fib {
    return this.state.local;
  }

  get rules(): readonly Rule[] {
    return this.state.rules;
  }

  get routes(): Routes<RoutePlan> {
    return this.state.routes;
  }

  get neighbours(): Neighbours<Packet> {
    return this.state.neighbours;
  }

  get neighbourQuota(): NeighbourQuota {
    return this.state.neighbourQuota;
  }

  get fdb(): Fdb {
    return this.state.fdb;
  }

  get bridges(): BridgeFdb {
    return this.state.bridges;
  }

  get identifications(): Identifications {
    return this.state.identifications;
  }

  get sourcePorts(): SourcePorts {
    return this.state.sourcePorts;
  }

  get icmpLimit(): IcmpLimit {
    return this.state.icmpLimit;
  }

  get pathMtus(): PathMtus {
    return this.state.pathMtus;
  }

  get learnedPathMtus(): PathMtus | null {
    return this.state.learnedPathMtus;
  }

  get reassembly(): Reassembly {
    return this.state.reassembly;
  }

  get gathering(): Gathering {
    return this.state.gathering;
  }

  get netfilter(): Netfilter | null {
    return this.state.netfilter;
  }

  get encrypts(): boolean {
    return this.encrypting.length > 0;
  }

  get wireguard(): Tunnels | null {
    return this.state.wireguard;
  }

  /** Position of the WireGuard device that listens on a UDP port, or -1. */
  listener(port: number): number {
    for (let i = 0; i < this.encrypting.length; i++) {
      const device = this.devices[this.encrypting[i]!]!;
      if (device.port === port && device.up) return device.position;
    }
    return -1;
  }

  /** Whether packets to a UDP port are for VXLAN devices: one that is up opened it (vxlan_open). */
  hearsVxlan(port: number): boolean {
    for (let i = 0; i < this.vxlans.length; i++) {
      const device = this.devices[this.vxlans[i]!]!;
      if (device.port === port && device.up) return true;
    }
    return false;
  }

  /** The VXLAN device of a VNI that is up on a UDP port, or null: vxlan_vs_find_vni. */
  vxlanOf(port: number, vni: number): Device | null {
    for (let i = 0; i < this.vxlans.length; i++) {
      const device = this.devices[this.vxlans[i]!]!;
      if (device.port === port && device.vni === vni && device.up) return device;
    }
    return null;
  }

  /** The identification of a header that this namespace makes. */
  identify(source: number, destination: number, protocol: number): number {
    const id = this.identifications.next(source, destination, protocol);
    this.world.audit?.identified(this, source, destination, protocol, id);
    return id;
  }

  /** The route for an address, or -1: fib_lookup over the rules, `throw` goes on to the next. */
  lookup(address: number, mark = 0, source = 0, input = -1, tos = 0): number {
    return lookupRules(this.rules, this.routes, address, mark, source, input, tos);
  }
}
