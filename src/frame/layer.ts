/**
 * The layers of a frame as plain tagged objects, outermost first:
 *
 *   ethernet | ipv4 | udp | vxlan | ethernet | ipv4 | tcp | payload      VXLAN
 *   ethernet | ipv4 | ipv4 | tcp | payload                               IPIP
 *   ethernet | ipv4 | icmp | ipv4 | tcp-start                            an ICMP error and its quote
 *   ethernet | arp | trailer                                             a padded frame
 *
 * `buildFrame` takes them and `dissect` returns them. Addresses are text, numbers
 * are what the header holds (unsigned), bytes are hexadecimal text. A field that
 * stands as `?` is computed when left out and written as given when present,
 * so that broken frames can be built too.
 */
import type { TcpOption } from './tcp-options.ts';

/** Ethernet II. `type` follows from the next layer. */
export interface EthernetLayer {
  readonly layer: 'ethernet';
  readonly src: string;
  readonly dst: string;
  readonly type?: number;
}

/** An 802.1Q tag; the layer before it carries its type, 0x8100 unless given. */
export interface VlanLayer {
  readonly layer: 'vlan';
  readonly id: number;
  /** PCP, 0 to 7. */
  readonly priority?: number;
  /** DEI. */
  readonly dropEligible?: boolean;
  readonly type?: number;
}

/** ARP for IPv4 over Ethernet. */
export interface ArpLayer {
  readonly layer: 'arp';
  readonly op: 'request' | 'reply' | number;
  readonly senderMac: string;
  readonly senderIp: string;
  readonly targetMac: string;
  readonly targetIp: string;
}

export interface Ipv4Layer {
  readonly layer: 'ipv4';
  readonly src: string;
  readonly dst: string;
  /** 64 when left out. */
  readonly ttl?: number;
  readonly id?: number;
  readonly tos?: number;
  readonly df?: boolean;
  readonly mf?: boolean;
  /** The flag bit that must be zero. */
  readonly reserved?: boolean;
  /** In units of 8 bytes, as on the wire. */
  readonly fragmentOffset?: number;
  readonly protocol?: number;
  /** Bytes of this header and all that follows it, trailers excepted. */
  readonly totalLength?: number;
  readonly checksum?: number;
  /** Hexadecimal; zeros fill it up to a multiple of 4 bytes. */
  readonly options?: string;
  /** 4 when left out. */
  readonly version?: number;
  /** Bytes, a multiple of 4. */
  readonly headerLength?: number;
}

export interface UdpLayer {
  readonly layer: 'udp';
  readonly srcPort: number;
  readonly dstPort: number;
  /** The length field of the header: bytes of header and data. */
  readonly udpLength?: number;
  /** `'partial'`: the folded, uncomplemented pseudo-header sum that offload leaves. */
  readonly checksum?: number | 'partial';
}

/** TCP flags by name, where text is unhandy. */
export interface TcpFlags {
  readonly fin?: boolean;
  readonly syn?: boolean;
  readonly rst?: boolean;
  readonly psh?: boolean;
  readonly ack?: boolean;
  readonly urg?: boolean;
  readonly ece?: boolean;
  readonly cwr?: boolean;
}

export interface TcpLayer {
  readonly layer: 'tcp';
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq?: number;
  readonly ack?: number;
  /** As tcpdump prints them: `S`, `S.`, `P.`, `F.`, `R`, `none`. */
  readonly flags: string | TcpFlags;
  /** As in the header, not scaled; 65535 when left out. */
  readonly window?: number;
  readonly checksum?: number | 'partial';
  readonly urgent?: number;
  readonly options?: readonly TcpOption[];
  /** Bytes, a multiple of 4. */
  readonly headerLength?: number;
  /** The four bits beside the data offset. */
  readonly reserved?: number;
}

/** The 64 bits of a TCP header that an old-style ICMP error quotes (RFC 792). */
export interface TcpStartLayer {
  readonly layer: 'tcp-start';
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq: number;
}

export type IcmpName =
  | 'echo-reply'
  | 'unreachable'
  | 'redirect'
  | 'echo-request'
  | 'time-exceeded'
  | 'parameter-problem';

/** The second word of the header is `rest`, or what the type makes of it. */
export interface IcmpLayer {
  readonly layer: 'icmp';
  readonly type: IcmpName | number;
  readonly code?: number;
  /** Echo identifier. */
  readonly id?: number;
  /** Echo sequence number. */
  readonly seq?: number;
  /** Next-hop MTU of unreachable code 4 (RFC 1191). */
  readonly mtu?: number;
  /** Address of a redirect. */
  readonly gateway?: string;
  /** Byte that a parameter problem points at. */
  readonly pointer?: number;
  readonly rest?: number;
  readonly checksum?: number;
}

export interface VxlanLayer {
  readonly layer: 'vxlan';
  readonly vni: number;
  /** 0x08 when left out. */
  readonly flags?: number;
  /** 24 bits. */
  readonly reserved?: number;
  readonly reserved2?: number;
}

export type WireguardName = 'initiation' | 'response' | 'cookie-reply' | 'data';

/** Type and indices (and counter) only; keys, tags and encrypted bytes are the payload after it. */
export interface WireguardLayer {
  readonly layer: 'wireguard';
  readonly type: WireguardName;
  /** Initiation and response. */
  readonly sender?: number;
  /** Response, cookie reply and data. */
  readonly receiver?: number;
  /** Data; decimal text beyond 2^53. */
  readonly counter?: number | string;
}

/** Any bytes. Exactly one of the three; `dissect` gives `hex`. */
export interface PayloadLayer {
  readonly layer: 'payload';
  readonly hex?: string;
  /** UTF-8. */
  readonly text?: string;
  readonly bytes?: Uint8Array;
}

/** Bytes behind the end of the IP packet or ARP message, as Ethernet padding. Last, and in no length. */
export interface TrailerLayer {
  readonly layer: 'trailer';
  readonly hex: string;
}

export type Layer =
  | EthernetLayer
  | VlanLayer
  | ArpLayer
  | Ipv4Layer
  | UdpLayer
  | TcpLayer
  | TcpStartLayer
  | IcmpLayer
  | VxlanLayer
  | WireguardLayer
  | PayloadLayer
  | TrailerLayer;

/**
 * `partial`: the pseudo-header sum alone, as a sender with offload leaves it.
 * `absent`: UDP without a checksum. `unverifiable`: bytes it covers are not here,
 * because the capture or an ICMP quote is cut, the packet is a fragment, or a
 * source route holds the destination that was summed.
 */
export type ChecksumState = 'valid' | 'partial' | 'wrong' | 'absent' | 'unverifiable';

/** Where a dissected layer stands in the frame. */
export interface Extent {
  /** Byte in the frame, counted from 0. */
  readonly offset: number;
  /** Bytes of this layer alone. */
  readonly length: number;
  /** Part of the packet that an ICMP error quotes. */
  readonly quoted?: true;
}

/** Every field is there, except those the value of another field rules out. */
type Full<L, Sometimes extends keyof L = never> = Required<Omit<L, Sometimes>> &
  Pick<L, Sometimes> &
  Extent;
type Summed<L extends { readonly checksum?: unknown }> = Omit<L, 'checksum'> & {
  readonly checksum: number;
  readonly checksumState: ChecksumState;
};

export type DissectedLayer =
  | Full<EthernetLayer>
  | Full<VlanLayer>
  | Full<ArpLayer>
  | Full<Summed<Ipv4Layer>>
  | Full<Summed<UdpLayer>>
  | Full<Summed<Omit<TcpLayer, 'flags'> & { readonly flags: string }>>
  | Full<TcpStartLayer>
  | Full<Summed<IcmpLayer>, 'id' | 'seq' | 'mtu' | 'gateway' | 'pointer' | 'rest'>
  | Full<VxlanLayer>
  | Full<WireguardLayer, 'sender' | 'receiver' | 'counter'>
  | Full<{ readonly layer: 'payload'; readonly hex: string }>
  | Full<TrailerLayer>;

/** The dissected layer of one kind: `Dissected<'ipv4'>`. */
export type Dissected<K extends Layer['layer']> = Extract<DissectedLayer, { readonly layer: K }>;
