/**
 * What a term of a capture filter looks at: pcap-filter(7) as libpcap's gencode.c
 * compiles it, for Ethernet and raw IP.
 */
import type { Ip4 } from '../wire/address.ts';
import { type Bytes, i32, u16 } from '../wire/bytes.ts';

/** One captured frame, as a filter sees it. */
export class FilterFrame {
  bytes: Bytes = Buffer.alloc(0);
  /** Bytes of it on the wire. */
  length = 0;
  readonly raw: boolean;
  /** Where the network layer starts. */
  readonly network: number;
  /** Something was looked for beyond what was captured: then BPF lets nothing through. */
  short = false;

  /** `raw`: there is no link header. */
  constructor(raw: boolean) {
    this.raw = raw;
    this.network = raw ? 0 : 14;
  }

  /** `size` bytes in network byte order, or 0 where the frame ends before. */
  load(at: number, size: 1 | 2 | 4): number {
    if (at < 0 || at + size > this.bytes.length) {
      this.short = true;
      return 0;
    }
    if (size === 4) return i32(this.bytes, at) >>> 0;
    return size === 2 ? u16(this.bytes, at) : this.bytes[at]!;
  }

  /** Does the link layer say that this type follows? 0x0800 is IPv4, 0x86dd IPv6. */
  holds(etherType: number): boolean {
    if (!this.raw) return this.load(12, 2) === etherType;
    const version = this.load(0, 1) >> 4;
    return (etherType === IPV4 && version === 4) || (etherType === IPV6 && version === 6);
  }

  /** Where the transport header starts behind the IPv4 header. */
  get transport(): number {
    return this.network + 4 * (this.load(this.network, 1) & 0x0f);
  }

  /** Only the first fragment has a transport header. */
  get firstFragment(): boolean {
    return (this.load(this.network + 6, 2) & 0x1fff) === 0;
  }
}

export type FilterTest = (frame: FilterFrame) => boolean;
/** A number that an expression is compared with; `undefined` where the protocol is not there. */
export type FilterNumber = (frame: FilterFrame) => number | undefined;

export type Direction = 'src' | 'dst' | 'src or dst' | 'src and dst';

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const ARP = 0x0806;
const RARP = 0x8035;
const TCP = 6;
const UDP = 17;
const SCTP = 132;

export const both =
  (a: FilterTest, b: FilterTest): FilterTest =>
  (f) =>
    a(f) && b(f);
export const either =
  (a: FilterTest, b: FilterTest): FilterTest =>
  (f) =>
    a(f) || b(f);

const sides = (direction: Direction, src: FilterTest, dst: FilterTest): FilterTest => {
  if (direction === 'src') return src;
  if (direction === 'dst') return dst;
  return direction === 'src and dst' ? both(src, dst) : either(src, dst);
};

export const etherType =
  (type: number): FilterTest =>
  (f) =>
    f.holds(type);

/** `ip proto N`. */
export const ip4Protocol =
  (protocol: number): FilterTest =>
  (f) =>
    f.holds(IPV4) && f.load(f.network + 9, 1) === protocol;

/** `ip6 proto N`, behind a fragment header too. */
const ip6Protocol =
  (protocol: number): FilterTest =>
  (f) => {
    if (!f.holds(IPV6)) return false;
    const next = f.load(f.network + 6, 1);
    return next === protocol || (next === 44 && f.load(f.network + 40, 1) === protocol);
  };

export const ipProtocol = (protocol: number, family?: 4 | 6): FilterTest => {
  if (family === 4) return ip4Protocol(protocol);
  if (family === 6) return ip6Protocol(protocol);
  return either(ip4Protocol(protocol), ip6Protocol(protocol));
};

/** Names that are a test by themselves, and qualify others. */
export const PROTOCOLS: ReadonlyMap<string, FilterTest> = new Map([
  ['ip', etherType(IPV4)],
  ['ip6', etherType(IPV6)],
  ['arp', etherType(ARP)],
  ['rarp', etherType(RARP)],
  ['tcp', ipProtocol(TCP)],
  ['udp', ipProtocol(UDP)],
  ['sctp', ipProtocol(SCTP)],
  ['icmp', ip4Protocol(1)],
  ['icmp6', ipProtocol(58, 6)],
  ['igmp', ip4Protocol(2)],
  ['ah', ipProtocol(51)],
  ['esp', ipProtocol(50)],
]);

/** An address, or with a mask a network. `protocol`: of `ip`, `arp` or `rarp` only. */
export function address(
  value: Ip4,
  mask: number,
  direction: Direction,
  protocol?: 'ip' | 'arp' | 'rarp',
): FilterTest {
  const wanted = (value & mask) >>> 0;
  const at =
    (offset: number): FilterTest =>
    (f) =>
      (f.load(f.network + offset, 4) & mask) >>> 0 === wanted;
  const inside = (type: number, src: number, dst: number): FilterTest =>
    both(etherType(type), sides(direction, at(src), at(dst)));
  // RFC 826: sender and target protocol address.
  const kinds = {
    ip: inside(IPV4, 12, 16),
    arp: inside(ARP, 14, 24),
    rarp: inside(RARP, 14, 24),
  };
  if (protocol !== undefined) return kinds[protocol];
  return either(kinds.ip, either(kinds.arp, kinds.rarp));
}

/** `ether host`: 48 bits as high 16 and low 32. */
export function etherAddress(high: number, low: number, direction: Direction): FilterTest {
  const at =
    (offset: number): FilterTest =>
    (f) =>
      f.load(offset + 2, 4) === low >>> 0 && f.load(offset, 2) === high;
  return sides(direction, at(6), at(0));
}

/** Ports from `low` to `high`, both included. */
export function ports(
  low: number,
  high: number,
  direction: Direction,
  protocol?: 'tcp' | 'udp' | 'sctp',
): FilterTest {
  const wanted = (value: number): boolean => value >= low && value <= high;
  const numbers = { tcp: TCP, udp: UDP, sctp: SCTP };
  const carried = protocol === undefined ? [TCP, UDP, SCTP] : [numbers[protocol]];
  const pair = (at: (f: FilterFrame) => number): FilterTest =>
    sides(
      direction,
      (f) => wanted(f.load(at(f), 2)),
      (f) => wanted(f.load(at(f) + 2, 2)),
    );
  const four = pair((f) => f.transport);
  const six = pair((f) => f.network + 40);
  return (f) => {
    if (f.holds(IPV6)) return carried.includes(f.load(f.network + 6, 1)) && six(f);
    if (!f.holds(IPV4) || !carried.includes(f.load(f.network + 9, 1))) return false;
    return f.firstFragment && four(f);
  };
}

/** Does the frame have this header for `PROTOCOL[…]`, and where does it start? */
const STARTS: ReadonlyMap<string, (f: FilterFrame) => number | undefined> = new Map([
  ['ether', (f) => (f.raw ? undefined : 0)],
  ...['ip', 'ip6', 'arp', 'rarp'].map((name): [string, (f: FilterFrame) => number | undefined] => [
    name,
    (f) => (PROTOCOLS.get(name)!(f) ? f.network : undefined),
  ]),
  ...(
    [
      ['tcp', TCP],
      ['udp', UDP],
      ['sctp', SCTP],
      ['icmp', 1],
      ['igmp', 2],
    ] as const
  ).map(([name, number]): [string, (f: FilterFrame) => number | undefined] => {
    const carried = ip4Protocol(number);
    return [name, (f) => (carried(f) && f.firstFragment ? f.transport : undefined)];
  }),
]);

/** `tcp[13]`: `size` bytes of a header from an offset that is an expression itself. */
export function byteOf(
  protocol: string,
  offset: FilterNumber,
  size: 1 | 2 | 4,
): FilterNumber | undefined {
  const start = STARTS.get(protocol);
  if (start === undefined) return undefined;
  return (f) => {
    const from = start(f);
    const add = from === undefined ? undefined : offset(f);
    return from === undefined || add === undefined ? undefined : f.load(from + add, size);
  };
}
