/**
 * The sockets of a namespace, as far as somebody stated them or they have been seen to
 * send. No table of Calico tells which ports are open: where nobody says, all are.
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { TupleIndex } from '../tables/tuple-index.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Device } from './device.ts';
import type { Node } from './node.ts';
import { readTuple, type Tuple } from './tuple.ts';

/** Connections remembered; the oldest is forgotten first. */
const MAX_CONNECTIONS = 4096;
const ANY = 0;

export class Sockets {
  /** Ports that listen, as protocol << 16 | port; null: nobody said which. */
  private listening: Set<number> | null = null;
  private readonly connections: Tuple[] = [];
  private readonly index = new TupleIndex();
  /** The cell of `connections` that the next one gets. */
  private turn = 0;

  /** Whether somebody said which ports listen. */
  get isStated(): boolean {
    return this.listening !== null;
  }

  /** From now on these ports listen, and those that were stated before, but no others. */
  listen(protocol: number, ports: readonly number[]): void {
    this.listening ??= new Set();
    for (const port of ports) this.listening.add((protocol << 16) | port);
  }

  listens(protocol: number, port: number): boolean {
    return this.listening === null || this.listening.has((protocol << 16) | port);
  }

  /** This namespace sent a packet of this tuple: what answers it has a socket here. */
  connect(sent: Tuple): void {
    if (this.has(sent.source, sent.destination, sent.ports, sent.protocol)) return;
    const at = this.turn;
    this.turn = (at + 1) % MAX_CONNECTIONS;
    const old = this.connections[at];
    if (old !== undefined) {
      this.index.delete(old.source, old.destination, old.ports, old.protocol);
    }
    const isTcp = sent.protocol === ipv4.PROTO_TCP;
    // A UDP socket takes what comes to its port, from anybody.
    this.connections[at] = isTcp
      ? { ...sent }
      : {
          source: ANY,
          destination: ANY,
          ports: sent.ports >>> 16,
          protocol: sent.protocol,
          zone: 0,
        };
    const { source, destination, ports, protocol } = this.connections[at];
    this.index.set(source, destination, ports, protocol, at);
  }

  /** Whether a received packet, its tuple turned round, is for a socket that has sent. */
  isConnected(answered: Tuple): boolean {
    const { source, destination, ports, protocol } = answered;
    return this.has(source, destination, ports, protocol);
  }

  private has(source: number, destination: number, ports: number, protocol: number): boolean {
    const at =
      protocol === ipv4.PROTO_TCP
        ? this.index.get(source, destination, ports, protocol)
        : this.index.get(ANY, ANY, ports >>> 16, protocol);
    return at >= 0;
  }
}

const sent: Tuple = { source: 0, destination: 0, ports: 0, protocol: 0, zone: 0 };

/** The namespace sends the IPv4 packet at `l3` from a socket. */
export function noteSender(node: Node, l3: number, end: number): void {
  const protocol = ipv4.protocol(bytes, l3);
  if (protocol !== ipv4.PROTO_TCP && protocol !== ipv4.PROTO_UDP) return;
  if (ipv4.fragmentOffset(bytes, l3) === 0 && readTuple(l3, end, sent)) node.sockets.connect(sent);
}

/** The same of a frame that leaves by a device. */
export function noteFrame(node: Node, device: Device, { data, tail }: Packet): void {
  const l3 = data + (device.ethernet ? ethernet.HEADER_LEN : 0);
  if (device.ethernet && (l3 > tail || ethernet.type(bytes, data) !== ethernet.TYPE_IPV4)) return;
  if (ipv4.check(bytes, l3, tail) === Drop.None) noteSender(node, l3, tail);
}
