/** What calicoctl knows beyond the tables; big lists are made when somebody asks. */
import type {
  BgpSession,
  Inventory,
  NodeFacts,
  PoolFacts,
  ResourceFacts,
  ResourceKind,
} from '../plan/plan.ts';
import { formatIp4, type Ip4 } from '../wire/address.ts';
import type { BgpNetwork } from './bgp-network.ts';
import type { Session, Speaker } from './bgp-session.ts';
import type { Addressing } from './blocks.ts';
import type { CalicoNode } from './calico-node.ts';
import type { Field } from './field.ts';
import type { HostEndpoint } from './host-endpoint.ts';
import type { IpPool } from './ip-pool.ts';
import type { IpamConfig } from './ipam-config.ts';
import type { Manifest } from './manifest.ts';
import { compareNames } from './names.ts';
import { endpointFacts, policyFacts } from './policy-inventory.ts';
import type { Release } from './release.ts';
import type { Setup } from './setup-draft.ts';
import type { Fabric } from './underlay.ts';
import type { NodeKeys } from './wireguard-keys.ts';

export interface InventoryInput {
  readonly release: Release;
  readonly setup: Setup;
  readonly manifest: Manifest;
  /** With those that kube-controllers makes. */
  readonly hosts: readonly HostEndpoint[];
  readonly asNumber: number;
  readonly pools: readonly IpPool[];
  readonly nodes: readonly CalicoNode[];
  readonly addressing: Addressing;
  readonly fabric: Fabric;
  readonly network: BgpNetwork | undefined;
  /** Public keys of the nodes that encrypt. */
  readonly keys: ReadonlyMap<string, NodeKeys>;
}

export function inventoryOf(input: InventoryInput): Inventory {
  let sessions: BgpSession[] | undefined;
  return {
    release: input.release,
    asNumber: input.asNumber,
    ranges: input.setup.ranges,
    ...given({ version: input.setup.version, clusterType: input.setup.clusterType }),
    pools: input.pools.map(poolFacts),
    nodes: input.nodes.map((node) => nodeFacts(node, input)),
    get resources() {
      return [
        ...resourceFacts(input.manifest),
        ...policyFacts(input.manifest, input.hosts, input.release),
      ];
    },
    get endpoints() {
      return input.manifest.workloads.map(endpointFacts);
    },
    ipam: storedIpam(input.manifest.ipam),
    get blocks() {
      return input.addressing.facts;
    },
    // A mesh of n nodes has n * n of them.
    get sessions() {
      sessions ??= input.network === undefined ? [] : allSessions(input.network);
      return sessions;
    },
  };
}

/** What `calicoctl get` prints as it was read. */
type Resources = Pick<Manifest, 'felix'> & {
  readonly bgp: Pick<Manifest['bgp'], 'configurations' | 'peers'>;
};

export const storedIpam = ({ strictAffinity, autoAllocateBlocks, storedLimit }: IpamConfig) => ({
  strictAffinity,
  autoAllocateBlocks,
  maxBlocksPerHost: storedLimit,
});

export function resourceFacts({ felix, bgp }: Resources): ResourceFacts[] {
  const of = (
    kind: ResourceKind,
    all: Iterable<readonly [string, { readonly at: Field }]>,
  ): ResourceFacts[] =>
    [...all]
      .sort(([a], [b]) => compareNames(a, b))
      .map(([name, { at }]) => ({
        kind,
        name,
        get manifest() {
          return at.plain();
        },
      }));
  return [
    ...of('FelixConfiguration', felix),
    ...of('BGPConfiguration', bgp.configurations),
    ...of(
      'BGPPeer',
      bgp.peers.map((peer) => [peer.name, peer] as const),
    ),
  ];
}

/** A pool as the inventory has it. */
export const poolFacts = (pool: IpPool): PoolFacts => ({
  name: pool.name,
  cidr: pool.cidr,
  blockSize: pool.blockSize,
  ipipMode: pool.ipipMode,
  vxlanMode: pool.vxlanMode,
  natOutgoing: pool.natOutgoing,
  disabled: pool.disabled,
  disableBgpExport: pool.disableBgpExport,
  nodeSelector: pool.nodeSelector,
  assignmentMode: pool.assignmentMode,
  get manifest() {
    return pool.resource.plain();
  },
});

function nodeFacts(node: CalicoNode, { addressing, fabric, keys }: InventoryInput): NodeFacts {
  const { ipip, vxlan, wireguard } = addressing.tunnels;
  const facts = {
    asNumber: node.asNumber?.value,
    address: fabric.nodes.get(node.name)?.own,
    ipipTunnel: ipip.get(node.name),
    vxlanTunnel: vxlan.get(node.name),
    wireguardTunnel: wireguard.get(node.name),
    wireguardPublicKey: keys.get(node.name)?.publicKey,
  };
  return {
    name: node.name,
    ...given(facts),
    get manifest() {
      return node.at.plain();
    },
  };
}

/** A node as far as its resource tells. */
export const writtenFacts = (node: CalicoNode): NodeFacts => ({
  name: node.name,
  ...given({
    asNumber: node.asNumber?.value,
    address: node.address?.value,
    ipipTunnel: node.ipipAddress?.value,
    vxlanTunnel: node.vxlanAddress?.value,
    wireguardTunnel: node.wireguardAddress?.value,
    wireguardPublicKey: node.wireguardKey?.value,
  }),
  get manifest() {
    return node.at.plain();
  },
});

/** Without the keys that have no value. */
const given = <T extends object>(facts: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };

/** In the order of each node's configuration: mesh, global peers, its own peers. */
function allSessions(network: BgpNetwork): BgpSession[] {
  const mesh = new Set(network.mesh);
  return [...network.speakers.values()].flatMap((node) => {
    if (node.role !== 'node') return [];
    const own = [
      ...(network.sessions.get(node) ?? []).flatMap(explicit),
      ...network.deadEnds.flatMap(({ from, peer, kind }) =>
        from === node ? [{ node: node.name, peer, kind, ...CONNECTING }] : [],
      ),
    ];
    return [
      ...(mesh.has(node) ? network.mesh.flatMap((peer) => meshSession(network, node, peer)) : []),
      ...own.filter(({ kind }) => kind === 'global'),
      ...own.filter(({ kind }) => kind !== 'global'),
    ];
  });
}

const ESTABLISHED = { state: 'up', info: 'Established' } as const;
const CONNECTING = { state: 'start', info: 'Connect' } as const;

function meshSession(network: BgpNetwork, node: Speaker, peer: Speaker): BgpSession[] {
  if (peer === node) return [];
  const state = network.meshDown(node, peer) ? broken(node.address, peer.address) : ESTABLISHED;
  return [{ node: node.name, peer: peer.address, kind: 'node-to-node mesh', ...state }];
}

/** In the mesh the greater address, compared as text, calls; the other end waits. */
const broken = (own: Ip4, peer: Ip4): Pick<BgpSession, 'state' | 'info'> =>
  formatIp4(peer) > formatIp4(own) ? { state: 'start', info: 'Passive' } : CONNECTING;

function explicit({ from, peer, policy, state }: Session): BgpSession[] {
  if (policy.kind === undefined) return [];
  const row = { node: from.name, peer, kind: policy.kind };
  if (state === 'up') return [{ ...row, ...ESTABLISHED }];
  if (state === 'down') return [{ ...row, ...CONNECTING }];
  return [{ ...row, state: 'start', info: 'Idle BGP Error: Bad peer AS' }];
}
