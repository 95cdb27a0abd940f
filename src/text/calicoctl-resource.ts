/**
 * `calicoctl get` of the resources that configure Felix, BGP and policy: tables with
 * calicoctl's columns (calicoctl/resourcemgr), or the resources as they were read.
 */
import type { Inventory, ResourceFacts, ResourceKind } from '../plan/plan.ts';

type Column = readonly [string, (resource: Spec) => string];

interface Spec {
  readonly name: string;
  /** A field of `spec` as text; '' where it is not set. */
  field(key: string): string;
  /** A number as Go prints it through a pointer, which may be nil. */
  number(key: string): string;
  /** A list, or a map as `key=value` in order, with commas. */
  joined(key: string): string;
}

interface Kind {
  readonly kind: ResourceKind;
  readonly words: readonly string[];
  /** In a namespace, which `-n` and `-A` ask for. */
  readonly namespaced?: true;
  /** Columns of its table, by title. */
  readonly columns: readonly Column[];
  /** Those of `-o wide`, where they are others. */
  readonly wide?: readonly Column[];
}

const NAME: Column = ['NAME', ({ name }) => name];
const ORDER: Column = ['ORDER', (r) => r.number('order')];
const SELECTOR: Column = ['SELECTOR', (r) => r.field('selector')];
/** Of releases with tiers. */
const TIER: Column = ['TIER', (r) => r.field('tier') || 'default'];
const NODE: Column = ['NODE', (r) => r.field('node')];
const NETS: Column = ['NETS', (r) => truncated(r.joined('nets'))];

const KINDS: readonly Kind[] = [
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
  {
    kind: 'NetworkPolicy',
    words: ['networkpolicy', 'networkpolicies', 'policy', 'policies', 'np', 'pol'],
    namespaced: true,
    columns: [NAME, TIER],
    wide: [NAME, TIER, ORDER, SELECTOR],
  },
  {
    kind: 'GlobalNetworkPolicy',
    words: ['globalnetworkpolicy', 'globalnetworkpolicies', 'gnp'],
    columns: [NAME, TIER],
    wide: [NAME, TIER, ORDER, SELECTOR],
  },
  {
    kind: 'NetworkSet',
    words: ['networkset', 'netset'],
    namespaced: true,
    columns: [NAME],
    wide: [NAME, NETS],
  },
  {
    kind: 'GlobalNetworkSet',
    words: ['globalnetworkset', 'gnetset'],
    columns: [NAME],
    wide: [NAME, NETS],
  },
  {
    kind: 'HostEndpoint',
    words: ['hostendpoint', 'hep'],
    columns: [NAME, NODE],
    wide: [
      NAME,
      NODE,
      ['INTERFACE', (r) => r.field('interfaceName')],
      ['IPS', (r) => r.joined('expectedIPs')],
      ['PROFILES', (r) => r.joined('profiles')],
    ],
  },
  { kind: 'Tier', words: ['tier'], columns: [NAME, ORDER] },
  {
    kind: 'Profile',
    words: ['profile', 'pro'],
    columns: [NAME],
    wide: [NAME, ['LABELS', (r) => r.joined('labelsToApply')]],
  },
];

const kindOf = (kind: ResourceKind): Kind => KINDS.find((known) => known.kind === kind)!;

/** The kind that a word of `calicoctl get` names, in any case, one or many. */
export const resourceKind = (word: string): ResourceKind | undefined =>
  KINDS.find(({ words }) =>
    words.some((known) => word.toLowerCase() === known || word.toLowerCase() === `${known}s`),
  )?.kind;

/** The first word of each kind, as a person may ask for it. */
export const RESOURCE_WORDS: readonly string[] = KINDS.map(({ words }) => words[0]!);

/** Those of a namespace where the kind has one; `undefined`: of all. */
export function resourcesOf(
  { resources = [] }: Inventory,
  kind: ResourceKind,
  namespace: string | undefined,
): ResourceFacts[] {
  const all = resources.filter((one) => one.kind === kind);
  if (kind === 'Tier') return all.sort(compareTiers);
  if (namespace === undefined || kindOf(kind).namespaced === undefined) return all;
  return all.filter((one) => one.namespace === namespace);
}

/** Tiers are listed as they are asked, those without an order last (resourcemgr/tier.go). */
function compareTiers(a: ResourceFacts, b: ResourceFacts): number {
  const [x, y] = [a, b].map((one) => Number(specOf(one).field('order') || Infinity));
  if (x !== y) return x! < y! ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

/** How a table is asked for. */
export interface TableForm {
  readonly wide: boolean;
  /** With the namespaces in front, where the kind has them. */
  readonly namespaces: boolean;
  /** Does the release know tiers? */
  readonly tiers: boolean;
}

/** Title line and rows of a kind's table. */
export function resourceRows(
  kind: ResourceKind,
  resources: readonly ResourceFacts[],
  { wide, namespaces, tiers }: TableForm,
): string[][] {
  const known = kindOf(kind);
  const columns = ((wide ? known.wide : undefined) ?? known.columns).filter(
    (column) => tiers || column !== TIER,
  );
  const place = namespaces && known.namespaced === true;
  const titles = columns.map(([title]) => title);
  return [
    place ? ['NAMESPACE', ...titles] : titles,
    ...resources.map((resource) => {
      const cells = columns.map(([, cell]) => cell(specOf(resource)));
      return place ? [resource.namespace ?? '', ...cells] : cells;
    }),
  ];
}

function specOf({ name, manifest }: ResourceFacts): Spec {
  const entries = new Map(Object.entries(asObject(asObject(manifest)['spec'])));
  return {
    name,
    field: (key) => textOf(entries.get(key)),
    number: (key) => {
      const value = entries.get(key);
      return typeof value === 'number' ? goFloat(value) : '<nil>';
    },
    joined: (key) => {
      const value = entries.get(key);
      if (Array.isArray(value)) return value.map(textOf).join();
      const pairs = Object.entries(asObject(value)).map(([k, v]) => `${k}=${textOf(v)}`);
      return pairs.sort().join();
    },
  };
}

const textOf = (value: unknown): string =>
  value === undefined || value === null ? '' : String(value);

const asObject = (value: unknown): { readonly [key: string]: unknown } =>
  typeof value === 'object' && value !== null ? (value as { [key: string]: unknown }) : {};

/** Lists of prefixes end after 80 characters (joinAndTruncate of commands/common/printer.go). */
const LONGEST = 80;

const truncated = (text: string): string =>
  text.length > LONGEST ? `${text.slice(0, LONGEST - 3)}...` : text;

/** As Go's `%v` prints a float64: shortest digits, with an exponent from 1e+06 on and below 0.0001. */
function goFloat(value: number): string {
  const [digits = '', power = ''] = value.toExponential().split('e');
  const exponent = Number(power);
  if (value === 0 || (exponent >= -4 && exponent < 6)) return String(value);
  return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}
