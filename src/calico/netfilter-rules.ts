/**
 * The part of Felix's rules that moves ordinary traffic, as iptables-save would
 * print it (felix/rules/static.go): who may send tunnel packets, spoofed pods, and where
 * NAT and the chains of endpoints are asked (nat-rules.ts, endpoint-chains.ts).
 */
import type { NetfilterPlan } from '../plan/netfilter.ts';
import type { DevicePlan } from '../plan/plan.ts';
import { parseNetfilter } from '../text/iptables-save.ts';
import { formatIp4, formatPrefix, type Ip4, type Prefix } from '../wire/address.ts';
import { usesEncapsulation } from './blocks.ts';
import type { EndpointRules } from './endpoint-chains.ts';
import { DEFAULT_FAILSAFES } from './failsafe-port.ts';
import type { FelixSettings } from './felix-configuration.ts';
import { hostLines, NO_HOST_LINES } from './host-rules.ts';
import type { IpPool } from './ip-pool.ts';
import { outgoingLines, tunnelLines } from './nat-rules.ts';
import { isFelixChain } from './policy-chains.ts';
import type { Flavour } from './release.ts';
import { marked, type RuleStyle, ruleStyle } from './rule-style.ts';
import { IPIP_HOSTS, VXLAN_HOSTS } from './tunnel-hosts.ts';

/** What is the same on all nodes. */
interface Shared {
  readonly pools: readonly IpPool[];
  /** Addresses of all nodes. */
  readonly hosts: readonly Ip4[];
  readonly flavour: Flavour;
  /** Ranges of services that are advertised: what no rule of a service takes would come back for ever. */
  readonly services: readonly Prefix[];
}

interface FelixInput extends Shared {
  /** Tunnel devices of this node that have an address. */
  readonly tunnels: readonly string[];
  readonly vxlanPort: number;
  readonly felix: FelixSettings;
  readonly style: RuleStyle;
  /** Pods have chains of their own. */
  readonly policed: boolean;
  /** There are host endpoints. */
  readonly hosted: boolean;
}

/**
 * The rules of nodes by their devices, without the set of VXLAN's senders, which is each
 * node's own; nodes with the same tunnels and no policies share them.
 */
export function felixNetfilterOf(shared: Shared) {
  const made = new Map<string, NetfilterPlan>();
  return (
    devices: readonly RuledDevice[],
    felix: FelixSettings = {},
    endpoints?: EndpointRules,
  ): NetfilterPlan => {
    const tunnels = devices
      .filter(({ kind, addresses }) => TUNNELS.has(kind) && addresses.length > 0)
      .map(({ name }) => name);
    const { vxlanPort = VXLAN_PORT } = felix;
    const policed = endpoints?.pods ?? false;
    const hosted = endpoints?.hosts ?? false;
    const style = ruleStyle(felix, shared.flavour);
    const key = JSON.stringify([
      vxlanPort,
      tunnels,
      style,
      felix.chainInsertMode,
      felix.defaultEndpointToHostAction,
      felix.allowVXLANPacketsFromWorkloads,
      felix.allowIPIPPacketsFromWorkloads,
      felix.natPortRange,
      felix.natOutgoingAddress,
      felix.iptablesNATOutgoingInterfaceFilter,
      felix.natOutgoingExclusions,
      felix.externalNodesList,
      felix.serviceLoopPrevention,
      policed,
      hosted && [failsafesOf(felix), wireguardPortOf(felix)],
    ]);
    let plan = made.get(key);
    if (plan === undefined) {
      const text = felixText({ ...shared, tunnels, vxlanPort, felix, style, policed, hosted });
      plan = parseNetfilter(text, 'felix', { elsewhere: isFelixChain });
      made.set(key, plan);
    }
    if (endpoints === undefined) return plan;
    return {
      chains: [...plan.chains, ...endpoints.plan.chains],
      sets: [...plan.sets, ...endpoints.plan.sets],
    };
  };
}

type RuledDevice = Pick<DevicePlan, 'name' | 'kind' | 'addresses'>;

const TUNNELS: ReadonlySet<string> = new Set(['ipip', 'vxlan', 'wireguard']);

/** Felix's default (config_params.go VXLANPort). */
const VXLAN_PORT = 4789;

const MASQUERADED = 'cali40masq-ipam-pools';

/** What `iptables-save` and `ipset save` print of it. */
function felixText(input: FelixInput): string {
  const { pools, services, tunnels, vxlanPort, felix, flavour, style, hosted } = input;
  const vxlan = usesEncapsulation(pools, 'vxlan');
  const workload = marked(style.marks.workload);
  const host = hosted
    ? hostLines({
        style,
        vxlanPort: vxlan ? vxlanPort : undefined,
        ipip: usesEncapsulation(pools, 'ipip'),
        wireguardPort: wireguardPortOf(felix),
        failsafes: failsafesOf(felix),
      })
    : NO_HOST_LINES;
  const sparedPort = vxlan && flavour.sparesVxlanPort ? vxlanPort : undefined;
  const natSets = { masquerade: MASQUERADED, pools: flavour.poolSet, hosts: IPIP_HOSTS };
  const untracked = (chain: string): readonly string[] =>
    vxlan && flavour.vxlanNotrack
      ? [`-A ${chain} -p udp -m udp --dport ${vxlanPort} -j CT --notrack`]
      : [];
  return [
    ...setLines(input),
    '*raw',
    ':PREROUTING ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':cali-PREROUTING - [0:0]',
    ':cali-OUTPUT - [0:0]',
    '-A PREROUTING -j cali-PREROUTING',
    '-A OUTPUT -j cali-OUTPUT',
    ...host.rawFirst,
    ...untracked('cali-PREROUTING'),
    `-A cali-PREROUTING -i cali+ -j MARK --set-xmark ${workload}`,
    `-A cali-PREROUTING -m mark --mark ${workload} -m rpfilter --validmark --invert -j DROP`,
    ...untracked('cali-OUTPUT'),
    ...host.rawLast,
    'COMMIT',
    ...host.mangle,
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':INPUT ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    ':cali-POSTROUTING - [0:0]',
    ':cali-nat-outgoing - [0:0]',
    '-A POSTROUTING -j cali-POSTROUTING',
    '-A cali-POSTROUTING -j cali-nat-outgoing',
    ...tunnels.flatMap((device) => tunnelLines(device, sparedPort)),
    ...(masqueraded(pools).length === 0 ? [] : outgoingLines(felix, natSets)),
    'COMMIT',
    '*filter',
    ':INPUT ACCEPT [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':cali-INPUT - [0:0]',
    ':cali-FORWARD - [0:0]',
    '-A INPUT -j cali-INPUT',
    '-A FORWARD -j cali-FORWARD',
    ...tunnelGuard(input),
    ...host.filter,
    `-A cali-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ${style.filterAllow}`,
    ...(style.deniesInvalid
      ? [`-A cali-FORWARD -m conntrack --ctstate INVALID -j ${style.filterDeny}`]
      : []),
    ...(felix.allowVXLANPacketsFromWorkloads === true
      ? []
      : [`-A cali-FORWARD -i cali+ -p udp -m udp --dport ${vxlanPort} -j ${style.filterDeny}`]),
    ...(felix.allowIPIPPacketsFromWorkloads === true
      ? []
      : [`-A cali-FORWARD -i cali+ -p ipencap -j ${style.filterDeny}`]),
    ...endpointText(input, host, loopLines(services, felix)),
    'COMMIT',
    '',
  ].join('\n');
}

const masqueraded = (pools: readonly IpPool[]): readonly IpPool[] =>
  pools.filter((pool) => pool.natOutgoing && !pool.disabled);

function setLines({ pools, hosts, felix, flavour }: FelixInput): readonly string[] {
  const ofHosts = [
    ...hosts.map((host) => `${formatIp4(host)}/32`),
    ...(felix.externalNodesList ?? []).map(formatPrefix),
  ];
  return [
    ...setText(
      MASQUERADED,
      masqueraded(pools).map(({ cidr }) => formatPrefix(cidr)),
    ),
    // Disabled pools stay in: traffic to them is not masqueraded.
    ...setText(
      flavour.poolSet,
      pools.map(({ cidr }) => formatPrefix(cidr)),
    ),
    ...(usesEncapsulation(pools, 'ipip') || felix.natOutgoingExclusions === 'IPPoolsAndHostIPs'
      ? setText(IPIP_HOSTS, ofHosts)
      : []),
  ];
}

/** Tunnel packets are taken from those who may send them, where there is such a tunnel (filterInputChain). */
function tunnelGuard({ pools, vxlanPort, style }: FelixInput): readonly string[] {
  const { filterAllow, filterDeny } = style;
  const vxlan = `-A cali-INPUT -p udp -m udp --dport ${vxlanPort}`;
  return [
    ...(usesEncapsulation(pools, 'ipip')
      ? [
          `-A cali-INPUT -p ipencap -m set --match-set ${IPIP_HOSTS} src -m addrtype --dst-type LOCAL -j ${filterAllow}`,
          `-A cali-INPUT -p ipencap -j ${filterDeny}`,
        ]
      : []),
    ...(usesEncapsulation(pools, 'vxlan')
      ? [
          `${vxlan} -m set --match-set ${VXLAN_HOSTS} src -m addrtype --dst-type LOCAL -j ${filterAllow}`,
          `${vxlan} -m addrtype --dst-type LOCAL -j DROP`,
        ]
      : []),
  ];
}

/**
 * A range of services that is advertised leads here; what no service took would go back
 * by the default route, and come again (service_loop_mgr.go).
 */
function loopLines(services: readonly Prefix[], felix: FelixSettings): readonly string[] {
  const action = felix.serviceLoopPrevention ?? 'Drop';
  if (services.length === 0 || action === 'Disabled') return [];
  const target = action === 'Drop' ? 'DROP' : 'REJECT --reject-with icmp-port-unreachable';
  return [
    ':cali-cidr-block - [0:0]',
    '-A cali-FORWARD -j cali-cidr-block',
    ...services.map((range) => `-A cali-cidr-block -d ${formatPrefix(range)} -j ${target}`),
  ];
}

/**
 * Packets from and to pods go to their own chains. From a pod to its node, the action
 * decides after the policies: Felix's own default is to drop, but the manifests and
 * the operator that install Calico say Accept.
 */
function endpointText(
  { felix, style, policed }: FelixInput,
  host: typeof NO_HOST_LINES,
  loops: readonly string[],
): readonly string[] {
  const dispatch = [
    ...host.forwardFirst,
    ...(policed
      ? [
          '-A cali-FORWARD -i cali+ -j cali-from-wl-dispatch',
          '-A cali-FORWARD -o cali+ -j cali-to-wl-dispatch',
        ]
      : []),
    ...host.forwardLast,
    ...loops,
    ...(policed || host.forwardLast.length > 0
      ? [`-A FORWARD -m mark --mark ${marked(style.marks.accept)} -j ${style.filterAllow}`]
      : []),
    ...host.appended,
  ];
  return [...workloadToHost(felix, style, policed), ...host.input, ...dispatch];
}

function workloadToHost(
  felix: FelixSettings,
  { filterAllow }: RuleStyle,
  policed: boolean,
): readonly string[] {
  const action = felix.defaultEndpointToHostAction ?? 'Accept';
  const why = '-m comment --comment "defaultEndpointToHostAction is Drop" ';
  return [
    ':cali-wl-to-host - [0:0]',
    '-A cali-INPUT -i cali+ -g cali-wl-to-host',
    ...(policed
      ? ['-A cali-wl-to-host -j cali-from-wl-dispatch']
      : [`-A cali-wl-to-host -m conntrack --ctstate RELATED,ESTABLISHED -j ${filterAllow}`]),
    `-A cali-wl-to-host ${action === 'Drop' ? why : ''}-j ${action.toUpperCase()}`,
  ];
}

const wireguardPortOf = (felix: FelixSettings): number | undefined =>
  felix.wireguardEnabled === true ? (felix.wireguardListeningPort ?? WIREGUARD_PORT) : undefined;

/** Felix's default (config_params.go WireguardListeningPort). */
const WIREGUARD_PORT = 51820;

const failsafesOf = (felix: FelixSettings) => ({
  inbound: felix.failsafeInboundHostPorts ?? DEFAULT_FAILSAFES.inbound,
  outbound: felix.failsafeOutboundHostPorts ?? DEFAULT_FAILSAFES.outbound,
});

const setText = (name: string, prefixes: readonly string[]): string[] => [
  `create ${name} hash:net family inet`,
  ...prefixes.map((prefix) => `add ${name} ${prefix}`),
];
