/**
 * Watches one packet through all its rooms and makes a tape of what they did. A
 * packet for which something happened that the next one may not meet alike (a
 * connection begun, an address asked for, an ICMP error, a draw) leaves none.
 */
import { bytes, word } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { i32 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import { CtState } from './connection.ts';
import { Manip } from './l4-rewrite.ts';
import { isFresh } from './neighbour.ts';
import { guardNeighbour } from './neighbour-guard.ts';
import type { Node } from './node.ts';
import { End, type Next, Room } from './room.ts';
import { Act, headOf } from './step.ts';
import { Tape, type TapeParts, type Tracked } from './tape.ts';
import type { TapeMemory } from './tape-memory.ts';
import { SHELL_WORDS, VxlanShell } from './vxlan-shell.ts';
import type { RoomWatch } from './walk.ts';

/** So many bits has a number that says which of them had been answered. */
const MAX_CONNECTIONS = 31;

export class TapeRecorder implements RoomWatch {
  private readonly steps: number[] = [];
  private readonly nodes: Node[] = [];
  private readonly connections: Tracked[] = [];
  private readonly neighbours: number[] = [];
  /** Something happened that a tape cannot repeat. */
  private spoilt = false;
  private last: Node | null = null;
  private packet: Packet | null = null;
  /** As the packet entered the room. */
  private data = 0;
  private source = 0;
  private destination = 0;
  private ports = 0;
  private partial = false;
  private localOut = false;
  private drawn = 0;
  private mark = 0;
  private route = -1;
  private tos = 0;
  /** The last VXLAN tunnel entered, and where among the steps its headers are. */
  private shell: VxlanShell | null = null;
  private shellAt = 0;
  private fresh = false;
  /** The link header has just been written. */
  private framed = false;

  enter(node: Node, p: Packet, room: Room): void {
    this.packet ??= p;
    // A copy, a fragment, an answer: the packet was not alone.
    if (p !== this.packet) this.spoilt = true;
    if (!this.nodes.includes(node)) this.nodes.push(node);
    this.data = p.data;
    this.partial = p.partial;
    this.localOut = p.localOut;
    this.mark = p.mark;
    this.route = p.route;
    this.drawn = node.netfilter?.chains.drawn ?? 0;
    if (p.l3 >= 0) {
      this.source = ipv4.source(bytes, p.l3);
      this.destination = ipv4.destination(bytes, p.l3);
      this.ports = portsOf(p.l3);
    }
    if (room === Room.VxlanIn || room === Room.IpipIn) this.tos = innerTos(p, room);
    else if (room === Room.Neighbour) this.fresh = isKnown(node, p);
  }

  leave(node: Node, p: Packet, room: Room, next: Next): void {
    if (next === End.Delivered) this.last = node;
    else if (next < 0 && next !== End.Sent) this.spoilt = true;
    if ((node.netfilter?.chains.drawn ?? 0) !== this.drawn) this.spoilt = true;
    if (!this.spoilt) this.note(node, p, room);
  }

  /**
   * The tape of a packet that was delivered, with words in `memory`, or null. `longest`: its
   * length in bytes, as IPv4.
   */
  finish(key: Int32Array, longest: number, memory: TapeMemory): Tape | null {
    const { steps, nodes, connections, neighbours, last } = this;
    if (this.spoilt || last === null || connections.length > MAX_CONNECTIONS) return null;
    const parts: TapeParts = { key, steps, longest, last, nodes, connections, neighbours };
    return new Tape(parts, memory.take(Tape.sizeOf(parts)));
  }

  private note(node: Node, p: Packet, room: Room): void {
    switch (room) {
      case Room.Ingress:
        this.add(Act.Enter, node, p.input, p.data - this.data);
        break;
      case Room.Prerouting:
        this.track(node, p);
        this.rewritten(node, p);
        break;
      case Room.LocalOut:
        if (!this.localOut) this.track(node, p);
        this.rewritten(node, p);
        break;
      case Room.Input:
      case Room.Postrouting:
        this.rewritten(node, p);
        break;
      case Room.Forward:
        this.add(Act.Hop, node, p.input);
        // An ICMP redirect may have gone out.
        this.spoilt ||= p.redirect;
        break;
      case Room.Finish:
        this.spoilt ||= p.partial !== this.partial;
        break;
      case Room.Neighbour:
        this.resolved(node, p);
        break;
      case Room.Transmit:
        this.left(node, p);
        // Only the outer header of VXLAN is ever unfinished here: nothing enters unfinished.
        if (this.partial && !p.partial) this.finishShell();
        break;
      case Room.VxlanOut:
        this.wrapped(node, p);
        break;
      case Room.IpipOut:
        this.add(Act.IpipOut, node, p.tunnel, p.noteA, p.noteB, this.route);
        break;
      case Room.VxlanIn:
        this.spoilt ||= node.devices[p.input]!.learning;
        this.add(Act.VxlanIn, node, p.input, p.data - this.data);
        this.spoilt ||= ipv4.tos(bytes, p.data + ethernet.HEADER_LEN) !== this.tos;
        break;
      case Room.IpipIn:
        this.add(Act.IpipIn, node, p.input, p.data - this.data);
        this.spoilt ||= ipv4.tos(bytes, p.data) !== this.tos;
        break;
      case Room.Route:
        // What a redirect said ends by the clock.
        this.spoilt ||= p.noteB !== 0;
        break;
      case Room.IpInput:
      case Room.ForwardFilter:
      case Room.Output:
      case Room.Local:
        break;
      default:
        // ARP, bridges, segments put together: what happens there hangs on other packets.
        this.spoilt = true;
    }
  }

  private add(act: Act, node: Node, device: number, ...operands: readonly number[]): void {
    const head = headOf(act, this.nodes.indexOf(node), Math.max(device, 0));
    this.spoilt ||= head === null;
    this.steps.push(head ?? 0, ...operands);
  }

  private track(node: Node, p: Packet): void {
    if (p.ct < 0) {
      // Untracked by a rule, or nobody tracks here.
      this.spoilt ||= p.ctState !== CtState.None && p.ctState !== CtState.Untracked;
      return;
    }
    const { conntrack } = node.netfilter!;
    const connection = conntrack.connection(p.ct);
    this.spoilt ||= !connection.confirmed || p.ctState === CtState.Related;
    // The next segment may not fit, and walks on from here as from a link (Tape.play).
    this.spoilt ||= connection.tcp !== null && p.wraps > 0;
    this.add(Act.Track, node, p.input, p.ct * 2 + p.ctDirection, this.mark);
    this.connections.push({ connection, replied: connection.replied });
  }

  private left(node: Node, p: Packet): void {
    const { data } = p;
    if (!this.framed) this.add(Act.Leave, node, p.output);
    else this.add(Act.Frame, node, p.output, word(data), word(data + 4), word(data + 8));
    this.framed = false;
  }

  private wrapped(node: Node, p: Packet): void {
    const { udpChecksum, learning } = node.devices[p.tunnel]!;
    // The shell always has a checksum; what was learned may be forgotten.
    this.spoilt ||= !udpChecksum || learning;
    // In a tunnel already, whose sums are not finished.
    this.spoilt ||= this.partial;
    this.shell = VxlanShell.of(p.l3, node);
    this.add(Act.VxlanOut, node, p.tunnel, ...this.shell.words());
    this.shellAt = this.steps.length - SHELL_WORDS;
  }

  /** The device behind the tunnel wanted finished checksums. */
  private finishShell(): void {
    if (this.shell === null) return;
    this.steps.splice(this.shellAt, SHELL_WORDS, ...this.shell.finished().words());
  }

  private rewritten(node: Node, p: Packet): void {
    const ports = portsOf(p.l3);
    const source = ipv4.source(bytes, p.l3);
    const destination = ipv4.destination(bytes, p.l3);
    const changed =
      source !== this.source || destination !== this.destination || ports !== this.ports;
    // The sums of a shell are those of the headers it was made from.
    if (changed && p.partial) this.spoilt = true;
    if (source !== this.source || ports >>> 16 !== this.ports >>> 16) {
      this.add(Act.Rewrite, node, p.output, Manip.Source, source, ports >>> 16);
    }
    if (destination !== this.destination || (ports & 0xffff) !== (this.ports & 0xffff)) {
      this.add(Act.Rewrite, node, p.output, Manip.Destination, destination, ports & 0xffff);
    }
  }

  private resolved(node: Node, p: Packet): void {
    this.framed = true;
    // A broadcast is copied on its link, and an entry that was just made or verified is none to trust.
    this.spoilt ||= p.noteB === 1 || !this.fresh;
    if (this.spoilt) return;
    this.neighbours.push(...guardNeighbour(node, this.nodes.indexOf(node), p.noteA));
  }
}

/** From the outer IPv4 header to the inner one. */
const VXLAN_INNER = ipv4.HEADER_LEN + udp.HEADER_LEN + vxlan.HEADER_LEN + ethernet.HEADER_LEN;

const portsOf = (l3: number): number => {
  const protocol = ipv4.protocol(bytes, l3);
  if (protocol !== ipv4.PROTO_TCP && protocol !== ipv4.PROTO_UDP) return 0;
  return i32(bytes, l3 + ipv4.headerLength(bytes, l3));
};

/** TOS of the packet inside the tunnel whose end this room is. */
function innerTos(p: Packet, room: Room): number {
  const link = room === Room.VxlanIn ? VXLAN_INNER - ipv4.HEADER_LEN : 0;
  return ipv4.tos(bytes, p.l3 + ipv4.headerLength(bytes, p.l3) + link);
}

function isKnown(node: Node, p: Packet): boolean {
  const id = node.neighbours.find(p.output, p.nextHop);
  return id >= 0 && isFresh(node, id, node.world.milliseconds());
}
