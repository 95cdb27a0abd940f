/**
 * What the rooms did to the packets of one flow, ready to be done again without
 * asking them: the idea of the kernel's flowtable (nf_flow_table), stretched over
 * every namespace on the way. A tape is recorded from a walk (tape-recorder.ts)
 * and holds while nothing it rests on has changed; it does each byte of the work,
 * looks nothing up and decides nothing.
 */
import { bytes, half, putHalf, putWord } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import type { Neighbours } from '../tables/neighbours.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import type { Connection } from './connection.ts';
import type { Conntrack } from './conntrack.ts';
import type { Device } from './device.ts';
import { type Manip, rewrite } from './l4-rewrite.ts';
import { freshUntil } from './neighbour.ts';
import type { Node } from './node.ts';
import { learnWay, wrap as wrapIpip } from './tunnel-ipip.ts';
import type { VxlanShell } from './vxlan-shell.ts';

export const Act = {
  /** A frame on a device: `a` bytes of link header come off, and what lies behind the packet. */
  Enter: 0,
  /** The packet belongs to a connection; it came with mark `a`. */
  Track: 2,
  /** NAT: end `a` gets address `b` and port `c`. */
  Rewrite: 3,
  /** A router's hop: one off the TTL. */
  Hop: 4,
  /** Onto the device, with a link header: both MACs as the words `a`, `b` and `c`. */
  Frame: 5,
  /** Onto the device as it is. */
  Leave: 6,
  /** Into VXLAN, with the headers of `shell`. */
  VxlanOut: 7,
  /** Out of it: `a` bytes of headers come off. */
  VxlanIn: 8,
  /** Into IPIP: from `a` to `b`, by the route `c`. */
  IpipOut: 9,
  /** Out of it, onto the device: `a` bytes come off, and what lies behind the packet. */
  IpipIn: 10,
} as const;
export type Act = (typeof Act)[keyof typeof Act];

/** One thing done. All have one shape, so that playing reads fields at fixed places. */
export class Step {
  readonly act: Act;
  readonly node: Node;
  readonly device: Device;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly conntrack: Conntrack | null;
  readonly id: number;
  readonly direction: number;
  readonly shell: VxlanShell | null;

  constructor(
    act: Act,
    node: Node,
    device: Device,
    a = 0,
    b = 0,
    c = 0,
    tracked?: Tracked,
    shell?: VxlanShell,
  ) {
    this.act = act;
    this.node = node;
    this.device = device;
    this.a = a;
    this.b = b;
    this.c = c;
    this.conntrack = tracked?.conntrack ?? null;
    this.id = tracked?.id ?? -1;
    this.direction = tracked?.direction ?? 0;
    this.shell = shell ?? null;
  }
}

/** A connection as the recorded packet found it. */
export interface Tracked {
  readonly conntrack: Conntrack;
  readonly connection: Connection;
  readonly id: number;
  readonly direction: number;
  readonly replied: boolean;
}

/** A neighbour as the recorded packet found it. */
export interface NeighbourGuard {
  readonly node: Node;
  readonly id: number;
  readonly device: number;
  readonly address: number;
  readonly state: number;
  readonly macHigh: number;
  readonly macLow: number;
}

export class Tape {
  readonly key: Int32Array;
  readonly steps: readonly Step[];
  /** Longest IPv4 packet, in bytes, that is known to pass every MTU on the way. */
  readonly longest: number;
  /** Where the packet ends. */
  readonly last: Node;
  private readonly nodes: readonly Node[];
  private readonly tables: readonly Neighbours<Packet>[];
  private readonly versions: Int32Array;
  private readonly connections: readonly Tracked[];
  private readonly neighbours: readonly NeighbourGuard[];
  /** Of the nodes' neighbour tables, when those were looked at last; and how long they then were good for. */
  private readonly changes: Int32Array;
  private until = Number.NEGATIVE_INFINITY;

  constructor(parts: {
    key: Int32Array;
    steps: readonly Step[];
    longest: number;
    last: Node;
    nodes: readonly Node[];
    connections: readonly Tracked[];
    neighbours: readonly NeighbourGuard[];
  }) {
    this.key = parts.key;
    this.steps = parts.steps;
    this.longest = parts.longest;
    this.last = parts.last;
    this.nodes = parts.nodes;
    this.tables = parts.nodes.map(({ neighbours }) => neighbours);
    this.versions = Int32Array.from(parts.nodes, ({ version }) => version);
    this.connections = parts.connections;
    this.neighbours = parts.neighbours;
    this.changes = new Int32Array(parts.nodes.length);
  }

  /** Whether the rooms would do just this again, at this virtual time. */
  holds(ticks: number, milliseconds: number): boolean {
    const { nodes, tables, versions, changes, connections } = this;
    let known = milliseconds <= this.until;
    for (let i = 0; i < nodes.length; i++) {
      if (nodes[i]!.version !== versions[i]) return false;
      known &&= tables[i]!.changes === changes[i];
    }
    for (let i = 0; i < connections.length; i++) {
      const { conntrack, connection, id, replied } = connections[i]!;
      if (!conntrack.isAlive(id, connection, ticks) || connection.replied !== replied) return false;
    }
    return known || this.meetsNeighbours(milliseconds);
  }

  /** Whether the neighbours still are what they were; if so, that is kept. */
  private meetsNeighbours(milliseconds: number): boolean {
    const { tables, neighbours } = this;
    let until = Number.POSITIVE_INFINITY;
    for (let i = 0; i < neighbours.length; i++) {
      const n = neighbours[i]!;
      const table = n.node.neighbours;
      if (
        table.state(n.id) !== n.state ||
        table.macLow(n.id) !== n.macLow ||
        table.macHigh(n.id) !== n.macHigh ||
        table.address(n.id) !== n.address ||
        table.device(n.id) !== n.device
      ) {
        return false;
      }
      until = Math.min(until, freshUntil(n.node, n.id));
    }
    if (milliseconds > until) return false;
    this.until = until;
    for (let i = 0; i < tables.length; i++) this.changes[i] = tables[i]!.changes;
    return true;
  }

  /**
   * Takes the packet the whole way; null. A TCP segment that does not fit into its
   * connection goes another: it stands before Prerouting of the node that is returned.
   */
  play(p: Packet, ticks: number): Node | null {
    const { steps } = this;
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!;
      const { device } = step;
      switch (step.act) {
        case Act.Enter:
          if (device.tap !== null) device.tap.see(step.node, device, p, false);
          header(p, p.data + step.a);
          break;
        case Act.Track:
          step.conntrack!.resume(p, ticks, step.id, step.direction);
          if (p.ct !== step.id) return stray(p, step);
          break;
        case Act.Rewrite:
          rewrite(p.l3, p.tail, step.a as Manip, step.b, step.c, p.partial && p.partialAt === p.l3);
          break;
        case Act.Hop:
          ipv4.decrementTtl(bytes, p.l3);
          break;
        case Act.Frame: {
          const at = p.push(ethernet.HEADER_LEN);
          putWord(at, step.a);
          putWord(at + 4, step.b);
          putWord(at + 8, step.c);
          putHalf(at + ethernet.field.type, ethernet.TYPE_IPV4);
          if (device.tap !== null) device.tap.see(step.node, device, p, true);
          break;
        }
        case Act.Leave:
          if (device.tap !== null) device.tap.see(step.node, device, p, true);
          break;
        case Act.VxlanOut:
          step.shell!.wrap(p);
          break;
        case Act.VxlanIn: {
          const udpAt = p.l3 + ipv4.HEADER_LEN;
          p.tail = udpAt + half(udpAt + udp.field.length);
          if (p.partialAt === p.l3) p.partial = false;
          p.data = p.l3 + step.a;
          break;
        }
        case Act.IpipOut:
          learnWay(step.node, p, step.c, step.b);
          p.l3 = wrapIpip(step.node, p, step.a, step.b);
          break;
        case Act.IpipIn:
          p.data += step.a;
          if (device.tap !== null) device.tap.see(step.node, device, p, false);
          header(p, p.data);
          break;
        default:
          step.act satisfies never;
      }
    }
    return null;
  }
}

/** The IPv4 header is here: IpInput. */
function header(p: Packet, at: number): void {
  p.data = at;
  p.l3 = at;
  p.tail = at + half(at + ipv4.field.totalLength);
}

/** As Ingress and IpInput leave a packet. */
function stray(p: Packet, { node, device, a }: Step): Node {
  p.input = device.position;
  p.output = -1;
  p.route = -1;
  p.tunnel = -1;
  p.wraps = 0;
  p.mark = a;
  p.frameType = FrameType.Host;
  p.forgetFlow();
  return node;
}
