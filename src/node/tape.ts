/**
 * What the rooms did to the packets of one flow, ready to be done again without
 * asking them: the idea of the kernel's flowtable (nf_flow_table), stretched over
 * every namespace on the way. A tape is recorded from a walk (tape-recorder.ts)
 * and holds while nothing it rests on has changed; it does each byte of the work,
 * looks nothing up and decides nothing.
 *
 * Its words lie in an array with those of other tapes (tape-memory.ts): a packet of one
 * flow among thousands finds nothing in the processor's caches, and pays for each line.
 *
 *   words[at]:  key | steps | guards of namespaces and neighbours
 */
import { bytes, half, putHalf, putWord } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import { type Connection, isAlive, keep } from './connection.ts';
import type { Conntrack } from './conntrack.ts';
import type { IdentificationCounters } from './identification-counters.ts';
import { type Manip, rewrite } from './l4-rewrite.ts';
import { freshUntil } from './neighbour.ts';
import { isNeighbour, NEIGHBOUR_WORDS } from './neighbour-guard.ts';
import type { Node, World } from './node.ts';
import { Act, actOf, deviceOf, namespaceOf, readSteps, type Step, stepLength } from './step.ts';
import type { TapeCell } from './tape-memory.ts';
import { learnWay, wrap as wrapIpip } from './tunnel-ipip.ts';
import { SHELL_WORDS, shellWord, wrapInShell } from './vxlan-shell.ts';

/** No second of virtual time is later. */
const FOREVER = 2 ** 31 - 1;

/** A connection as the recorded packet found it. */
export interface Tracked {
  readonly connection: Connection;
  readonly replied: boolean;
}

/** What a tape is made of. */
export interface TapeParts {
  readonly key: Int32Array;
  readonly steps: readonly number[];
  /** Longest IPv4 packet, in bytes, that is known to pass every MTU on the way. */
  readonly longest: number;
  /** Where the packet ends. */
  readonly last: Node;
  readonly nodes: readonly Node[];
  readonly connections: readonly Tracked[];
  /** As `guardNeighbour` makes them. */
  readonly neighbours: readonly number[];
}

/** What every packet asks for comes first, in two lines of the processor's cache. */
export class Tape {
  private readonly words: Int32Array;
  /** Where the key begins, the steps, and what follows them. */
  private readonly at: number;
  private readonly from: number;
  private readonly to: number;
  private readonly connections: readonly Connection[];
  /** By connection, a bit each: there had been an answer. */
  private readonly replied: number;
  private readonly world: World;
  /**
   * The count of changes when all namespaces and neighbours were looked at last, and the second
   * until which they then were good.
   */
  private met = 0;
  private until = 0;
  readonly longest: number;
  /** Whether somebody then saw frames on a device of the way. */
  private seen = true;
  private readonly counters: IdentificationCounters;
  /** Its words are another's. */
  discarded = false;
  readonly last: Node;
  private readonly nodes: readonly Node[];
  private readonly end: number;

  /** `cell` has room for them. */
  constructor(parts: TapeParts, { words, at }: TapeCell) {
    const { key, steps, nodes, connections, neighbours } = parts;
    this.words = words;
    this.at = at;
    this.from = at + key.length;
    this.to = this.from + steps.length;
    words.set(key, at);
    words.set(steps, this.from);
    const versions = nodes.map(({ version }) => version);
    words.set(versions, this.to);
    words.set(neighbours, this.to + versions.length);
    this.end = this.to + versions.length + neighbours.length;
    this.connections = connections.map(({ connection }) => connection);
    this.replied = connections.reduce((bits, { replied }, i) => bits | (Number(replied) << i), 0);
    this.longest = parts.longest;
    this.last = parts.last;
    this.nodes = nodes;
    const { world, identifications } = parts.last;
    this.world = world;
    this.counters = identifications.counters;
    this.met = world.changes.count - 1;
  }

  /** How many words it takes. */
  static sizeOf({ key, steps, nodes, neighbours }: TapeParts): number {
    return key.length + steps.length + nodes.length + neighbours.length;
  }

  /** Nobody is to play it any more: where its words were. */
  discard(): TapeCell {
    this.discarded = true;
    return { words: this.words, at: this.at };
  }

  get key(): Int32Array {
    return this.words.slice(this.at, this.from);
  }

  get steps(): Step[] {
    return readSteps(this.words.subarray(this.from, this.to), this.nodes);
  }

  /** Whether its key is the first `length` of these words. */
  isOf(key: Int32Array, length: number): boolean {
    const { words, at } = this;
    if (this.from - at !== length) return false;
    for (let i = 0; i < length; i++) if (words[at + i] !== key[i]) return false;
    return true;
  }

  /** Whether the rooms would do just this again, at this virtual time. */
  holds(ticks: number, milliseconds: number): boolean {
    const { connections, replied } = this;
    for (let i = 0; i < connections.length; i++) {
      const connection = connections[i]!;
      if (!isAlive(connection, ticks) || connection.replied !== ((replied >>> i) & 1) > 0) {
        return false;
      }
    }
    if (this.met === this.world.changes.count && milliseconds < this.until * 1000) return true;
    return this.meets(milliseconds);
  }

  /** Segments of a TCP connection move its windows, each one. */
  get tracksTcp(): boolean {
    return this.connections.some(({ tcp }) => tcp !== null);
  }

  /** After `holds`: a millisecond until which it does, whatever packets of it there are before. */
  lasts(milliseconds: number): number {
    let until = Math.max(milliseconds, this.until * 1000 - 1);
    this.track((conntrack, connection) => {
      until = Math.min(until, milliseconds + conntrack.patience(connection));
    });
    return until;
  }

  /** What packets do to the connections, none of them TCP's, the last one at these ticks. */
  touch(ticks: number): void {
    this.track((conntrack, connection) => {
      if (!keep(connection, ticks)) conntrack.touch(connection, ticks);
    });
  }

  private track(each: (conntrack: Conntrack, connection: Connection) => void): void {
    const { words, nodes, to } = this;
    let tracked = 0;
    for (let at = this.from; at < to; at += stepLength(words[at]!)) {
      const head = words[at]!;
      if (actOf(head) !== Act.Track) continue;
      each(nodes[namespaceOf(head)]!.netfilter!.conntrack, this.connections[tracked++]!);
    }
  }

  /** Whether the namespaces and neighbours still are what they were; if so, that is kept. */
  private meets(milliseconds: number): boolean {
    const { words, nodes } = this;
    for (let i = 0; i < nodes.length; i++) {
      if (nodes[i]!.version !== words[this.to + i]) return false;
    }
    let until = Number.POSITIVE_INFINITY;
    for (let at = this.to + nodes.length; at < this.end; at += NEIGHBOUR_WORDS) {
      const node = nodes[words[at]!]!;
      const id = words[at + 1]!;
      if (!isNeighbour(node, id, words, at + 2)) return false;
      until = Math.min(until, freshUntil(node, id));
    }
    if (milliseconds > until) return false;
    this.met = this.world.changes.count;
    this.until = Math.min(Math.floor(until / 1000), FOREVER);
    this.seen = this.isSeen();
    return true;
  }

  private isSeen(): boolean {
    const { words, nodes, to } = this;
    for (let at = this.from; at < to; at += stepLength(words[at]!)) {
      const head = words[at]!;
      if (nodes[namespaceOf(head)]!.devices[deviceOf(head)]!.tap !== null) return true;
    }
    return false;
  }

  /**
   * Takes the packet the whole way; null. A TCP segment that does not fit into its
   * connection goes another: it stands before Prerouting of the node that is returned.
   */
  play(p: Packet, ticks: number): Node | null {
    const { words, to } = this;
    let tracked = 0;
    for (let at = this.from; at < to; ) {
      const head = words[at++]!;
      switch (actOf(head)) {
        case Act.Enter:
          if (this.seen) this.show(head, p, false);
          header(p, p.data + words[at++]!);
          break;
        case Act.Track: {
          const connection = this.connections[tracked++]!;
          if (!keep(connection, ticks) && !this.follow(head, p, ticks, words[at]!)) {
            return this.stray(head, p, words[at + 1]!);
          }
          at += 2;
          break;
        }
        case Act.Rewrite: {
          const partial = p.partial && p.partialAt === p.l3;
          rewrite(p.l3, p.tail, words[at] as Manip, words[at + 1]!, words[at + 2]!, partial);
          at += 3;
          break;
        }
        case Act.Hop:
          ipv4.decrementTtl(bytes, p.l3);
          break;
        case Act.Frame: {
          const frame = p.push(ethernet.HEADER_LEN);
          putWord(frame, words[at]!);
          putWord(frame + 4, words[at + 1]!);
          putWord(frame + 8, words[at + 2]!);
          putHalf(frame + ethernet.field.type, ethernet.TYPE_IPV4);
          at += 3;
          if (this.seen) this.show(head, p, true);
          break;
        }
        case Act.Leave:
          if (this.seen) this.show(head, p, true);
          break;
        case Act.VxlanOut:
          wrapInShell(words, at, p, this.identify(head, at));
          at += SHELL_WORDS;
          break;
        case Act.VxlanIn: {
          const udpAt = p.l3 + ipv4.HEADER_LEN;
          p.tail = udpAt + half(udpAt + udp.field.length);
          if (p.partialAt === p.l3) p.partial = false;
          p.data = p.l3 + words[at++]!;
          break;
        }
        case Act.IpipOut: {
          const node = this.nodes[namespaceOf(head)]!;
          learnWay(node, p, words[at + 2]!, words[at + 1]!);
          p.l3 = wrapIpip(node, p, words[at]!, words[at + 1]!);
          at += 3;
          break;
        }
        case Act.IpipIn:
          p.data += words[at++]!;
          if (this.seen) this.show(head, p, false);
          header(p, p.data);
          break;
      }
    }
    return null;
  }

  /** The identification of the header of the shell at `words[shell]`. */
  private identify(head: number, shell: number): number {
    const { words, world } = this;
    const counter = words[shell + shellWord.counter]!;
    if (counter >= 0 && world.audit === null) return this.counters.take(counter);
    const node = this.nodes[namespaceOf(head)]!;
    const id = node.identifications.take(counter);
    const source = words[shell + shellWord.source]!;
    const destination = words[shell + shellWord.destination]!;
    world.audit?.identified(node, source, destination, ipv4.PROTO_UDP, id);
    return id;
  }

  /** For whoever watches the device. */
  private show(head: number, p: Packet, outgoing: boolean): void {
    const node = this.nodes[namespaceOf(head)]!;
    const device = node.devices[deviceOf(head)]!;
    if (device.tap !== null) device.tap.see(node, device, p, outgoing);
  }

  /** The next packet of a connection that it may change; false where it does not fit. */
  private follow(head: number, p: Packet, ticks: number, place: number): boolean {
    const { conntrack } = this.nodes[namespaceOf(head)]!.netfilter!;
    conntrack.resume(p, ticks, place >> 1, place & 1);
    return p.ct >= 0;
  }

  /** As Ingress and IpInput leave a packet. */
  private stray(head: number, p: Packet, mark: number): Node {
    p.input = deviceOf(head);
    p.output = -1;
    p.route = -1;
    p.tunnel = -1;
    p.wraps = 0;
    p.mark = mark;
    p.frameType = FrameType.Host;
    p.forgetFlow();
    return this.nodes[namespaceOf(head)]!;
  }
}

/** The IPv4 header is here: IpInput. */
function header(p: Packet, at: number): void {
  p.data = at;
  p.l3 = at;
  p.tail = at + half(at + ipv4.field.totalLength);
}
