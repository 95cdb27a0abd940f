/**
 * Why a packet ended. One closed table: codes are dense and only ever appended,
 * so they index a node's counters. `linux` is the suffix of SKB_DROP_REASON_ in
 * include/net/dropreason-core.h (v6.1 and later) where the kernel has the same
 * notion, and empty where it has not.
 */

export const Drop = {
  None: 0,
  EthernetShort: 1,
  EthernetType: 2,
  OtherHost: 3,
  ArpShort: 4,
  ArpFormat: 5,
  ArpIgnored: 6,
  Ipv4Short: 7,
  Ipv4Version: 8,
  Ipv4HeaderLength: 9,
  Ipv4TotalLength: 10,
  Ipv4Checksum: 11,
  MartianSource: 12,
  UnicastInGroupFrame: 13,
  RouteMissing: 14,
  RouteBlackhole: 15,
  RouteUnreachable: 16,
  RouteProhibit: 17,
  ForwardingOff: 18,
  TtlExpired: 19,
  PacketTooBig: 20,
  NeighbourFailed: 21,
  NeighbourQueue: 22,
  FdbMissing: 23,
  TunnelLoop: 24,
  TunnelOff: 25,
  EcnCorrupt: 26,
  UdpShort: 27,
  UdpLength: 28,
  UdpChecksum: 29,
  VxlanShort: 30,
  VxlanFlags: 31,
  VxlanVni: 32,
  VxlanLoop: 33,
  TcpShort: 34,
  TcpHeaderLength: 35,
  IcmpShort: 36,
  WireguardLength: 37,
  WireguardType: 38,
  ProtocolUnknown: 39,
  DeviceDown: 40,
  LinkNowhere: 41,
  LinkMtu: 42,
  SrcDstCheck: 43,
  GroupDestination: 44,
  HopBudget: 45,
  SlotsExhausted: 46,
  SourceRoute: 47,
  MartianDestination: 48,
  IcmpChecksum: 49,
  OptionsMalformed: 50,
  FragmentOverlap: 51,
  FragmentTimeout: 52,
  TunnelUnsupported: 53,
  Filtered: 54,
  ConntrackClash: 55,
  RuleBudget: 56,
  WireguardMac: 57,
  WireguardCookie: 58,
  WireguardCookieReply: 59,
  WireguardRate: 60,
  WireguardBacklog: 61,
  WireguardIndex: 62,
  WireguardHandshake: 63,
  WireguardStranger: 64,
  WireguardTimestamp: 65,
  WireguardFlood: 66,
  WireguardExpired: 67,
  WireguardTag: 68,
  WireguardReplay: 69,
  WireguardInner: 70,
  WireguardSource: 71,
  WireguardNoPeer: 72,
  WireguardNoEndpoint: 73,
  WireguardQueue: 74,
  WireguardTimeout: 75,
  WireguardGone: 76,
  ConntrackFull: 77,
} as const;
export type Drop = (typeof Drop)[keyof typeof Drop];

export interface DropInfo {
  /** Stable name, as `--json` prints it. */
  readonly name: string;
  readonly meaning: string;
  /** SKB_DROP_REASON_ suffix, or empty. */
  readonly linux: string;
}

const info = (name: string, meaning: string, linux = ''): DropInfo => ({ name, meaning, linux });

export const dropInfo: { readonly [D in Drop]: DropInfo } = {
  [Drop.None]: info('none', 'the packet was not dropped', 'NOT_DROPPED_YET'),
  [Drop.EthernetShort]: info('ethernet-short', 'the frame is shorter than an Ethernet header'),
  [Drop.EthernetType]: info(
    'ethernet-type',
    'no protocol here handles this EtherType',
    'UNHANDLED_PROTO',
  ),
  [Drop.OtherHost]: info(
    'other-host',
    'the destination MAC is not this device’s, and not broadcast',
    'OTHERHOST',
  ),
  [Drop.ArpShort]: info('arp-short', 'the ARP message is cut'),
  [Drop.ArpFormat]: info('arp-format', 'the ARP message is not IPv4 over Ethernet'),
  [Drop.ArpIgnored]: info('arp-ignored', 'an ARP message that asks for no answer from this node'),
  [Drop.Ipv4Short]: info('ipv4-short', 'the packet is shorter than an IPv4 header', 'IP_INHDR'),
  [Drop.Ipv4Version]: info('ipv4-version', 'the IP version is not 4', 'IP_INHDR'),
  [Drop.Ipv4HeaderLength]: info(
    'ipv4-header-length',
    'the IPv4 header length is below 20 or beyond the packet',
    'IP_INHDR',
  ),
  [Drop.Ipv4TotalLength]: info(
    'ipv4-total-length',
    'the IPv4 total length is beyond the frame or below the header',
    'PKT_TOO_SMALL',
  ),
  [Drop.Ipv4Checksum]: info('ipv4-checksum', 'the IPv4 header checksum is wrong', 'IP_CSUM'),
  [Drop.MartianSource]: info(
    'martian-source',
    'the source address cannot come from this device',
    'IP_RPFILTER',
  ),
  [Drop.UnicastInGroupFrame]: info(
    'unicast-in-group-frame',
    'a unicast packet in a broadcast or multicast frame is not forwarded',
    'UNICAST_IN_L2_MULTICAST',
  ),
  [Drop.RouteMissing]: info('no-route', 'no route to the destination', 'IP_INNOROUTES'),
  [Drop.RouteBlackhole]: info('blackhole', 'a blackhole route won', 'IP_INNOROUTES'),
  [Drop.RouteUnreachable]: info('unreachable', 'an unreachable route won', 'IP_INNOROUTES'),
  [Drop.RouteProhibit]: info('prohibit', 'a prohibit route won', 'IP_INNOROUTES'),
  [Drop.ForwardingOff]: info(
    'forwarding-off',
    'the packet is for another host and forwarding is off here',
    'IP_INADDRERRORS',
  ),
  [Drop.TtlExpired]: info('ttl-expired', 'the TTL ran out at this hop', 'IP_INHDR'),
  [Drop.PacketTooBig]: info(
    'packet-too-big',
    'the packet exceeds the MTU and must not be fragmented (DF)',
    'PKT_TOO_BIG',
  ),
  [Drop.NeighbourFailed]: info(
    'neighbour-failed',
    'nobody answered the ARP requests for the next hop',
    'NEIGH_FAILED',
  ),
  [Drop.NeighbourQueue]: info(
    'neighbour-queue',
    'too many packets wait for one unresolved neighbour',
    'NEIGH_QUEUEFULL',
  ),
  [Drop.FdbMissing]: info('fdb-missing', 'no FDB entry for the inner destination MAC'),
  [Drop.TunnelLoop]: info(
    'tunnel-loop',
    'the packet was encapsulated too often, or the tunnel’s own route leads into the tunnel',
    'RECURSION_LIMIT',
  ),
  [Drop.TunnelOff]: info('tunnel-off', 'a tunnelled packet, but no tunnel of that kind is here'),
  [Drop.EcnCorrupt]: info(
    'ecn-corrupt',
    'the outer header is marked CE over an inner packet without ECN (RFC 6040)',
  ),
  [Drop.UdpShort]: info('udp-short', 'the packet is shorter than a UDP header', 'UDP_CSUM'),
  [Drop.UdpLength]: info('udp-length', 'the UDP length is beyond the packet', 'UDP_CSUM'),
  [Drop.UdpChecksum]: info('udp-checksum', 'the UDP checksum is wrong', 'UDP_CSUM'),
  [Drop.VxlanShort]: info('vxlan-short', 'the VXLAN header is cut'),
  [Drop.VxlanFlags]: info(
    'vxlan-flags',
    'the VNI flag is clear or a reserved bit is set',
    'VXLAN_INVALID_HDR',
  ),
  [Drop.VxlanVni]: info('vxlan-vni', 'no VXLAN device has this VNI', 'VXLAN_VNI_NOT_FOUND'),
  [Drop.VxlanLoop]: info('vxlan-loop', 'the inner source MAC is this device’s own', 'LOCAL_MAC'),
  [Drop.TcpShort]: info('tcp-short', 'the packet is shorter than a TCP header'),
  [Drop.TcpHeaderLength]: info(
    'tcp-header-length',
    'the TCP header length is below 20 or beyond the packet',
  ),
  [Drop.IcmpShort]: info('icmp-short', 'the packet is shorter than an ICMP header'),
  [Drop.WireguardLength]: info('wireguard-length', 'the length is wrong for the message type'),
  [Drop.WireguardType]: info('wireguard-type', 'the message type is unknown'),
  [Drop.ProtocolUnknown]: info(
    'protocol-unknown',
    'nothing on this node handles the IP protocol',
    'IP_NOPROTO',
  ),
  [Drop.DeviceDown]: info('device-down', 'the device is not up, or has no carrier', 'DEV_READY'),
  [Drop.LinkNowhere]: info('link-nowhere', 'nobody on the link has the destination MAC'),
  [Drop.LinkMtu]: info(
    'link-mtu',
    'the frame is longer than the link carries, or than its receiver takes',
  ),
  [Drop.SrcDstCheck]: info(
    'underlay-src-dst-check',
    'the fabric drops frames whose IP source or destination is not the NIC’s own',
  ),
  [Drop.GroupDestination]: info(
    'group-destination',
    'multicast and broadcast destinations are not forwarded',
    'IP_INADDRERRORS',
  ),
  [Drop.HopBudget]: info('hop-budget', 'the packet crossed more namespaces than any TTL allows'),
  [Drop.SlotsExhausted]: info('slots-exhausted', 'no packet slot was free', 'NOMEM'),
  [Drop.SourceRoute]: info('source-route', 'source routes are not accepted', 'IP_INHDR'),
  [Drop.MartianDestination]: info(
    'martian-destination',
    'the destination cannot be reached from outside: 0/8, or 127/8 without route_localnet',
    'IP_INADDRERRORS',
  ),
  [Drop.IcmpChecksum]: info('icmp-checksum', 'the ICMP checksum is wrong', 'ICMP_CSUM'),
  [Drop.OptionsMalformed]: info('ip-options', 'an IP option is malformed', 'IP_INHDR'),
  [Drop.FragmentOverlap]: info(
    'fragment-overlap',
    'fragments overlap, or hold more than a datagram can',
    'DUP_FRAG',
  ),
  [Drop.FragmentTimeout]: info(
    'fragment-timeout',
    'the other fragments did not come in time',
    'FRAG_REASM_TIMEOUT',
  ),
  [Drop.TunnelUnsupported]: info(
    'tunnel-unsupported',
    'a WireGuard device without settings: no listing tells its port and peers',
  ),
  [Drop.Filtered]: info('filtered', 'a rule of netfilter drops it', 'NETFILTER_DROP'),
  [Drop.ConntrackClash]: info(
    'conntrack-clash',
    'another connection took the same addresses and ports first',
    'NETFILTER_DROP',
  ),
  [Drop.RuleBudget]: info(
    'rule-budget',
    'the rules jump in a circle, or to more rules than any packet should meet',
  ),
  [Drop.WireguardMac]: info(
    'wireguard-mac',
    'mac1 of a handshake message is wrong: it is not for the key of this device',
  ),
  [Drop.WireguardCookie]: info(
    'wireguard-cookie',
    'the device is under load and the message has no valid cookie: a cookie reply went back',
  ),
  [Drop.WireguardCookieReply]: info(
    'wireguard-cookie-reply',
    'a cookie reply that answers nothing, or does not authenticate',
  ),
  [Drop.WireguardRate]: info(
    'wireguard-rate',
    'under load one address may send 20 handshake messages a second',
  ),
  [Drop.WireguardBacklog]: info('wireguard-backlog', 'too many handshake messages wait'),
  [Drop.WireguardIndex]: info(
    'wireguard-index',
    'no handshake and no session has the receiver index',
  ),
  [Drop.WireguardHandshake]: info(
    'wireguard-handshake',
    'a handshake message does not authenticate, or answers nothing',
  ),
  [Drop.WireguardStranger]: info('wireguard-stranger', 'an initiation by a key that is no peer'),
  [Drop.WireguardTimestamp]: info(
    'wireguard-timestamp',
    'an initiation not later than the last one: a replay',
  ),
  [Drop.WireguardFlood]: info(
    'wireguard-flood',
    'an initiation less than 20 ms after the last one of this peer',
  ),
  [Drop.WireguardExpired]: info(
    'wireguard-expired',
    'the key of the session is older than 180 s, or used up',
  ),
  [Drop.WireguardTag]: info('wireguard-tag', 'a data message does not authenticate'),
  [Drop.WireguardReplay]: info(
    'wireguard-replay',
    'the counter of a data message was seen before, or is too old',
  ),
  [Drop.WireguardInner]: info('wireguard-inner', 'what was encrypted is no whole IPv4 packet'),
  [Drop.WireguardSource]: info(
    'wireguard-source',
    'the inner source address is not among the allowed IPs of the peer',
  ),
  [Drop.WireguardNoPeer]: info(
    'wireguard-no-peer',
    'no peer has the destination among its allowed IPs',
  ),
  [Drop.WireguardNoEndpoint]: info('wireguard-no-endpoint', 'nobody knows where the peer is'),
  [Drop.WireguardQueue]: info(
    'wireguard-queue',
    'too many packets wait for a session with the peer; the oldest goes',
  ),
  [Drop.WireguardTimeout]: info('wireguard-timeout', 'the peer answered no handshake for 90 s'),
  [Drop.WireguardGone]: info(
    'wireguard-gone',
    'the peer was removed while packets waited for its session',
  ),
  [Drop.ConntrackFull]: info(
    'conntrack-full',
    'the table of connections is full, and none that could make room was found',
    'NETFILTER_DROP',
  ),
};

export const DROP_COUNT: number = Object.keys(dropInfo).length;
