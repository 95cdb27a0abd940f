/** Pools, nodes, pods and sessions as calicoctl and kubectl list them beside the tables. */
import { loadManifests, type Manifest } from '../calico/manifest.ts';
import type { BgpSession, FreeInputs, NodeFacts, PoolFacts, PoolPlan } from '../plan/plan.ts';
import { type PoolRow, parseCalicoctl, parseNodeStatus } from '../text/calicoctl-reader.ts';
import type { Notes } from './notes.ts';
import type { KnownPods } from './pod.ts';
import type { Section } from './section.ts';

export interface Listed {
  readonly pools: readonly PoolPlan[];
  /** Of pools that `-o wide` listed. */
  readonly poolFacts: readonly PoolFacts[];
  readonly nodes: readonly NodeFacts[];
  readonly sessions: readonly BgpSession[];
  readonly pods: KnownPods;
  readonly free: FreeInputs;
  readonly ignored: readonly string[];
}

/** Throws PodwireError with file and line. */
export function readInventory(sections: readonly Section[], notes: Notes): Listed {
  const manifest = loadManifests(
    sections
      .filter(({ format }) => format === 'yaml')
      .map(({ text, source, firstLine }) => {
        // Blank lines before it keep the line numbers of the file it was pasted into.
        return { text: '\n'.repeat(firstLine - 1) + text, source };
      }),
  );
  const pools = new Map<string, PoolPlan>(manifest.pools.map((pool) => [pool.name, planOf(pool)]));
  const nodes = new Map<string, NodeFacts>(
    manifest.nodes.map(({ name, address }) => [
      name,
      { name, ...(address === undefined ? {} : { address: address.value }) },
    ]),
  );
  const facts = new Map<string, PoolFacts>();
  const byDevice = new Map<string, string>();
  for (const section of sections) {
    if (section.format !== 'calicoctl') continue;
    const tables = parseCalicoctl(section.text, section);
    for (const row of tables.pools) {
      const { name, cidr, natOutgoing = false, disabled = false } = row;
      const wide = factsOf(row, notes);
      if (wide !== undefined) facts.set(name, wide);
      if (!pools.has(name)) pools.set(name, { name, cidr, natOutgoing, disabled });
    }
    for (const row of tables.nodes) nodes.set(row.name, row);
    for (const { node, device, workload } of tables.endpoints) {
      byDevice.set(`${node} ${device}`, workload.includes('/') ? workload : `default/${workload}`);
    }
  }
  return {
    pools: [...pools.values()],
    poolFacts: [...facts.values()],
    nodes: [...nodes.values()],
    sessions: sections.filter(({ format }) => format === 'status').flatMap(sessionsOf),
    pods: { byDevice, names: manifest.workloads.map(({ key }) => key) },
    free: manifest.freedoms.inputs,
    ignored: manifest.ignored,
  };
}

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
  parseNodeStatus(section.text, section).sessions.map(({ since: _, ...session }) => ({
    node: section.node,
    ...session,
  }));
