/**
 * What of a packet decides its way: everything that a table, a rule or a room of
 * the walk reads, as 32-bit words. Packets of one key that arrive in one place
 * are treated alike, down to lengths, payloads and identifications; what has
 * more to it (options, fragments, ICMP, broken sums) has no key.
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { i32, u16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import type { Device } from './device.ts';
import { mix } from './flow-hash.ts';
import type { Node } from './node.ts';
import { Room } from './room.ts';

/** Place, link header, outer packet, tunnel and inner packet. */
const MAX_WORDS = 18;

/** Version 4 without options. */
const PLAIN_HEADER = 0x45;

export class FlowKey {
  readonly words: Int32Array = new Int32Array(MAX_WORDS);
  length = 0;
  hash = 0;
  /** Bytes of the outermost IPv4 packet. */
  packetLength = 0;

  /** Reads the key of a packet that enters a room by a device; false where it has none. */
  read(node: Node, device: Device, p: Packet, room: number): boolean {
    this.length = 0;
    if (p.partial || p.segment > 0) return false;
    this.push(node.position);
    this.push((device.position << 8) | room);
    let at = p.data;
    if (device.ethernet) {
      at = this.frame(at, p.tail, false);
      if (at < 0) return false;
    }
    if (!this.packet(node, at, p.tail)) return false;
    this.packetLength = ipv4.totalLength(bytes, at);
    // Only IpInput cuts what stands behind the packet; a link still counts it.
    if (room === Room.Transmit && this.packetLength !== p.tail - at) return false;
    this.seal();
    return true;
  }

  is(other: Int32Array): boolean {
    const { words, length } = this;
    if (other.length !== length) return false;
    for (let i = 0; i < length; i++) if (words[i] !== other[i]) return false;
    return true;
  }

  private push(word: number): void {
    this.words[this.length++] = word;
  }

  private seal(): void {
    const { words, length } = this;
    let hash = length;
    for (let i = 0; i < length; i++) hash = mix(hash, words[i]!);
    this.hash = hash;
  }

  /** An Ethernet header; where IPv4 begins behind it, or -1. A tunnel looks at the source, too. */
  private frame(at: number, end: number, inTunnel: boolean): number {
    if (end - at < ethernet.HEADER_LEN || ethernet.type(bytes, at) !== ethernet.TYPE_IPV4) {
      return -1;
    }
    this.push(i32(bytes, at));
    if (inTunnel) {
      this.push(i32(bytes, at + 4));
      this.push(i32(bytes, at + 8));
    } else this.push(u16(bytes, at + 4));
    return at + ethernet.HEADER_LEN;
  }

  private packet(node: Node, l3: number, end: number): boolean {
    if (!this.header(l3, end)) return false;
    const l4 = l3 + ipv4.HEADER_LEN;
    const over = l3 + ipv4.totalLength(bytes, l3);
    const protocol = ipv4.protocol(bytes, l3);
    if (protocol === ipv4.PROTO_IPIP) return this.inner(l4, over);
    if (!this.message(l3, l4, over, protocol)) return false;
    const tunnel = node.vxlan < 0 ? undefined : node.devices[node.vxlan];
    if (protocol !== ipv4.PROTO_UDP || udp.destinationPort(bytes, l4) !== tunnel?.port) return true;
    const header = l4 + udp.HEADER_LEN;
    if (vxlan.check(bytes, header, over) !== Drop.None) return false;
    this.push(vxlan.vni(bytes, header));
    const inside = this.frame(header + vxlan.HEADER_LEN, over, true);
    return inside >= 0 && this.inner(inside, over);
  }

  /** One tunnel deep; a packet with two has no key. */
  private inner(l3: number, end: number): boolean {
    if (!this.header(l3, end)) return false;
    const protocol = ipv4.protocol(bytes, l3);
    const over = l3 + ipv4.totalLength(bytes, l3);
    return this.message(l3, l3 + ipv4.HEADER_LEN, over, protocol);
  }

  private header(l3: number, end: number): boolean {
    if (ipv4.check(bytes, l3, end) !== Drop.None || bytes[l3] !== PLAIN_HEADER) return false;
    if ((u16(bytes, l3 + ipv4.field.flagsOffset) & ~ipv4.FLAG_DF) !== 0) return false;
    if (!ipv4.checksumOk(bytes, l3)) return false;
    const df = ipv4.dontFragment(bytes, l3) ? 1 : 0;
    this.push(
      (ipv4.protocol(bytes, l3) << 24) |
        (ipv4.ttl(bytes, l3) << 16) |
        (ipv4.tos(bytes, l3) << 8) |
        df,
    );
    this.push(ipv4.source(bytes, l3));
    this.push(ipv4.destination(bytes, l3));
    return true;
  }

  /** Ports, and a sum that is right: connection tracking looks at it. */
  private message(l3: number, l4: number, end: number, protocol: number): boolean {
    const addresses = l3 + ipv4.field.source;
    if (protocol === ipv4.PROTO_TCP) {
      if (tcp.check(bytes, l4, end) !== Drop.None) return false;
      const flags = tcp.flags(bytes, l4);
      // What begins or ends a connection changes its state.
      if ((flags & (tcp.ACK | tcp.URG | tcp.SYN | tcp.FIN | tcp.RST)) !== tcp.ACK) return false;
      this.push(flags);
      this.push(i32(bytes, l4));
      return tcp.checksumOk(bytes, l4, end - l4, addresses);
    }
    if (protocol !== ipv4.PROTO_UDP || udp.check(bytes, l4, end) !== Drop.None) return false;
    this.push(i32(bytes, l4));
    return udp.length(bytes, l4) === end - l4 && udp.checksumOk(bytes, l4, addresses);
  }
}
