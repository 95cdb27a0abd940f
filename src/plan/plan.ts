/**
 * A cluster as plain readonly data: every namespace with its devices and tables,
 * and the links between them. YAML, pasted tables and hand-written tests all end
 * here; the emulator and the printers of command output all start here.
 *
 * Addresses are numbers (wire/address.ts), device names are text as `ip link`
 * prints them, MTUs are bytes of an IP packet.
 */
import type { InterfaceAddress, Ip4, Mac, Prefix } from '../wire/address.ts';
import type { ConntrackSettings } from './conntrack.ts';
import type { Inventory } from './inventory.ts';
import type { NeighbourLimits } from './neighbour-limits.ts';
import type { NetfilterPlan } from './netfilter.ts';
import type { PathMtuSettings } from './path-mtu.ts';
import type { WireguardSettings } from './wireguard.ts';

export type * from './inventory.ts';
export type { PeerTraffic, WireguardPeerPlan, WireguardSettings } from './wireguard.ts';

export type Role = 'node' | 'pod' | 'router' | 'host';

export type DeviceKind = 'loopback' | 'nic' | 'veth' | 'vxlan' | 'ipip' | 'wireguard' | 'bridge';

export interface DeviceAddress extends InterfaceAddress {
  /** The `brd` word of `ip addr`, where it is set. */
  readonly broadcast?: Ip4;
  readonly scope: 'global' | 'link' | 'host';
}

export interface VxlanSettings {
  readonly vni: number;
  /** UDP destination port. */
  readonly port: number;
  /** Source address of the outer header. */
  readonly local: Ip4;
  /** Name of the device that carries the outer packets. */
  readonly parent: string;
  /** Of the outer header: a number, or the inner packet's; absent means the namespace's default, 64. */
  readonly ttl?: number | 'inherit';
  /** TOS of the outer header but for its ECN bits; absent means 0. */
  readonly tos?: number | 'inherit';
  /** DF of the outer header; absent means never. */
  readonly df?: 'set' | 'inherit';
  /** False: no checksum in the outer UDP header. */
  readonly udpChecksum?: boolean;
  /** Takes remotes of MACs from the packets that come; absent means not. */
  readonly learning?: boolean;
  /** Seconds that such an entry lives; absent means 300. */
  readonly ageing?: number;
}

export interface BridgeSettings {
  /** Seconds that a learned entry lives (`ageing_time`, there in hundredths). */
  readonly ageing: number;
}

export interface DevicePlan {
  readonly name: string;
  /** ifindex; unique in its namespace. */
  readonly index: number;
  readonly kind: DeviceKind;
  /** Absent for tunl0 and lo. */
  readonly mac?: Mac;
  readonly mtu: number;
  readonly up: boolean;
  /** Of a device that is up: false where nothing is at the other end of the cable. */
  readonly carrier?: boolean;
  readonly addresses: readonly DeviceAddress[];
  /** Of a nic: IFF_NOARP, as a dummy device has it; what it sends goes nowhere. */
  readonly noArp?: boolean;
  /** Further names, as `ip link` lists them. */
  readonly altNames?: readonly string[];
  /** net.ipv4.conf.DEV.proxy_arp */
  readonly proxyArp: boolean;
  /** net.ipv4.conf.DEV.rp_filter: 0 off (also when absent), 1 strict, 2 loose. */
  readonly rpFilter?: 0 | 1 | 2;
  /** net.ipv4.conf.DEV.arp_accept: 0 (also when absent), 1 always, 2 from its subnets. */
  readonly arpAccept?: 0 | 1 | 2;
  /** net.ipv4.conf.DEV.accept_local; absent means off. */
  readonly acceptLocal?: boolean;
  /**
   * net.ipv4.conf.DEV.accept_redirects (absent: where the namespace does not forward),
   * shared_media and secure_redirects (absent: on), each joined with that of `all`.
   */
  readonly redirects?: {
    readonly accept?: boolean;
    readonly sharedMedia?: boolean;
    readonly secure?: boolean;
  };
  /** net.ipv4.conf.DEV.route_localnet; absent means off. */
  readonly routeLocalnet?: boolean;
  /** A veth's other end. */
  readonly peer?: { readonly namespace: string; readonly device: string };
  readonly vxlan?: VxlanSettings;
  readonly bridge?: BridgeSettings;
  /** The bridge that it is a port of. */
  readonly master?: string;
  readonly wireguard?: WireguardSettings;
  /** `qlen` of `ip link`; 0 prints nothing. */
  readonly queueLength: number;
  /** `qdisc` of `ip link`. */
  readonly qdisc: string;
  /**
   * Leaves TCP and UDP checksums of its own namespace's packets to the hardware,
   * so that a capture here shows the pseudo-header sum only. With it goes TCP
   * segmentation: such a device takes TCP packets longer than its MTU as they are.
   */
  readonly checksumOffload: boolean;
  /**
   * Puts segments of one TCP flow that arrive together into one long packet (GRO).
   * Heeded on tunnel devices only; absent means off.
   */
  readonly receiveOffload?: boolean;
}

export type RouteType =
  | 'unicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | 'local'
  | 'broadcast';

export interface NextHop {
  readonly via?: Ip4;
  readonly device: string;
  readonly weight: number;
  readonly onlink: boolean;
  /** RTNH_F_DEAD, RTNH_F_LINKDOWN: its device is down, or has no carrier. */
  readonly dead?: boolean;
  readonly linkdown?: boolean;
}

export interface RoutePlan {
  readonly type: RouteType;
  readonly destination: Prefix;
  readonly via?: Ip4;
  /** Absent for blackhole and its kin, and for multipath routes. */
  readonly device?: string;
  readonly table: 'main' | 'local' | number;
  /** Name or number as `ip route` prints it: kernel, boot, static, bird, 80 … */
  readonly protocol: string;
  readonly scope: 'global' | 'link' | 'host';
  /** The `src` word: source of the node's own packets. */
  readonly source?: Ip4;
  readonly metric: number;
  /** Only packets of this TOS take it; absent: all. Beyond the bits 0x1c none ever does. */
  readonly tos?: number;
  readonly onlink: boolean;
  /** Its device has no carrier; packets take it all the same. */
  readonly linkdown?: boolean;
  readonly mtu?: number;
  /** More than one next hop; then `via` and `device` are absent. */
  readonly nextHops?: readonly NextHop[];
  /** Who programs it on a real node: kernel, CNI, Felix, BIRD, admin. */
  readonly origin: 'kernel' | 'cni' | 'felix' | 'bird' | 'admin';
}

export type NeighbourState =
  | 'PERMANENT'
  | 'NOARP'
  | 'REACHABLE'
  | 'STALE'
  | 'DELAY'
  | 'PROBE'
  | 'INCOMPLETE'
  | 'FAILED';

export interface NeighbourPlan {
  readonly device: string;
  readonly address: Ip4;
  /** Absent while INCOMPLETE or FAILED. */
  readonly mac?: Mac;
  readonly state: NeighbourState;
}

export interface FdbPlan {
  readonly device: string;
  readonly mac: Mac;
  /** The bridge whose entry it is; absent: the device's own (`self`). */
  readonly master?: string;
  /** Address of the remote VTEP. */
  readonly destination?: Ip4;
  readonly state: 'permanent' | 'static' | 'reachable';
}

/** A line of `ip rule`. */
export interface RulePlan {
  readonly priority: number;
  /** `not from all fwmark …`: where what follows does not hold. */
  readonly not: boolean;
  /** Absent: all. */
  readonly from?: Prefix;
  readonly to?: Prefix;
  /** Device a packet came in by; `lo`: it was made here. */
  readonly iif?: string;
  /** Bits 0x1c of the TOS; absent: any. */
  readonly tos?: number;
  /**
   * Conditions that packets here are not asked for, as `ip rule` prints them: `oif`,
   * `uidrange`, `ipproto`, `sport`, `dport`. Such a rule is passed by.
   */
  readonly other?: readonly string[];
  readonly fwmark?: { readonly value: number; readonly mask: number };
  /** Absent: the rule asks none, but leads on to another one. */
  readonly table?: 'local' | 'main' | 'default' | number;
  /** `suppress_prefixlength`: what the table says by a route no longer than this does not count. */
  readonly suppressLength?: number;
  /** Of a rule without a table: priority of the rule that comes next; absent: `nop`, the one below. */
  readonly goto?: number;
}

export interface NamespacePlan extends PathMtuSettings {
  /** A node's, router's or host's name, or `namespace/pod`. */
  readonly name: string;
  readonly role: Role;
  /** For a pod: the node it runs on. */
  readonly node?: string;
  /** net.ipv4.ip_forward */
  readonly forwarding: boolean;
  readonly devices: readonly DevicePlan[];
  /**
   * All tables but `local`, which follows from the devices' addresses.
   * In the order of insertion; printers sort.
   */
  readonly routes: readonly RoutePlan[];
  /**
   * Of a node: routes to pods whose address another pod of it has too. Felix puts one in the
   * place of that pod's when its device goes down.
   */
  readonly standbyRoutes?: readonly RoutePlan[];
  readonly neighbours: readonly NeighbourPlan[];
  readonly fdb: readonly FdbPlan[];
  /** net.ipv4.icmp_ratelimit, ms between errors to one destination; absent means 1000. */
  readonly icmpRateLimit?: number;
  /** net.ipv4.route.error_cost, ms; absent means 1000. */
  readonly routeErrorCost?: number;
  /**
   * Its stack neither answers nor takes anything up: whoever plays it sends its
   * frames. For namespaces whose traffic comes from a recording.
   */
  readonly silent?: boolean;
  /** Of a node, for its pods too; absent means the kernel's own. */
  readonly neighbourLimits?: NeighbourLimits;
  /** Rules of iptables; absent: no rules and no connection tracking. */
  readonly netfilter?: NetfilterPlan;
  readonly conntrack?: ConntrackSettings;
  /** MTU of the pods that a node's CNI plugin makes, as Felix told it: bytes of an IP packet. */
  readonly podMtu?: number;
  /** In order of priority; absent means the kernel's own three. */
  readonly rules?: readonly RulePlan[];
}

export interface SegmentMember {
  readonly namespace: string;
  readonly device: string;
}

/** One L2 broadcast domain: a switch that knows where every member's MAC is. */
export interface SegmentPlan {
  readonly name: string;
  /** Longest IP packet it carries, bytes. */
  readonly mtu: number;
  readonly members: readonly SegmentMember[];
  /** Drops frames whose IP source or destination is not the member's own (routers exempt). */
  readonly srcDstCheck: boolean;
}

/** A pool as the dataplane sees it: for natOutgoing and for messages. */
export interface PoolPlan {
  readonly name: string;
  readonly cidr: Prefix;
  readonly natOutgoing: boolean;
  readonly disabled: boolean;
}

export interface ClusterPlan {
  readonly namespaces: readonly NamespacePlan[];
  readonly segments: readonly SegmentPlan[];
  readonly pools: readonly PoolPlan[];
  readonly free: FreeInputs;
  /** What was derived by a rule of podwire's own because the input was silent. */
  readonly assumptions: readonly string[];
  /** Resources that were read and not used, as `Kind xN`. */
  readonly ignored: readonly string[];
  readonly inventory?: Inventory;
  /** Services with a ClusterIP, in name order. */
  readonly services?: readonly ServicePlan[];
}

/** A service as a user may call it. */
export interface ServicePlan {
  /** `namespace/name` */
  readonly name: string;
  readonly clusterIp: Ip4;
}

/**
 * The bytes that no table can tell: a kernel draws them at random or from its
 * history. Undeclared, they come from the seed.
 */
export interface FreeInputs {
  /** The next IPv4 identification a node gives to packets of this triple; then +1 each. */
  readonly identifications: readonly {
    readonly node: string;
    readonly source: Ip4;
    readonly destination: Ip4;
    readonly protocol: number;
    readonly next: number;
  }[];
  /** Outer UDP source port for one inner flow, as the node's hash secret would give it. */
  readonly vxlanSourcePorts: readonly {
    readonly node: string;
    readonly source: Ip4;
    readonly destination: Ip4;
    readonly protocol: number;
    /** 0 and 0 for a protocol without ports. */
    readonly sourcePort: number;
    readonly destinationPort: number;
    readonly port: number;
  }[];
  /**
   * The ports that have a listening socket. Of a namespace that is not named here nobody
   * knows, and all count as open.
   */
  readonly listeners?: readonly Listeners[];
}

export interface Listeners {
  /** A node's name, or `namespace/pod`. */
  readonly node: string;
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
}
