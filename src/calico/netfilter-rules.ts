/**
 * The part of Felix's rules that moves ordinary traffic, as iptables-save would
 * print it (felix/rules/static.go, nat.go; release v3.28): NAT out of pools, the
 * masquerade of tunnel sources, who may send tunnel packets, and spoofed pods.
 * Policies are not in it.
 */
import type { NetfilterPlan } from '../plan/netfilter.ts';
import type { DevicePlan, PoolPlan } from '../plan/plan.ts';
import { parseNetfilter } from '../text/iptables-save.ts';
import { formatIp4, formatPrefix, type Ip4 } from '../wire/address.ts';

interface FelixInput {
  readonly pools: readonly PoolPlan[];
  /** Addresses of all nodes. */
  readonly hosts: readonly Ip4[];
  /** Tunnel devices of this node that have an address. */
  readonly tunnels: readonly string[];
  readonly vxlanPort: number;
}

/** Felix's mark for packets from workloads: the scratch bit of releases up to v3.29. */
const WORKLOAD_MARK = '0x40000/0x40000';

/** The rules of nodes by their devices; nodes with the same tunnels share them. */
export function felixNetfilterOf(pools: readonly PoolPlan[], hosts: readonly Ip4[]) {
  const made = new Map<string, NetfilterPlan>();
  return (devices: readonly RuledDevice[], vxlanPort = VXLAN_PORT): NetfilterPlan => {
    const tunnels = devices
      .filter(({ kind, addresses }) => TUNNELS.has(kind) && addresses.length > 0)
      .map(({ name }) => name);
    const key = `${vxlanPort} ${tunnels.join(' ')}`;
    let plan = made.get(key);
    if (plan === undefined) {
      plan = parseNetfilter(felixText({ pools, hosts, tunnels, vxlanPort }), 'felix');
      made.set(key, plan);
    }
    return plan;
  };
}

type RuledDevice = Pick<DevicePlan, 'name' | 'kind' | 'addresses'>;

const TUNNELS: ReadonlySet<string> = new Set(['ipip', 'vxlan', 'wireguard']);

/** Felix's default (config_params.go VXLANPort). */
const VXLAN_PORT = 4789;

/** What `iptables-save` and `ipset save` print of it. */
function felixText({ pools, hosts, tunnels, vxlanPort }: FelixInput): string {
  const masq = pools.filter((pool) => pool.natOutgoing && !pool.disabled);
  return [
    ...setText(
      'cali40masq-ipam-pools',
      masq.map(({ cidr }) => formatPrefix(cidr)),
    ),
    // Disabled pools stay in: traffic to them is not masqueraded.
    ...setText(
      'cali40all-ipam-pools',
      pools.map(({ cidr }) => formatPrefix(cidr)),
    ),
    ...setText(
      'cali40all-hosts-net',
      hosts.map((host) => `${formatIp4(host)}/32`),
    ),
    '*raw',
    ':PREROUTING ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':cali-PREROUTING - [0:0]',
    ':cali-OUTPUT - [0:0]',
    '-A PREROUTING -j cali-PREROUTING',
    '-A OUTPUT -j cali-OUTPUT',
    `-A cali-PREROUTING -p udp -m udp --dport ${vxlanPort} -j CT --notrack`,
    `-A cali-PREROUTING -i cali+ -j MARK --set-xmark ${WORKLOAD_MARK}`,
    `-A cali-PREROUTING -m mark --mark ${WORKLOAD_MARK} -m rpfilter --validmark --invert -j DROP`,
    `-A cali-OUTPUT -p udp -m udp --dport ${vxlanPort} -j CT --notrack`,
    'COMMIT',
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':INPUT ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    ':cali-POSTROUTING - [0:0]',
    ':cali-nat-outgoing - [0:0]',
    '-A POSTROUTING -j cali-POSTROUTING',
    '-A cali-POSTROUTING -j cali-nat-outgoing',
    ...tunnels.map(
      (device) =>
        `-A cali-POSTROUTING -o ${device} -m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL -j MASQUERADE --random-fully`,
    ),
    ...(masq.length === 0
      ? []
      : [
          '-A cali-nat-outgoing -m set --match-set cali40masq-ipam-pools src -m set ! --match-set cali40all-ipam-pools dst -j MASQUERADE --random-fully',
        ]),
    'COMMIT',
    '*filter',
    ':INPUT ACCEPT [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':cali-INPUT - [0:0]',
    ':cali-FORWARD - [0:0]',
    '-A INPUT -j cali-INPUT',
    '-A FORWARD -j cali-FORWARD',
    '-A cali-INPUT -p ipencap -m set --match-set cali40all-hosts-net src -m addrtype --dst-type LOCAL -j ACCEPT',
    '-A cali-INPUT -p ipencap -j DROP',
    `-A cali-INPUT -p udp -m udp --dport ${vxlanPort} -m set --match-set cali40all-hosts-net src -m addrtype --dst-type LOCAL -j ACCEPT`,
    `-A cali-INPUT -p udp -m udp --dport ${vxlanPort} -m addrtype --dst-type LOCAL -j DROP`,
    '-A cali-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A cali-FORWARD -m conntrack --ctstate INVALID -j DROP',
    `-A cali-FORWARD -i cali+ -p udp -m udp --dport ${vxlanPort} -j DROP`,
    '-A cali-FORWARD -i cali+ -p ipencap -j DROP',
    'COMMIT',
    '',
  ].join('\n');
}

const setText = (name: string, prefixes: readonly string[]): string[] => [
  `create ${name} hash:net family inet`,
  ...prefixes.map((prefix) => `add ${name} ${prefix}`),
];
