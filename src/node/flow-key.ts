/**
 * What of a packet decides its way: everything that a table, a rule or a room of
 * the walk reads, as 32-bit words. Packets of one key that arrive in one place
 * are treated alike, down to lengths, payloads and identifications; what has
 * more to it (options, fragments, ICMP, broken sums) has no key.
 */
import { Drop } from '../drop.ts';
import { bytes, half, word } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { add, fold, halves } from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import type { Device } from './device.ts';
import { Room } from './room.ts';

/** Place, link header, outer packet, tunnel and inner packet. */
const MAX_WORDS = 18;

/** Version 4 without options. */
const PLAIN_HEADER = 0x45;

/** 2^32 divided by the golden ratio. */
const GOLDEN = 0x9e3779b1;

export class FlowKey {
  readonly words: Int32Array = new Int32Array(MAX_WORDS);
  length = 0;
  hash = 0;
  /** Bytes of the outermost IPv4 packet. */
  packetLength = 0;
  /** UDP ports where some namespace may look into the packet: those of VXLAN devices. */
  private readonly tunnels: readonly number[];

  constructor(tunnels: readonly number[]) {
    this.tunnels = tunnels;
  }

  /** Reads the key of a packet that enters a room by a device; false where it has none. */
  read(device: Device, p: Packet, room: number): boolean {
    this.length = 0;
    if (p.partial || p.segment > 0) return false;
    this.push(device.namespace);
    this.push((device.position << 8) | room);
    let at = p.data;
    if (device.ethernet) {
      at = this.frame(at, p.tail, false);
      if (at < 0) return false;
    }
    this.packetLength = this.packet(at, p.tail);
    if (this.packetLength === 0) return false;
    // Only IpInput cuts what stands behind the packet; a link still counts it.
    if (room === Room.Transmit && this.packetLength !== p.tail - at) return false;
    this.seal();
    return true;
  }

  private push(word: number): void {
    this.words[this.length++] = word;
  }

  private seal(): void {
    const { words, length } = this;
    let hash = length;
    for (let i = 0; i < length; i++) {
      hash = Math.imul(hash ^ words[i]!, GOLDEN);
      hash ^= hash >>> 15;
    }
    this.hash = hash;
  }

  /** An Ethernet header; where IPv4 begins behind it, or -1. A tunnel looks at the source, too. */
  private frame(at: number, end: number, inTunnel: boolean): number {
    if (end - at < ethernet.HEADER_LEN) return -1;
    if (half(at + ethernet.field.type) !== ethernet.TYPE_IPV4) return -1;
    this.push(word(at));
    if (inTunnel) {
      this.push(word(at + 4));
      this.push(word(at + 8));
    } else this.push(half(at + 4));
    return at + ethernet.HEADER_LEN;
  }

  /** Its length, or 0 for one without a key. */
  private packet(l3: number, end: number): number {
    const length = this.header(l3, end);
    if (length === 0) return 0;
    const l4 = l3 + ipv4.HEADER_LEN;
    const over = l3 + length;
    const protocol = ipv4.protocol(bytes, l3);
    if (protocol === ipv4.PROTO_IPIP) return this.inner(l4, over) ? length : 0;
    if (!this.message(l3, l4, over, protocol)) return 0;
    if (!this.isTunnel(l4, protocol)) return length;
    const header = l4 + udp.HEADER_LEN;
    if (vxlan.check(bytes, header, over) !== Drop.None) return 0;
    this.push(vxlan.vni(bytes, header));
    const inside = this.frame(header + vxlan.HEADER_LEN, over, true);
    return inside >= 0 && this.inner(inside, over) ? length : 0;
  }

  /** One tunnel deep; a packet with two has no key. */
  private inner(l3: number, end: number): boolean {
    const length = this.header(l3, end);
    const protocol = ipv4.protocol(bytes, l3);
    const l4 = l3 + ipv4.HEADER_LEN;
    return (
      length > 0 && this.message(l3, l4, l3 + length, protocol) && !this.isTunnel(l4, protocol)
    );
  }

  private isTunnel(l4: number, protocol: number): boolean {
    return protocol === ipv4.PROTO_UDP && this.tunnels.includes(udp.destinationPort(bytes, l4));
  }

  /** The packet's length by a header without options or fault, which is no fragment's; else 0. */
  private header(l3: number, end: number): number {
    if (end - l3 < ipv4.HEADER_LEN) return 0;
    const first = word(l3);
    const second = word(l3 + ipv4.field.identification);
    const third = word(l3 + ipv4.field.ttl);
    const source = word(l3 + ipv4.field.source);
    const destination = word(l3 + ipv4.field.destination);
    const length = first & 0xffff;
    if (first >>> 24 !== PLAIN_HEADER || length < ipv4.HEADER_LEN || length > end - l3) return 0;
    if ((second & 0xffff & ~ipv4.FLAG_DF) !== 0) return 0;
    const sum = halves(first) + halves(second) + halves(third);
    if (fold(sum + halves(source) + halves(destination)) !== 0xffff) return 0;
    // TTL and protocol, TOS, DF.
    this.push((third & ~0xffff) | ((first >>> 8) & 0xff00) | (second & ipv4.FLAG_DF ? 1 : 0));
    this.push(source);
    this.push(destination);
    return length;
  }

  /** Ports, and a sum that is right: connection tracking looks at it. */
  private message(l3: number, l4: number, end: number, protocol: number): boolean {
    if (protocol === ipv4.PROTO_TCP) {
      if (tcp.check(bytes, l4, end) !== Drop.None) return false;
      const flags = tcp.flags(bytes, l4);
      // What begins or ends a connection changes its state.
      if ((flags & (tcp.ACK | tcp.URG | tcp.SYN | tcp.FIN | tcp.RST)) !== tcp.ACK) return false;
      this.push(flags);
      this.push(word(l4));
      return isSummed(l3, l4, end, protocol);
    }
    if (protocol !== ipv4.PROTO_UDP || udp.check(bytes, l4, end) !== Drop.None) return false;
    this.push(word(l4));
    if (udp.length(bytes, l4) !== end - l4) return false;
    return udp.checksum(bytes, l4) === 0 || isSummed(l3, l4, end, protocol);
  }
}

function isSummed(l3: number, l4: number, end: number, protocol: number): boolean {
  const addresses =
    halves(word(l3 + ipv4.field.source)) + halves(word(l3 + ipv4.field.destination));
  const length = end - l4;
  return fold(add(addresses + protocol + length, bytes, l4, length)) === 0xffff;
}
