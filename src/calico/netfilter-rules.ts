/**
 * The part of Felix's rules that moves ordinary traffic, as iptables-save would
 * print it (felix/rules/static.go, nat.go; release v3.28): NAT out of pools, the
 * masquerade of tunnel sources, who may send tunnel packets, and spoofed pods.
 * The chains of pods with policies are added to it (endpoint-chains.ts).
 */
import type { NetfilterPlan } from '../plan/netfilter.ts';
import type { DevicePlan, PoolPlan } from '../plan/plan.ts';
import { parseNetfilter } from '../text/iptables-save.ts';
import { formatIp4, formatPrefix, type Ip4 } from '../wire/address.ts';
import type { FelixSettings } from './felix-configuration.ts';
import { ACCEPT_MARK, isFelixChain } from './policy-chains.ts';

interface FelixInput {
  readonly pools: readonly PoolPlan[];
  /** Addresses of all nodes. */
  readonly hosts: readonly Ip4[];
  /** Tunnel devices of this node that have an address. */
  readonly tunnels: readonly string[];
  readonly vxlanPort: number;
  readonly felix: FelixSettings;
  /** Pods have chains of their own. */
  readonly policed: boolean;
}

/** Felix's mark for packets from workloads: the scratch bit of releases up to v3.29. */
const WORKLOAD_MARK = '0x40000/0x40000';

/** The rules of nodes by their devices; nodes with the same tunnels and no policies share them. */
export function felixNetfilterOf(pools: readonly PoolPlan[], hosts: readonly Ip4[]) {
  const made = new Map<string, NetfilterPlan>();
  return (
    devices: readonly RuledDevice[],
    felix: FelixSettings = {},
    endpoints?: NetfilterPlan,
  ): NetfilterPlan => {
    const tunnels = devices
      .filter(({ kind, addresses }) => TUNNELS.has(kind) && addresses.length > 0)
      .map(({ name }) => name);
    const { vxlanPort = VXLAN_PORT } = felix;
    const policed = endpoints !== undefined;
    const key = JSON.stringify([
      vxlanPort,
      tunnels,
      felix.defaultEndpointToHostAction,
      felix.allowVXLANPacketsFromWorkloads,
      felix.allowIPIPPacketsFromWorkloads,
      policed,
    ]);
    let plan = made.get(key);
    if (plan === undefined) {
      const text = felixText({ pools, hosts, tunnels, vxlanPort, felix, policed });
      plan = parseNetfilter(text, 'felix', { elsewhere: isFelixChain });
      made.set(key, plan);
    }
    if (endpoints === undefined) return plan;
    return {
      chains: [...plan.chains, ...endpoints.chains],
      sets: [...plan.sets, ...endpoints.sets],
    };
  };
}

type RuledDevice = Pick<DevicePlan, 'name' | 'kind' | 'addresses'>;

const TUNNELS: ReadonlySet<string> = new Set(['ipip', 'vxlan', 'wireguard']);

/** Felix's default (config_params.go VXLANPort). */
const VXLAN_PORT = 4789;

/** What `iptables-save` and `ipset save` print of it. */
function felixText({ pools, hosts, tunnels, vxlanPort, felix, policed }: FelixInput): string {
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
    ...(felix.allowVXLANPacketsFromWorkloads === true
      ? []
      : [`-A cali-FORWARD -i cali+ -p udp -m udp --dport ${vxlanPort} -j DROP`]),
    ...(felix.allowIPIPPacketsFromWorkloads === true
      ? []
      : ['-A cali-FORWARD -i cali+ -p ipencap -j DROP']),
    ...endpointText(felix, policed),
    'COMMIT',
    '',
  ].join('\n');
}

/**
 * Packets from and to pods go to their own chains. From a pod to its node, the action
 * decides after the policies: Felix's own default is to drop, but the manifests and
 * the operator that install Calico say Accept.
 */
function endpointText(felix: FelixSettings, policed: boolean): readonly string[] {
  const action = felix.defaultEndpointToHostAction ?? 'Accept';
  if (!policed && action !== 'Drop') return [];
  const why = '-m comment --comment "defaultEndpointToHostAction is Drop" ';
  const host = [
    ':cali-wl-to-host - [0:0]',
    '-A cali-INPUT -i cali+ -g cali-wl-to-host',
    ...(policed
      ? ['-A cali-wl-to-host -j cali-from-wl-dispatch']
      : ['-A cali-wl-to-host -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT']),
    `-A cali-wl-to-host ${action === 'Drop' ? why : ''}-j ${action.toUpperCase()}`,
  ];
  if (!policed) return host;
  return [
    ...host,
    '-A cali-FORWARD -i cali+ -j cali-from-wl-dispatch',
    '-A cali-FORWARD -o cali+ -j cali-to-wl-dispatch',
    `-A FORWARD -m mark --mark ${ACCEPT_MARK} -j ACCEPT`,
  ];
}

const setText = (name: string, prefixes: readonly string[]): string[] => [
  `create ${name} hash:net family inet`,
  ...prefixes.map((prefix) => `add ${name} ${prefix}`),
];
