/** The behaviour checks: what each is about. One row may stand for a run of numbered steps. */
export interface BehaviourRow {
  readonly id: string;
  readonly about: string;
  /** Why it is not one of the checks at all. */
  readonly out?: string;
}

const numbered = (prefix: string, list: readonly (string | readonly [string, string])[]) =>
  list.map((entry, i): BehaviourRow => {
    const id = `${prefix}${String(i + 1).padStart(2, '0')}`;
    return typeof entry === 'string'
      ? { id, about: entry }
      : { id, about: entry[0], out: entry[1] };
  });

export const ROWS: readonly BehaviourRow[] = [
  ...numbered('FV', [
    'VXLAN: who reaches whom',
    'blackholes of own blocks',
    'routes of CrossSubnet',
    'MTU, VNI and port of vxlan.calico',
    'a small underlay',
    'explicit MTU, VNI and port',
    'host policy without rules',
    'a node that is no longer a known host',
    'a known host removed at one end',
    'host to service to remote pod',
    'masquerade and the VXLAN port',
    'borrowed and separate tunnel addresses',
    'IPIP and no encapsulation: who reaches whom',
    'MTU of tunl0',
    'IPIP from outside',
    'IPIP from outside, allowed',
    'owner of IPIP routes',
    'WireGuard: rule and table',
    'WireGuard: traffic',
    'WireGuard: host policy',
    'WireGuard: egress policy',
    'WireGuard: switched off',
    'WireGuard: one node without',
    'WireGuard: borrowed addresses',
    'WireGuard: per-pod routes',
    'WireGuard: settings',
    'MTU with two NICs',
    'MTU without an uplink',
    'forged source address',
    'a stray ACK',
    ['rp_filter of eBPF', 'eBPF'],
    'service loop',
    'FORWARD policy',
    'endpoint to host',
    'apply on forward over tunnels',
    'NAT by device and ports',
    'proxy ARP in the subnet of the hosts',
    'two local pods, one address',
    'a local and a remote pod, one address',
    'interfaces that flap',
  ]),
  ...numbered('PM', [
    'two ways, two MTUs',
    'the local MTU changes',
    'an MTU below the least',
    'the MTU falls and rises',
    'tables by DSCP',
    'a narrow leg under VXLAN',
    'VXLAN on a bridge',
    'a narrow leg under IPIP',
    'list and flush',
    'cleaning up',
  ]),
  ...numbered('FT', [
    'device deleted',
    'device down',
    'carrier lost',
    'rp_filter and local packets',
    'further groups',
    ['gateways of IPv6 routes', 'IPv6'],
    'ICMP error without an address',
    'redirects',
    'broadcast',
    'gratuitous ARP',
  ]),
  ...numbered('VX', ['flooding', 'TTL, TOS and ECN', 'reserved bits', 'odd sources']),
  { id: 'WR01–34', about: 'replay window, steps' },
  { id: 'WR35–40', about: 'replay window, bulk orders' },
  ...numbered('WG', [
    'bytes counted',
    'padding and MTU',
    'roaming',
    'crypto routing',
    'key change',
    'nesting and loops',
    'many allowed IPs',
    'low-order keys',
    'own key as peer',
    'keepalive through NAT',
    'no peer',
  ]),
];
