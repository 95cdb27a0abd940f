/** Clusters for the tests of BGP: resources as text, and what the plan makes of them. */
import { planCluster } from '../../src/calico/cluster-plan.ts';
import type { Release } from '../../src/calico/release.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { formatIp4 } from '../../src/wire/address.ts';

export const planAs = (release: Release, ...texts: string[]): ClusterPlan =>
  planCluster([{ text: texts.join('\n---\n'), source: 'cluster.yaml' }], { release });

/** A resource of Calico with its spec in one line of YAML. */
export const resource = (kind: string, name: string, spec: string, metadata = ''): string =>
  [
    'apiVersion: projectcalico.org/v3',
    `kind: ${kind}`,
    `metadata: {name: ${name}${metadata}}`,
    `spec: {${spec}}`,
  ].join('\n');

export const outage = (a: string, b: string): string =>
  `apiVersion: podwire/v1\nkind: Outage\nmetadata: {name: o}\nspec: {bgpSessions: [{a: ${a}, b: ${b}}]}`;

/** `PEER KIND STATE INFO` of one node. */
export const sessionLines = (plan: ClusterPlan, node: string): string[] =>
  plan
    .inventory!.sessions.filter((session) => session.node === node)
    .map(({ peer, kind, state, info }) => `${formatIp4(peer)} | ${kind} | ${state} | ${info}`);
