/** What Felix and BIRD make of the cluster: the part of the plan that nodes tell each other. */
import { formatIp4, formatPrefix, networkOf } from '../wire/address.ts';
import { type BgpNetwork, bgpNetwork } from './bgp-network.ts';
import type { Addressing } from './blocks.ts';
import { destinationsOf, podDestinations } from './destination.ts';
import { type FelixOf, type FelixSettings, felixOf, noteFelix } from './felix-configuration.ts';
import type { Manifest } from './manifest.ts';
import { type Mtus, mtusOf } from './mtu.ts';
import { listNames } from './names.ts';
import type { Flavour } from './release.ts';
import { type RemoteTable, remoteRoutes } from './remote-routes.ts';
import { type RouteRules, routeRules } from './route-rules.ts';
import { Site } from './route-site.ts';
import { servicePrefixes } from './service-advertisement.ts';
import type { Attachment, Fabric } from './underlay.ts';
import { type WireguardMesh, wireguardMesh } from './wireguard.ts';

/** One node's share. */
export interface NodeControl {
  readonly felix: FelixSettings;
  readonly mtus: Mtus;
  readonly rules: RouteRules;
}

export interface ControlPlane {
  readonly nodes: ReadonlyMap<string, NodeControl>;
  /** Routes to what others answer for, by name of a node, router or host. */
  readonly remote: ReadonlyMap<string, RemoteTable>;
  readonly network: BgpNetwork | undefined;
  readonly wireguard: WireguardMesh | undefined;
}

/** Felix's settings of every node; what is set and not modelled is noted. */
export function felixSettings(manifest: Manifest, assumptions: string[]): FelixOf {
  noteFelix(manifest.felix, new Set(manifest.nodes.map(({ name }) => name)), assumptions);
  return felixOf(manifest.felix);
}

/** Throws ERR_CONFIG_VALUE for names of nodes, filters and speakers that do not exist. */
export function controlPlane(
  manifest: Manifest,
  fabric: Fabric,
  addressing: Addressing,
  felix: FelixOf,
  flavour: Flavour,
  seed: number,
  assumptions: string[],
): ControlPlane {
  const { pools, nodes, bgp } = manifest;
  noteBgp(manifest, assumptions);
  const network = bgp.runs ? bgpNetwork({ ...bgp, nodes, fabric }, assumptions) : undefined;
  const byPods = nodes.some(({ name }) => felix(name).routeSource === 'WorkloadIPs');
  const destinations = [
    ...destinationsOf(pools, manifest.workloads, addressing, flavour),
    ...(byPods ? podDestinations(pools, manifest.workloads, addressing) : []),
  ];

  const controls = new Map<string, NodeControl>();
  const sites = new Map<string, Site>();
  const known = new Map<string, { readonly site: Site; readonly control: NodeControl }>();
  for (const { name } of nodes) {
    const at = fabric.nodes.get(name)!;
    const settings = felix(name);
    const hasVtep = addressing.tunnels.vxlan.has(name);
    const key = siteKey(at, settings, hasVtep);
    let shared = known.get(key);
    if (shared === undefined) {
      const mtus = mtusOf(at.nics, settings, pools);
      const rules = routeRules({
        flavour,
        felix: settings,
        bird: bgp.configuration.programClusterRoutes,
        birdRuns: bgp.runs,
        vxlanMtu: mtus.vxlan,
        ipipMtu: mtus.ipip,
      });
      const control = { felix: settings, mtus, rules };
      shared = { site: new Site(at, rules, hasVtep), control };
      known.set(key, shared);
    }
    controls.set(name, shared.control);
    sites.set(name, shared.site);
  }
  const services = servicePrefixes(bgp.configuration, bgp.services, bgp.endpoints, nodes);
  const vteps = addressing.tunnels.vxlan;
  return {
    nodes: controls,
    remote: remoteRoutes({ network, fabric, pools, destinations, services, sites, vteps }),
    network,
    wireguard: wireguardMesh(
      {
        nodes,
        felixOf: felix,
        destinations,
        addressing,
        fabric,
        keySource: { seed, given: manifest.freedoms.wireguardKeys },
      },
      assumptions,
    ),
  };
}

/** Equal for nodes that see the rest of the cluster alike. */
function siteKey({ own, parent, nics }: Attachment, felix: FelixSettings, vtep: boolean): string {
  const { mtuIfacePattern, ...plain } = felix;
  return JSON.stringify([
    formatPrefix(networkOf(own)),
    parent.device,
    nics.map(({ device, mtu, up, address, gateway }) => [
      device,
      mtu,
      formatPrefix(networkOf(address)),
      gateway === undefined ? '' : formatIp4(gateway),
      mtuIfacePattern?.(device),
      up,
    ]),
    plain,
    vtep,
  ]);
}

function noteBgp({ bgp }: Manifest, assumptions: string[]): void {
  const parts: [string, readonly string[]][] = [
    ['BGPConfiguration/default', bgp.configuration.unmodelled],
    ...bgp.peers.map(({ name, unmodelled }): [string, readonly string[]] => {
      return [`BGPPeer/${name}`, unmodelled];
    }),
    ...[...bgp.filters.values()].map(({ name, unmodelled }): [string, readonly string[]] => {
      return [`BGPFilter/${name}`, unmodelled];
    }),
  ];
  for (const [name, fields] of parts) {
    if (fields.length > 0) assumptions.push(`${name}: set and not modelled: ${listNames(fields)}`);
  }
}
