/** `ip -j link` and `ip -j addr` (ip/ipaddress.c print_linkinfo and print_addrinfo). */
import type { DevicePlan, NamespacePlan } from '../plan/plan.ts';
import { formatIp4, linkLocal } from '../wire/address.ts';
import { keptAddresses } from './device-address.ts';
import type { AddrListing } from './ip-addr.ts';
import { type LinkListing, listedDevices } from './ip-link.ts';
import type { Json } from './json.ts';
import { AGEING } from './link-bridge.ts';
import {
  addressGeneration,
  flagWords,
  hasIpv6,
  linkLayer,
  linkState,
  mtuLimits,
} from './link-kind.ts';
import { type PeerLookup, peerNumber } from './link-peer.ts';

type Members = { readonly [key: string]: Json };

/** `ip -j link [show]` */
export const linksJson = (ns: NamespacePlan, options: LinkListing = {}): Json =>
  listed(ns, options, (device) => ({
    ...head(ns, device, true, options.peers),
    ...layer(device),
    ...netns(ns, device),
    ...(options.details ? details(device, true) : {}),
    ...altNames(device),
  }));

/** `ip -j addr [show]` */
export const addressesJson = (ns: NamespacePlan, options: AddrListing = {}): Json =>
  listed(ns, options, (device) => {
    if (options.family4 && keptAddresses(device).length === 0) return undefined;
    return {
      ...head(ns, device, false, options.peers),
      ...(options.family4 && !options.details ? {} : layer(device)),
      ...netns(ns, device),
      ...(options.details ? details(device, false) : {}),
      ...altNames(device),
      addr_info: [...inet(device), ...(options.family4 ? [] : inet6(device))],
    };
  });

/** A device that the word `up` filters out stays behind as an empty object. */
function listed(
  ns: NamespacePlan,
  { up, ...options }: LinkListing,
  json: (device: DevicePlan) => Members | undefined,
): Json {
  return listedDevices(ns, options).flatMap((device) =>
    up && !device.up ? [{}] : (json(device) ?? []),
  );
}

function head(
  ns: NamespacePlan,
  device: DevicePlan,
  ofLink: boolean,
  peers: PeerLookup | undefined,
): Members {
  return {
    ifindex: device.index,
    ...link(ns, device, peers),
    ifname: device.name,
    flags: flagWords(device),
    mtu: device.mtu,
    qdisc: device.qdisc,
    ...(device.master === undefined ? {} : { master: device.master }),
    operstate: linkState(device),
    ...(ofLink ? { linkmode: 'DEFAULT' } : {}),
    group: 'default',
    ...(device.queueLength === 0 ? {} : { txqlen: device.queueLength }),
  };
}

function link(ns: NamespacePlan, device: DevicePlan, peers: PeerLookup | undefined): Members {
  const { kind, peer } = device;
  if (kind === 'ipip') return { link: null };
  if (peer === undefined) return {};
  if (peer.namespace === ns.name) return { link: peer.device };
  const index = peers?.(peer)?.index;
  return index === undefined ? {} : { link_index: index };
}

function layer(device: DevicePlan): Members {
  const { type, address, broadcast } = linkLayer(device);
  return {
    link_type: type,
    ...(address === undefined ? {} : { address }),
    ...(broadcast === undefined ? {} : { broadcast }),
  };
}

const altNames = ({ altNames: names = [] }: DevicePlan): Members =>
  names.length === 0 ? {} : { altnames: names };

function netns(ns: NamespacePlan, device: DevicePlan): Members {
  const number = peerNumber(ns, device);
  return number === undefined ? {} : { link_netnsid: number };
}

/** Without the limits of segmentation, which belong to kernel and driver. */
function details(device: DevicePlan, ofLink: boolean): Members {
  const { min, max } = mtuLimits(device.kind);
  const mode = ofLink ? addressGeneration(device) : undefined;
  const info = linkInfo(device);
  return {
    promiscuity: device.master === undefined ? 0 : 1,
    allmulti: 0,
    min_mtu: min,
    max_mtu: max,
    ...(info === undefined ? {} : { linkinfo: info }),
    ...(mode === undefined ? {} : { inet6_addr_gen_mode: mode }),
    num_tx_queues: 1,
    num_rx_queues: 1,
  };
}

function linkInfo({ kind, vxlan, bridge }: DevicePlan): Json | undefined {
  if (kind === 'bridge') {
    return { info_kind: kind, info_data: { ageing_time: 100 * (bridge?.ageing ?? AGEING) } };
  }
  if (kind === 'veth' || kind === 'wireguard') return { info_kind: kind };
  if (kind === 'ipip') {
    const ends = { remote: 'any', local: 'any' };
    return { info_kind: kind, info_data: { proto: 'ipip', ...ends, ttl: 0, pmtudisc: false } };
  }
  if (vxlan === undefined) return undefined;
  return {
    info_kind: 'vxlan',
    info_data: {
      id: vxlan.vni,
      local: formatIp4(vxlan.local),
      link: vxlan.parent,
      port_range: { low: 0, high: 0 },
      port: vxlan.port,
      learning: vxlan.learning ?? false,
      ...(vxlan.tos === undefined ? {} : { tos: hex(vxlan.tos === 'inherit' ? 1 : vxlan.tos) }),
      // A TTL that is inherited is named in words only.
      ...(vxlan.ttl === 'inherit' ? {} : { ttl: vxlan.ttl ?? 0 }),
      df: vxlan.df ?? 'unset',
      ageing: vxlan.ageing ?? 300,
      udp_csum: vxlan.udpChecksum ?? true,
      udp_zero_csum6_tx: false,
      udp_zero_csum6_rx: false,
    },
  };
}

const hex = (value: number): string => `0x${value.toString(16)}`;

const FOREVER = 4294967295;
const LIFETIME = { valid_life_time: FOREVER, preferred_life_time: FOREVER };

const inet = (device: DevicePlan): Members[] =>
  keptAddresses(device).map(({ address, length, broadcast, scope, secondary }) => ({
    family: 'inet',
    local: formatIp4(address),
    prefixlen: length,
    ...(broadcast === undefined ? {} : { broadcast: formatIp4(broadcast) }),
    scope,
    ...(secondary ? { secondary } : {}),
    label: device.name,
    ...LIFETIME,
  }));

function inet6(device: DevicePlan): Members[] {
  if (!device.up || !hasIpv6(device)) return [];
  const address = (local: string, prefixlen: number, scope: string): Members[] => [
    { family: 'inet6', local, prefixlen, scope, ...LIFETIME },
  ];
  if (device.kind === 'loopback') return address('::1', 128, 'host');
  return device.mac === undefined ? [] : address(linkLocal(device.mac), 64, 'link');
}
