/** Pools, nodes, pods and sessions as calicoctl and kubectl list them beside the tables. */
import type { ClusterRanges } from '../calico/cluster-ranges.ts';
import { poolFacts, resourceFacts, storedIpam, writtenFacts } from '../calico/inventory.ts';
import { loadManifests, type Manifest } from '../calico/manifest.ts';
import { compareNames } from '../calico/names.ts';
import { policyFacts } from '../calico/policy-inventory.ts';
import { releaseOf } from '../calico/release.ts';
import type {
  BgpSession,
  FreeInputs,
  Inventory,
  NodeFacts,
  PoolFacts,
  PoolPlan,
  ServicePlan,
} from '../plan/plan.ts';
import { type PoolRow, parseCalicoctl, parseNodeStatus } from '../text/calicoctl-reader.ts';
import { type KubectlTables, parseKubectl } from '../text/kubectl-reader.ts';
import { formatPrefix } from '../wire/address.ts';
import type { Notes } from './notes.ts';
import type { KnownPods } from './pod.ts';
import type { Section } from './section.ts';
import { readSetup, type SetupPieces } from './setup-section.ts';

export interface Listed {
  readonly pools: readonly PoolPlan[];
  /** Of pools that `-o wide` listed. */
  readonly poolFacts: readonly PoolFacts[];
  readonly nodes: readonly NodeFacts[];
  readonly sessions: readonly BgpSession[];
  readonly services: readonly ServicePlan[];
  readonly pods: KnownPods;
  readonly free: FreeInputs;
  readonly ignored: readonly string[];
  readonly setup: Pick<
    Inventory,
    'resources' | 'ipam' | 'version' | 'clusterType' | 'gitCommit' | 'ranges' | 'asNumber'
  >;
}

function setupOf(manifest: Manifest, told: readonly SetupPieces[]): Listed['setup'] {
  const { setup, bgp, policy, ipam } = manifest;
  const { version, clusterType } = setup;
  const gitCommit = told.find((pieces) => pieces.gitCommit !== undefined)?.gitCommit;
  const flags = told.map(({ ranges }) => ranges);
  return {
    resources: [
      ...resourceFacts(manifest),
      ...policyFacts(manifest, policy.hosts, releaseOf(version, [])),
    ],
    ipam: storedIpam(ipam),
    asNumber: bgp.configuration.asNumber,
    ranges: Object.assign({}, ...flags.reverse(), setup.ranges) as ClusterRanges,
    ...(version === undefined ? {} : { version }),
    ...(clusterType === undefined ? {} : { clusterType }),
    ...(gitCommit === undefined ? {} : { gitCommit }),
  };
}

/** Throws PodwireError with file and line. */
export function readInventory(sections: readonly Section[], notes: Notes): Listed {
  const told = sections.filter(({ format }) => format === 'setup').map(readSetup);
  const manifest = loadManifests([
    ...sections
      .filter(({ format }) => format === 'yaml')
      .map(({ text, source, firstLine }) => {
        // Blank lines before it keep the line numbers of the file it was pasted into.
        return { text: '\n'.repeat(firstLine - 1) + text, source };
      }),
    ...told.flatMap(({ manifests }) => manifests),
  ]);
  for (const pool of manifest.setup.pools) {
    if (!manifest.pools.includes(pool)) continue;
    const { name, cidr } = pool;
    const range = formatPrefix(cidr);
    notes.assume(`pool ${name}, ${range}, is the one that the installation makes: none is listed`);
  }
  const pools = new Map<string, PoolPlan>(manifest.pools.map((pool) => [pool.name, planOf(pool)]));
  const nodes = new Map<string, NodeFacts>(
    manifest.nodes.map((node) => [node.name, writtenFacts(node)]),
  );
  const facts = new Map<string, PoolFacts>(
    manifest.pools.map((pool) => [pool.name, poolFacts(pool)]),
  );
  const byDevice = new Map<string, string>();
  for (const section of sections) {
    if (section.format !== 'calicoctl') continue;
    const tables = parseCalicoctl(section.text, section);
    for (const row of tables.pools) {
      const { name, cidr, natOutgoing = false, disabled = false } = row;
      const wide = facts.has(name) ? undefined : factsOf(row, notes);
      if (wide !== undefined) facts.set(name, wide);
      if (!pools.has(name)) pools.set(name, { name, cidr, natOutgoing, disabled });
    }
    for (const row of tables.nodes) nodes.set(row.name, { ...nodes.get(row.name), ...row });
    for (const { node, device, workload } of tables.endpoints) {
      byDevice.set(`${node} ${device}`, workload.includes('/') ? workload : `default/${workload}`);
    }
  }
  const kubectl = sections
    .filter(({ format }) => format === 'kubectl')
    .map((section) => parseKubectl(section.text, section));
  for (const { name, address } of kubectl.flatMap((tables) => tables.nodes)) {
    if (!nodes.has(name)) nodes.set(name, { name, address: { address, length: 32 } });
  }
  const services = new Map<string, ServicePlan>(
    kubectl.flatMap((tables) => tables.services).map((service) => [service.name, service]),
  );
  return {
    services: [...services.values()].sort((a, b) => compareNames(a.name, b.name)),
    pools: [...pools.values()],
    poolFacts: [...facts.values()],
    nodes: [...nodes.values()],
    sessions: sections.filter(({ format }) => format === 'status').flatMap(sessionsOf),
    pods: { byDevice, names: podNames(manifest, kubectl) },
    free: manifest.freedoms.inputs,
    ignored: manifest.ignored,
    setup: setupOf(manifest, told),
  };
}

/** Each may be the other end of a cali device, whose name follows from the pod's. */
const podNames = (manifest: Manifest, kubectl: readonly KubectlTables[]): string[] => [
  ...manifest.workloads.map(({ key }) => key),
  ...kubectl.flatMap(({ pods }) => pods.map(({ name }) => name)),
];

const planOf = ({ name, cidr, natOutgoing, disabled }: Manifest['pools'][number]): PoolPlan => ({
  name,
  cidr,
  natOutgoing,
  disabled,
});

/** Calico's default, as no table shows a pool's own (IPPoolSpec.blockSize). */
const BLOCK_SIZE = 26;

function factsOf(row: PoolRow, notes: Notes): PoolFacts | undefined {
  const { name, cidr, ipipMode, vxlanMode, selector } = row;
  if (ipipMode === undefined || vxlanMode === undefined) return undefined;
  notes.assume(`pool ${name} has blocks of /${BLOCK_SIZE}: \`calicoctl get ippool\` does not tell`);
  return {
    name,
    cidr,
    blockSize: BLOCK_SIZE,
    ipipMode,
    vxlanMode,
    natOutgoing: row.natOutgoing ?? false,
    disabled: row.disabled ?? false,
    disableBgpExport: row.disableBgpExport ?? false,
    nodeSelector: selector ?? 'all()',
    assignmentMode: 'Automatic',
  };
}

const sessionsOf = (section: Section): BgpSession[] =>
  parseNodeStatus(section.text, section).sessions.map((session) => ({
    node: section.node,
    ...session,
  }));
