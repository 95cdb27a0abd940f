/**
 * FelixConfiguration: `default` is for every node, `node.NAME` overrides it field
 * by field on one (felix/config, source DatastorePerHost over DatastoreGlobal).
 */
import { type Ip4, networkOf, type Prefix } from '../wire/address.ts';
import { type FailsafePort, readFailsafes } from './failsafe-port.ts';
import type { Field } from './field.ts';
import { interfacePattern } from './interface-pattern.ts';
import { compareNames, listNames } from './names.ts';
import type { ClusterRoutes } from './release.ts';

/** What is set; everything else is Felix's default. MTU 0 means derived from the host's. */
export interface FelixSettings {
  readonly ipipMTU?: number;
  readonly vxlanMTU?: number;
  readonly wireguardMTU?: number;
  readonly vxlanPort?: number;
  readonly vxlanVNI?: number;
  readonly wireguardEnabled?: boolean;
  readonly wireguardHostEncryptionEnabled?: boolean;
  readonly wireguardInterfaceName?: string;
  readonly wireguardListeningPort?: number;
  readonly wireguardRoutingRulePriority?: number;
  /** Seconds between packets that keep the way to a peer open; 0 for none. */
  readonly wireguardKeepAlive?: number;
  readonly mtuIfacePattern?: (device: string) => boolean;
  /** Number of a route protocol (rtnetlink). */
  readonly deviceRouteProtocol?: number;
  readonly deviceRouteSourceAddress?: Ip4;
  readonly programClusterRoutes?: ClusterRoutes;
  /** What Felix's routes to other nodes follow from: blocks of addresses, or each pod's own. */
  readonly routeSource?: RouteSource;
  /** What becomes of packets from a pod to its own node that its policies allow. */
  readonly defaultEndpointToHostAction?: EndpointToHostAction;
  readonly allowVXLANPacketsFromWorkloads?: boolean;
  readonly allowIPIPPacketsFromWorkloads?: boolean;
  /** Ports that sources out of pools are given; absent: any. */
  readonly natPortRange?: PortSpan;
  /** Source of what leaves the pools; absent: the address of the device it leaves by. */
  readonly natOutgoingAddress?: Ip4;
  /** Only what leaves by these devices, `eth+` for instance, is given another source. */
  readonly iptablesNATOutgoingInterfaceFilter?: string;
  readonly natOutgoingExclusions?: NatExclusions;
  /** Who may send tunnel packets to nodes without being one. */
  readonly externalNodesList?: readonly Prefix[];
  /** What becomes of packets to a service that no rule of a service took. */
  readonly serviceLoopPrevention?: ServiceLoop;
  /** Ports of hosts that no policy closes; absent: Felix's own. */
  readonly failsafeInboundHostPorts?: readonly FailsafePort[];
  readonly failsafeOutboundHostPorts?: readonly FailsafePort[];
  /** Whether Felix's jumps stand before or after everybody else's rules. */
  readonly chainInsertMode?: ChainInsertMode;
  /** What becomes of packets that policies allow; Return leaves the last word to rules of others. */
  readonly iptablesFilterAllowAction?: AllowedAction;
  readonly iptablesMangleAllowAction?: AllowedAction;
  readonly iptablesFilterDenyAction?: DeniedAction;
  /** Bits of the packet mark that are Felix's. */
  readonly iptablesMarkMask?: number;
  readonly disableConntrackInvalidCheck?: boolean;
}

export interface PortSpan {
  readonly from: number;
  readonly to: number;
}

export type RouteSource = 'CalicoIPAM' | 'WorkloadIPs';
export type NatExclusions = 'IPPoolsOnly' | 'IPPoolsAndHostIPs';
export type ServiceLoop = 'Drop' | 'Reject' | 'Disabled';
export type EndpointToHostAction = 'Drop' | 'Return' | 'Accept';
export type ChainInsertMode = 'Insert' | 'Append';
export type AllowedAction = 'Accept' | 'Return';
export type DeniedAction = 'Drop' | 'Reject';

export interface FelixConfiguration {
  readonly name: string;
  readonly settings: FelixSettings;
  /** Fields that are set and change nothing here. */
  readonly unmodelled: readonly string[];
  readonly at: Field;
}

const mtu = (at: Field): number => at.integer(0, 65535);
const port = (at: Field): number => at.integer(1, 65535);

/** `32768:65535`, or one port as a number: numorstring.Port. */
function portSpan(at: Field): PortSpan {
  const words = String(at.plain()).split(':').map(Number);
  const [from = Number.NaN, to = from] = words;
  const sound = [from, to].every((n) => Number.isInteger(n) && n >= 0 && n <= 65535);
  if (words.length > 2 || !sound || from > to) throw at.refuse('a port, or two as 32768:65535');
  return { from, to };
}

const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** A duration of Go such as `25s`, in whole seconds as the kernel takes it. */
function keepAlive(at: Field): number {
  const text = at.text('a time such as 25s');
  const parts = [...text.matchAll(/(\d{1,8}(?:\.\d{1,8})?)(ms|s|m|h)/gy)];
  const isWhole = parts.map(([part]) => part).join('') === text;
  const seconds = parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * UNITS[unit as keyof typeof UNITS],
    0,
  );
  const whole = Math.trunc(seconds + 1e-9);
  if (isWhole && whole <= 65535) return whole;
  throw at.refuse('a time such as 25s, at most 65535s');
}

/** As iptables takes it; it becomes a word of a rule. */
function devicePattern(at: Field): string {
  const pattern = at.text();
  if (/^[A-Za-z0-9_.@-]{1,14}\+?$/.test(pattern)) return pattern;
  throw at.refuse('a device, or the beginning of its name and +');
}

/** A word in any case, as Felix takes those of its rules. */
const word =
  <T extends string>(...words: readonly T[]) =>
  (at: Field): T => {
    const text = at.isText ? at.text().toLowerCase() : '';
    return words.find((one) => one.toLowerCase() === text) ?? at.choice(words);
  };

/** Felix takes its bits of the mark from it, and needs so many. */
const MARK_BITS = 8;

function markMask(at: Field): number {
  const mask = at.integer(0, 0xffffffff);
  const bits = mask.toString(2).replaceAll('0', '').length;
  if (bits < MARK_BITS) throw at.refuse(`a mask with ${MARK_BITS} bits or more`);
  return mask;
}

type Readers = { readonly [K in keyof FelixSettings]-?: (at: Field) => FelixSettings[K] };

const READERS: Readers = {
  ipipMTU: mtu,
  vxlanMTU: mtu,
  wireguardMTU: mtu,
  vxlanPort: port,
  vxlanVNI: (at) => at.integer(1, 0xffffff),
  wireguardEnabled: (at) => at.boolean(),
  wireguardHostEncryptionEnabled: (at) => at.boolean(),
  wireguardInterfaceName: (at) => at.deviceName(),
  wireguardListeningPort: port,
  wireguardRoutingRulePriority: (at) => at.integer(1, 32765),
  wireguardKeepAlive: keepAlive,
  mtuIfacePattern: interfacePattern,
  deviceRouteProtocol: (at) => at.integer(1, 255),
  deviceRouteSourceAddress: (at) => at.ip4(),
  programClusterRoutes: (at) =>
    at.choice<ClusterRoutes>(['Enabled', 'Disabled', 'EnabledIPIPOnly']),
  routeSource: word<RouteSource>('CalicoIPAM', 'WorkloadIPs'),
  defaultEndpointToHostAction: word<EndpointToHostAction>('Drop', 'Return', 'Accept'),
  allowVXLANPacketsFromWorkloads: (at) => at.boolean(),
  allowIPIPPacketsFromWorkloads: (at) => at.boolean(),
  natPortRange: portSpan,
  natOutgoingAddress: (at) => at.ip4(),
  iptablesNATOutgoingInterfaceFilter: devicePattern,
  natOutgoingExclusions: word<NatExclusions>('IPPoolsOnly', 'IPPoolsAndHostIPs'),
  externalNodesList: (at) =>
    at.items().flatMap((f) => (f.text().includes(':') ? [] : [networkOf(f.interfaceAddress())])),
  serviceLoopPrevention: word<ServiceLoop>('Drop', 'Reject', 'Disabled'),
  failsafeInboundHostPorts: readFailsafes,
  failsafeOutboundHostPorts: readFailsafes,
  chainInsertMode: word<ChainInsertMode>('Insert', 'Append'),
  iptablesFilterAllowAction: word<AllowedAction>('Accept', 'Return'),
  iptablesMangleAllowAction: word<AllowedAction>('Accept', 'Return'),
  iptablesFilterDenyAction: word<DeniedAction>('Drop', 'Reject'),
  iptablesMarkMask: markMask,
  disableConntrackInvalidCheck: (at) => at.boolean(),
};

/** Says nothing about packets. */
const QUIET =
  /^(log|health|prometheus|report|debug|usageReporting|floatingIPs$|bpfLog|flowLogs|goGC|featureDetect)/;

export function readFelixConfiguration(name: string, resource: Field): FelixConfiguration {
  const spec = resource.entry('spec');
  const settings: Record<string, unknown> = {};
  for (const [key, read] of Object.entries(READERS)) {
    const at = spec.entry(key);
    if (!at.absent) settings[key] = read(at);
  }
  const unmodelled = spec
    .entries()
    .filter(([key, at]) => !at.absent && !Object.hasOwn(READERS, key) && !QUIET.test(key))
    .map(([key]) => key);
  return { name, settings, unmodelled, at: resource };
}

/** Settings of one node. */
export type FelixOf = (node: string) => FelixSettings;

const NODE_PREFIX = 'node.';

export function felixOf(configurations: ReadonlyMap<string, FelixConfiguration>): FelixOf {
  const cluster = configurations.get('default')?.settings ?? {};
  const own = new Map<string, FelixSettings>();
  for (const { name, settings } of configurations.values()) {
    if (!name.startsWith(NODE_PREFIX)) continue;
    own.set(name.slice(NODE_PREFIX.length), { ...cluster, ...settings });
  }
  return (node) => own.get(node) ?? cluster;
}

/** Notes what is set and not modelled, and configurations that no Felix reads. */
export function noteFelix(
  configurations: ReadonlyMap<string, FelixConfiguration>,
  nodes: ReadonlySet<string>,
  assumptions: string[],
): void {
  const sorted = [...configurations.values()].sort((a, b) => compareNames(a.name, b.name));
  for (const { name, unmodelled } of sorted) {
    const node = name.startsWith(NODE_PREFIX) ? name.slice(NODE_PREFIX.length) : undefined;
    if (name !== 'default' && (node === undefined || !nodes.has(node))) {
      assumptions.push(`FelixConfiguration/${name} is neither default nor of a node, so not used`);
    } else if (unmodelled.length > 0) {
      assumptions.push(
        `FelixConfiguration/${name}: set and not modelled: ${listNames(unmodelled)}`,
      );
    }
  }
}
