/**
 * `calicoctl get` of the resources that configure Felix and BGP: tables with calicoctl's
 * columns (calicoctl/resourcemgr), or the resources as they were read.
 */
import type { Inventory, ResourceFacts } from '../plan/plan.ts';

/** Columns of a kind's table, by title; the same with `-o wide`. */
type Columns = readonly (readonly [string, (resource: Spec) => string])[];

interface Spec {
  readonly name: string;
  /** A field of `spec` as text; '' where it is not set. */
  field(key: string): string;
}

const NAME: Columns[number] = ['NAME', ({ name }) => name];

const KINDS: readonly {
  readonly kind: ResourceFacts['kind'];
  readonly words: readonly string[];
  readonly columns: Columns;
}[] = [
  {
    kind: 'FelixConfiguration',
    words: ['felixconfiguration', 'felixconfig'],
    columns: [NAME],
  },
  {
    kind: 'BGPConfiguration',
    words: ['bgpconfiguration', 'bgpconfig'],
    columns: [
      NAME,
      // The API fills this one in when the resource is made.
      ['LOGSEVERITY', (r) => r.field('logSeverityScreen') || 'Info'],
      ['MESHENABLED', (r) => r.field('nodeToNodeMeshEnabled') || '-'],
      ['ASNUMBER', (r) => r.field('asNumber') || '-'],
    ],
  },
  {
    kind: 'BGPPeer',
    words: ['bgppeer', 'bgpp', 'bp'],
    columns: [
      NAME,
      ['PEERIP', (r) => r.field('peerIP')],
      ['NODE', (r) => r.field('node') || r.field('nodeSelector') || '(global)'],
      ['ASN', (r) => r.field('asNumber') || '0'],
    ],
  },
];

/** The kind that a word of `calicoctl get` names, in any case, one or many. */
export const resourceKind = (word: string): ResourceFacts['kind'] | undefined =>
  KINDS.find(({ words }) =>
    words.some((known) => word.toLowerCase() === known || word.toLowerCase() === `${known}s`),
  )?.kind;

export const resourcesOf = (
  { resources = [] }: Inventory,
  kind: ResourceFacts['kind'],
): ResourceFacts[] => resources.filter((one) => one.kind === kind);

/** Title line and rows of a kind's table. */
export function resourceRows(
  kind: ResourceFacts['kind'],
  resources: readonly ResourceFacts[],
): string[][] {
  const { columns } = KINDS.find((known) => known.kind === kind)!;
  return [
    columns.map(([title]) => title),
    ...resources.map((resource) => columns.map(([, cell]) => cell(specOf(resource)))),
  ];
}

function specOf({ name, manifest }: ResourceFacts): Spec {
  const entries = new Map(Object.entries(asObject(asObject(manifest)['spec'])));
  return {
    name,
    field: (key) => {
      const value = entries.get(key);
      return value === undefined || value === null ? '' : String(value);
    },
  };
}

const asObject = (value: unknown): { readonly [key: string]: unknown } =>
  typeof value === 'object' && value !== null ? (value as { [key: string]: unknown }) : {};
