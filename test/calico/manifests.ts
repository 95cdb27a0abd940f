/** Resources as YAML text, for tests that need a cluster of a certain shape. */
import { type Addressing, assignAddresses } from '../../src/calico/blocks.ts';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { loadManifests, type Manifest } from '../../src/calico/manifest.ts';
import { PodwireError } from '../../src/errors.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';

export const plan = (...texts: string[]): ClusterPlan =>
  planCluster([{ text: texts.join('\n---\n'), source: 'cluster.yaml' }]);

export const manifestOf = (...texts: string[]): Manifest =>
  loadManifests([{ text: texts.join('\n---\n'), source: 'cluster.yaml' }]);

/** What IPAM makes of the resources, and what it noted on the way. */
export function addressesOf(...texts: string[]): Addressing & { readonly notes: string } {
  const notes: string[] = [];
  const addressing = assignAddresses(manifestOf(...texts), notes);
  return { ...addressing, notes: notes.join('\n') };
}

/** The error of a plan that must fail. */
export function failure(...texts: string[]): PodwireError {
  try {
    plan(...texts);
  } catch (error) {
    if (error instanceof PodwireError) return error;
    throw error;
  }
  throw new Error('expected a PodwireError, found a plan');
}

export interface PoolOptions {
  readonly name?: string;
  readonly cidr?: string;
  readonly more?: readonly string[];
}

export const pool = ({
  name = 'pool',
  cidr = '10.2.0.0/16',
  more = [],
}: PoolOptions = {}): string =>
  [
    'apiVersion: projectcalico.org/v3',
    'kind: IPPool',
    'metadata:',
    `  name: ${name}`,
    'spec:',
    `  cidr: ${cidr}`,
    ...more.map((line) => `  ${line}`),
  ].join('\n');

export const node = (name: string, address: string, ...spec: string[]): string =>
  [
    'apiVersion: projectcalico.org/v3',
    'kind: Node',
    'metadata:',
    `  name: ${name}`,
    'spec:',
    '  bgp:',
    `    ipv4Address: ${address}`,
    ...spec.map((line) => `  ${line}`),
  ].join('\n');

export const block = (cidr: string, owner: string): string =>
  [
    'apiVersion: crd.projectcalico.org/v1',
    'kind: IPAMBlock',
    'metadata:',
    `  name: ${cidr.replace(/[./]/g, '-')}`,
    'spec:',
    `  affinity: host:${owner}`,
    `  cidr: ${cidr}`,
  ].join('\n');

export const pod = (name: string, on: string, ip?: string): string =>
  [
    'apiVersion: v1',
    'kind: Pod',
    'metadata:',
    `  name: ${name}`,
    'spec:',
    `  nodeName: ${on}`,
    ...(ip === undefined ? [] : ['status:', `  podIP: ${ip}`]),
  ].join('\n');

export const underlay = (...spec: string[]): string =>
  [
    'apiVersion: podwire/v1',
    'kind: Underlay',
    'metadata: {name: lab}',
    'spec:',
    ...spec.map((line) => `  ${line}`),
  ].join('\n');

export const freeInputs = (...spec: string[]): string =>
  [
    'apiVersion: podwire/v1',
    'kind: FreeInputs',
    'metadata: {name: free}',
    'spec:',
    ...spec.map((line) => `  ${line}`),
  ].join('\n');
