/** Dumps of the oracle's labs for the tests of this folder, and traces in a form to compare. */
import '../accounts.ts';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { SendOptions, Trace } from '../../src/cluster/send.ts';
import type { DumpFile } from '../../src/import/dump-file.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { shared } from '../text/namespace.ts';

const OUT = join(shared, 'oracle', 'out');

/** `tables.before.txt` of a scenario, or undefined and a loud word. */
export function labTables(scenario: string): string | undefined {
  const path = join(OUT, scenario, 'tables.before.txt');
  if (existsSync(path)) return readFileSync(path, 'utf8');
  console.warn(`SKIPPED: no tables of ${scenario} here`);
  return undefined;
}

export const file = (text: string, path = 'dump.txt'): DumpFile => ({ text, source: path, path });

/** The plan with its namespaces in another's order, on which drawn bytes depend. */
export function inOrderOf(plan: ClusterPlan, other: ClusterPlan): ClusterPlan {
  const order = new Map(other.namespaces.map(({ name }, i) => [name, i]));
  const at = (name: string): number => order.get(name) ?? order.size;
  const namespaces = [...plan.namespaces].sort((a, b) => at(a.name) - at(b.name));
  return { ...plan, namespaces };
}

export const send = (plan: ClusterPlan, options: SendOptions): Trace =>
  Cluster.fromPlan(plan).send(options);

/** What happened to a packet and to every byte of it. */
export const facts = ({ outcome, at, reason, steps, frames }: Trace): object => ({
  outcome,
  at,
  reason,
  steps: steps.map(({ node, room, note }) => `${node} ${room} ${note}`),
  frames,
});
