/**
 * The IPv4 headers of a frame, outermost first: through VXLAN and IPIP, and into what
 * an ICMP error quotes.
 *
 *   | Ethernet | IPv4 | UDP | VXLAN | Ethernet | IPv4 | ICMP error | IPv4 | ...
 *                ^ 0                             ^ 1                 ^ 2, quoted
 */
import { Drop } from '../drop.ts';
import type { ClusterPlan } from '../plan/plan.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';

/** Deeper than any frame that crosses a cluster; what is deeper counts as cut. */
const MAX_HEADERS = 16;

export class HeaderStack {
  /** Where the headers begin, `count` of them. */
  readonly offsets: Int32Array = new Int32Array(MAX_HEADERS);
  count = 0;
  /** Headers before the first that is quoted. */
  unquoted = 0;
  /** One of them is a fragment's. */
  fragment = false;
  /** Something that should be a header is none, or not all of one. */
  cut = false;
  /** UDP ports behind which a tunnel is looked for. */
  private readonly ports: ReadonlySet<number>;

  constructor(plan: ClusterPlan) {
    this.ports = new Set(
      plan.namespaces.flatMap(({ devices }) =>
        devices.flatMap((device) => (device.vxlan === undefined ? [] : [device.vxlan.port])),
      ),
    );
  }

  /** Reads the frame, or bare packet, `b[start, end)`. */
  read(b: Buffer, start: number, end: number, isEthernet: boolean): void {
    this.count = 0;
    this.unquoted = 0;
    this.fragment = false;
    this.cut = false;
    let quoted = false;
    let at = isEthernet ? packetOf(b, start, end) : start;
    while (at >= 0) {
      if (this.count === MAX_HEADERS || !isHeader(b, at, end)) {
        this.cut = true;
        return;
      }
      this.offsets[this.count++] = at;
      if (!quoted) this.unquoted = this.count;
      this.fragment ||= ipv4.isFragment(b, at);
      if (ipv4.fragmentOffset(b, at) !== 0) return;
      const l4 = at + ipv4.headerLength(b, at);
      // What is quoted is as long as it was; what is not has nothing of interest behind it.
      const limit = quoted ? end : Math.min(end, at + ipv4.totalLength(b, at));
      quoted ||= isError(b, at, l4, limit);
      at = this.inside(b, at, l4, limit);
    }
  }

  /** Whether the packet at a header is a tunnel's, in either direction. */
  isTunnel(b: Uint8Array, at: number, end: number): boolean {
    const protocol = ipv4.protocol(b as Buffer, at);
    if (protocol === ipv4.PROTO_IPIP) return true;
    const l4 = at + ipv4.headerLength(b as Buffer, at);
    if (protocol !== ipv4.PROTO_UDP || end - l4 < udp.HEADER_LEN) return false;
    const from = udp.sourcePort(b as Buffer, l4);
    return this.ports.has(from) || this.ports.has(udp.destinationPort(b as Buffer, l4));
  }

  /** Where the next header begins; -1 where there is none. */
  private inside(b: Buffer, at: number, l4: number, end: number): number {
    const protocol = ipv4.protocol(b, at);
    if (protocol === ipv4.PROTO_IPIP) return l4;
    if (isError(b, at, l4, end)) return l4 + icmp.HEADER_LEN;
    if (protocol !== ipv4.PROTO_UDP || end - l4 < udp.HEADER_LEN) return -1;
    if (!this.ports.has(udp.destinationPort(b, l4))) return -1;
    return packetOf(b, l4 + udp.HEADER_LEN + vxlan.HEADER_LEN, end);
  }
}

/** Behind an Ethernet header of IPv4; -1 for another. */
const packetOf = (b: Buffer, at: number, end: number): number =>
  ethernet.check(b, at, end) === Drop.None && ethernet.type(b, at) === ethernet.TYPE_IPV4
    ? at + ethernet.HEADER_LEN
    : -1;

const isHeader = (b: Buffer, at: number, end: number): boolean =>
  end - at >= ipv4.HEADER_LEN &&
  ipv4.version(b, at) === 4 &&
  ipv4.headerLength(b, at) >= ipv4.HEADER_LEN &&
  ipv4.headerLength(b, at) <= end - at;

const isError = (b: Buffer, at: number, l4: number, end: number): boolean =>
  ipv4.protocol(b, at) === ipv4.PROTO_ICMP &&
  end - l4 >= icmp.HEADER_LEN &&
  icmp.isError(icmp.type(b, l4));
