/** A cluster of two nodes for tests about policy, and questions to it. */
import '../accounts.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { SendOptions } from '../../src/cluster/send.ts';
import { block, node, pool } from './manifests.ts';

/** Resources about policy as YAML text. */
export const resource = (
  kind: string,
  name: string,
  spec: unknown,
  { namespace, labels, api = 'projectcalico.org/v3' }: ResourceOptions = {},
): string => JSON.stringify({ apiVersion: api, kind, metadata: { name, namespace, labels }, spec });

interface ResourceOptions {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly api?: string;
}

export const kubernetesPolicy = (name: string, spec: unknown, namespace = 'default'): string =>
  resource('NetworkPolicy', name, spec, { namespace, api: 'networking.k8s.io/v1' });

export interface PodFacts {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly on: 'n1' | 'n2';
  readonly address: string;
  readonly account?: string;
  readonly ports?: readonly object[];
}

export const podResource = ({ name, namespace, labels, on, address, account, ports }: PodFacts) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: namespace ?? 'default', labels },
    spec: { nodeName: on, serviceAccountName: account, containers: [{ name: 'c', ports }] },
    status: { podIP: address },
  });

export const ground: readonly string[] = [
  pool(),
  node('n1', '192.168.0.11/24'),
  node('n2', '192.168.0.12/24'),
  block('10.2.0.0/26', 'n1'),
  block('10.2.0.64/26', 'n2'),
];

/** web and db on n1, client on n2, all in `default`; other in `lab` on n2. */
export const pods: readonly PodFacts[] = [
  { name: 'web', labels: { app: 'web' }, on: 'n1', address: '10.2.0.1' },
  {
    name: 'db',
    labels: { app: 'db' },
    on: 'n1',
    address: '10.2.0.2',
    ports: [{ name: 'sql', containerPort: 5432 }],
  },
  { name: 'client', labels: { app: 'client' }, on: 'n2', address: '10.2.0.65', account: 'ann' },
  { name: 'other', namespace: 'lab', labels: { app: 'client' }, on: 'n2', address: '10.2.0.66' },
];

export const clusterOf = (...texts: readonly string[]): Cluster =>
  Cluster.fromYaml([...ground, ...pods.map(podResource), ...texts].join('\n---\n'), 'cluster.yaml');

/** `yes`, or what the last step says of the drop. */
export function answer(
  cluster: Cluster,
  from: string,
  to: string,
  more: Partial<SendOptions> = {},
) {
  const trace = cluster.send({ from, to, protocol: 'tcp', destinationPort: 80, ...more });
  if (trace.outcome === 'delivered') return 'yes';
  const why = /\(([^)]*(?:\([^)]*\))?[^)]*)\)$/.exec(trace.steps.at(-1)?.note ?? '');
  return `${trace.reason}: ${why?.[1] ?? trace.steps.at(-1)?.note}`;
}
