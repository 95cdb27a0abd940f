/**
 * Release flavours: what a version of Calico programs, where it differs. Read in
 * the release branches of felix (vxlan_mgr.go, route_mgr.go, ipip_mgr.go,
 * config_params.go, rule_defs.go) and of confd's BIRD templates.
 */
import { found, PodwireError, printable } from '../errors.ts';
import type { Policy } from './network-policy.ts';

const RELEASES = ['v3.26', 'v3.27', 'v3.28', 'v3.29', 'v3.30', 'v3.31', 'v3.32', 'v3.33'] as const;

export type Release = (typeof RELEASES)[number];

const DEFAULT_RELEASE: Release = 'v3.28';

/** The flavour of a version such as `v3.28.1`; of a version not modelled, the nearest. */
export function releaseOf(version: string | undefined, assumptions: string[]): Release {
  if (version === undefined) return DEFAULT_RELEASE;
  const match = /^v?3\.(\d{1,3})\b/.exec(version);
  const minors = RELEASES.map((release) => Number(release.slice('v3.'.length)));
  const minor = Math.min(Math.max(Number(match?.[1] ?? 28), minors[0]!), minors.at(-1)!);
  const release = RELEASES[minors.indexOf(minor)]!;
  if (match === null || Number(match[1]) !== minor) {
    assumptions.push(`Calico ${printable(version, 40)} is taken for ${release}`);
  }
  return release;
}

/** Who programs the routes to remote blocks of a pool without VXLAN. */
export type ClusterRoutes = 'Enabled' | 'Disabled' | 'EnabledIPIPOnly' | 'EnabledNoEncapOnly';

export interface Flavour {
  readonly release: Release;
  /** Felix writes `mtu N` on its routes into tunnels. */
  readonly tunnelRouteMtu: boolean;
  /** Metric of the routes to local pods. */
  readonly podMetric: number;
  /** Felix keeps a bit of the mark for drops, between pass and the others. */
  readonly markDrop: boolean;
  /** VXLAN's own packets are not tracked. */
  readonly vxlanNotrack: boolean;
  /** What Felix masquerades into a tunnel gets no UDP port that a reply would be taken for VXLAN by. */
  readonly sparesVxlanPort: boolean;
  /** The set of the prefixes of all pools. */
  readonly poolSet: string;
  /**
   * What a host endpoint forwards is allowed where no policy asks about this direction;
   * since tiers are open to all, only where none asks about forwarded packets at all.
   */
  readonly forwardByDirection: boolean;
  /** Policies of the whole cluster that Kubernetes has and the release converts. */
  readonly clusterWide: readonly Policy['kind'][];
  /** Does the option programClusterRoutes exist, and what is it by default? */
  readonly programClusterRoutes: ClusterRoutes | undefined;
  /** Felix routes a VTEP address that lies in another node's block. */
  readonly borrowedVteps: boolean;
}

/** Throws ERR_USAGE for a release that is not modelled. */
export function flavourOf(name: string): Flavour {
  const release = RELEASES.find((known) => known === name);
  if (release === undefined) {
    throw new PodwireError(
      'ERR_USAGE',
      `release: expected one of ${RELEASES.join(', ')}, found ${found(name)}`,
    );
  }
  const minor = Number(release.slice('v3.'.length));
  return {
    release,
    tunnelRouteMtu: minor >= 31,
    podMetric: minor >= 32 ? 1024 : 0,
    markDrop: minor >= 30,
    vxlanNotrack: minor >= 29,
    sparesVxlanPort: minor >= 33,
    poolSet: minor >= 31 ? 'cali40network-ip-pools' : 'cali40all-ipam-pools',
    clusterWide: clusterWide(minor),
    forwardByDirection: minor < 29,
    programClusterRoutes: minor >= 33 ? 'EnabledIPIPOnly' : minor >= 31 ? 'Disabled' : undefined,
    borrowedVteps: minor >= 29,
  };
}

/** ClusterNetworkPolicy took the place of the other two. */
function clusterWide(minor: number): readonly Policy['kind'][] {
  if (minor >= 32) return ['ClusterNetworkPolicy'];
  return minor >= 29 ? ['AdminNetworkPolicy', 'BaselineAdminNetworkPolicy'] : [];
}
