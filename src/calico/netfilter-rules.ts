/**
 * The part of Felix's rules that moves ordinary traffic, as iptables-save would
 * print it (felix/rules/static.go, nat.go; release v3.28): NAT out of pools, the
 * masquerade of tunnel sources, who may send tunnel packets, and spoofed pods.
 * The chains of pods with policies are added to it (endpoint-chains.ts).
 */
import type { NetfilterPlan } from '../plan/netfilter.ts';
import type { DevicePlan, PoolPlan } from '../plan/plan.ts';
import { parseNetfilter } from '../text/iptables-save.ts';
import { formatIp4, formatPrefix, type Ip4, type Prefix } from '../wire/address.ts';
import type { EndpointRules } from './endpoint-chains.ts';
import { DEFAULT_FAILSAFES } from './failsafe-port.ts';
import type { FelixSettings } from './felix-configuration.ts';
import { hostLines, NO_HOST_LINES } from './host-rules.ts';
import { ACCEPT_MARK, isFelixChain } from './policy-chains.ts';
import type { Flavour } from './release.ts';

interface FelixInput {
  readonly pools: readonly PoolPlan[];
  /** Ranges of services that are advertised: what no rule of a service takes would come back for ever. */
  readonly services: readonly Prefix[];
  /** Addresses of all nodes. */
  readonly hosts: readonly Ip4[];
  /** Tunnel devices of this node that have an address. */
  readonly tunnels: readonly string[];
  readonly vxlanPort: number;
  readonly felix: FelixSettings;
  /** Pods have chains of their own. */
  readonly policed: boolean;
  /** There are host endpoints. */
  readonly hosted: boolean;
  readonly marks: Marks;
}

type Marks = Pick<Flavour, 'workloadMark' | 'packetMarks'>;

/** The rules of nodes by their devices; nodes with the same tunnels and no policies share them. */
export function felixNetfilterOf(
  pools: readonly PoolPlan[],
  hosts: readonly Ip4[],
  marks: Marks,
  services: readonly Prefix[] = [],
) {
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
    const key = JSON.stringify([
      vxlanPort,
      tunnels,
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
      const text = felixText({
        pools,
        hosts,
        services,
        tunnels,
        vxlanPort,
        felix,
        policed,
        hosted,
        marks,
      });
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

/** What `iptables-save` and `ipset save` print of it. */
function felixText(input: FelixInput): string {
  const { pools, hosts, services, tunnels, vxlanPort, felix, policed, hosted, marks } = input;
  const workload = `0x${marks.workloadMark.toString(16)}`;
  const workloadMark = `${workload}/${workload}`;
  const host = hosted
    ? hostLines({
        ...marks,
        vxlanPort,
        wireguardPort: wireguardPortOf(felix),
        failsafes: failsafesOf(felix),
      })
    : NO_HOST_LINES;
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
    ...setText('cali40all-hosts-net', [
      ...hosts.map((host) => `${formatIp4(host)}/32`),
      ...(felix.externalNodesList ?? []).map(formatPrefix),
    ]),
    '*raw',
    ':PREROUTING ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':cali-PREROUTING - [0:0]',
    ':cali-OUTPUT - [0:0]',
    '-A PREROUTING -j cali-PREROUTING',
    '-A OUTPUT -j cali-OUTPUT',
    ...host.rawFirst,
    `-A cali-PREROUTING -p udp -m udp --dport ${vxlanPort} -j CT --notrack`,
    `-A cali-PREROUTING -i cali+ -j MARK --set-xmark ${workloadMark}`,
    `-A cali-PREROUTING -m mark --mark ${workloadMark} -m rpfilter --validmark --invert -j DROP`,
    `-A cali-OUTPUT -p udp -m udp --dport ${vxlanPort} -j CT --notrack`,
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
    ...tunnels.map(
      (device) =>
        `-A cali-POSTROUTING -o ${device} -m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL -j MASQUERADE --random-fully`,
    ),
    ...(masq.length === 0 ? [] : outgoingLines(felix)),
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
    ...host.filter,
    '-A cali-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A cali-FORWARD -m conntrack --ctstate INVALID -j DROP',
    ...(felix.allowVXLANPacketsFromWorkloads === true
      ? []
      : [`-A cali-FORWARD -i cali+ -p udp -m udp --dport ${vxlanPort} -j DROP`]),
    ...(felix.allowIPIPPacketsFromWorkloads === true
      ? []
      : ['-A cali-FORWARD -i cali+ -p ipencap -j DROP']),
    ...endpointText(felix, policed, host, loopLines(services, felix)),
    'COMMIT',
    '',
  ].join('\n');
}

/** Out of a pool: the range counts for TCP and UDP, and ends the matter for them (nat.go NATOutgoingChain). */
function outgoingLines(felix: FelixSettings): readonly string[] {
  const { natPortRange: span, natOutgoingAddress: address } = felix;
  const filter = felix.iptablesNATOutgoingInterfaceFilter;
  const target = (ports?: string): string => {
    if (address === undefined) {
      return `MASQUERADE${ports === undefined ? '' : ` --to-ports ${ports}`} --random-fully`;
    }
    const to = `${formatIp4(address)}${ports === undefined ? '' : `:${ports}`}`;
    return `SNAT --to-source ${to} --random-fully`;
  };
  const line = (protocol: string, action: string): string =>
    [
      '-A cali-nat-outgoing',
      ...(filter === undefined ? [] : [`-o ${filter}`]),
      ...(protocol === '' ? [] : [`-p ${protocol}`]),
      '-m set --match-set cali40masq-ipam-pools src -m set ! --match-set cali40all-ipam-pools dst',
      ...(felix.natOutgoingExclusions === 'IPPoolsAndHostIPs'
        ? ['-m set ! --match-set cali40all-hosts-net dst']
        : []),
      `-j ${action}`,
    ].join(' ');
  const whole = line('', target());
  if (span === undefined || span.to === 0) return [whole];
  const ranged = ['tcp', 'udp'].flatMap((protocol) => [
    line(protocol, target(`${span.from}-${span.to}`)),
    line(protocol, 'RETURN'),
  ]);
  return [...ranged, whole];
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
  felix: FelixSettings,
  policed: boolean,
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
      ? [`-A FORWARD -m mark --mark ${ACCEPT_MARK} -j ACCEPT`]
      : []),
    ...host.appended,
  ];
  return [...workloadToHost(felix, policed), ...host.input, ...dispatch];
}

function workloadToHost(felix: FelixSettings, policed: boolean): readonly string[] {
  const action = felix.defaultEndpointToHostAction ?? 'Accept';
  const why = '-m comment --comment "defaultEndpointToHostAction is Drop" ';
  return [
    ':cali-wl-to-host - [0:0]',
    '-A cali-INPUT -i cali+ -g cali-wl-to-host',
    ...(policed
      ? ['-A cali-wl-to-host -j cali-from-wl-dispatch']
      : ['-A cali-wl-to-host -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT']),
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
