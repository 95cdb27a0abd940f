/** `calicoctl`: the commands that look, answered from a plan's inventory. */
import { found, PodwireError } from '../errors.ts';
import type { Inventory, NamespacePlan, NodeFacts, PoolFacts } from '../plan/plan.ts';
import { formatPrefix } from '../wire/address.ts';
import { endpointResources, endpointRows, endpointsOf } from './calicoctl-endpoint.ts';
import { printIpam } from './calicoctl-ipam.ts';
import { printIpamCheck } from './calicoctl-ipam-check.ts';
import { RESOURCE_WORDS, resourceKind, resourceRows, resourcesOf } from './calicoctl-resource.ts';
import { printNodeStatus, type Since } from './calicoctl-status.ts';
import { printColumns } from './calicoctl-table.ts';
import { printVersion } from './calicoctl-version.ts';
import {
  hasAssignmentMode,
  isFrom,
  listOf,
  nodeResource,
  poolResource,
  printResourceJson,
  printYaml,
} from './calicoctl-yaml.ts';
import { next, refuse } from './words.ts';

export type { Since } from './calicoctl-status.ts';

/** Where calicoctl gets its answers. */
export interface CalicoctlFacts {
  readonly inventory?: Inventory | undefined;
  readonly namespaces?: readonly NamespacePlan[] | undefined;
  readonly since?: Since | undefined;
}

const KINDS_SHOWN = ['ippool', 'node', 'workloadendpoint', ...RESOURCE_WORDS].join('|');
const SUPPORTED = `get ${KINDS_SHOWN}, ipam show, ipam check, node status or version`;

/** `argv` without the command's name. Throws ERR_USAGE in pods, which have no calicoctl. */
export function runCalicoctl(
  ns: NamespacePlan,
  argv: readonly string[],
  facts: CalicoctlFacts,
): string {
  if (ns.role === 'pod') refuse('calicoctl', `a node or host, as ${ns.name} has none`, ns.name);
  const { inventory } = facts;
  if (inventory === undefined) {
    return refuse('calicoctl', "a cluster planned from Calico's resources", 'tables only');
  }
  const [verb, ...words] = argv.filter((word) => word !== '--allow-version-mismatch');
  if (verb === 'get') return get(words, inventory, facts.namespaces ?? []);
  if (verb === 'node' && words[0] === 'status') {
    if (words.length > 1) refuse('calicoctl node status', 'no more words', words[1]);
    return printNodeStatus(ns, inventory, facts.since);
  }
  if (verb === 'version') {
    if (words.length > 0) refuse('calicoctl version', 'no more words', words[0]);
    return printVersion(inventory);
  }
  if (verb === 'ipam' && words[0] === 'show') return printIpam(inventory, words.slice(1));
  if (verb === 'ipam' && words[0] === 'check') {
    if (words.length > 1) refuse('calicoctl ipam check', 'no more words', words[1]);
    return printIpamCheck(inventory, facts.namespaces ?? []);
  }
  return refuse('calicoctl', SUPPORTED, argv.join(' '));
}

interface Get {
  readonly names: readonly string[];
  readonly output: 'table' | 'wide' | 'yaml' | 'json';
  /** `undefined`: all. */
  readonly namespace: string | undefined;
  /** A namespace, or all, was asked for: tables name it. */
  readonly places: boolean;
}

const KINDS: ReadonlyMap<string, 'IPPool' | 'Node' | 'WorkloadEndpoint'> = new Map([
  ...['ippool', 'ippools', 'ipp', 'ipps', 'pool', 'pools'].map((n) => [n, 'IPPool'] as const),
  ...['node', 'nodes', 'no', 'nos'].map((n) => [n, 'Node'] as const),
  ...['workloadendpoint', 'workloadendpoints', 'wep', 'weps'].map(
    (n) => [n, 'WorkloadEndpoint'] as const,
  ),
]);

function get(
  argv: readonly string[],
  inventory: Inventory,
  namespaces: readonly NamespacePlan[],
): string {
  const words = [...argv];
  const word = next('calicoctl get', words, 'ippool, node or workloadendpoint');
  const kind = KINDS.get(word.toLowerCase());
  const configures = resourceKind(word);
  if (kind === undefined && configures === undefined) {
    return refuse('calicoctl get', KINDS_SHOWN, word);
  }
  const asked = readGet(words);
  if (configures !== undefined) {
    const all = resourcesOf(inventory, configures, asked.namespace);
    const chosen = select(configures, all, asked);
    if (isWritten(asked)) {
      return written(
        configures,
        chosen.map(({ manifest }) => manifest),
        asked,
      );
    }
    const [titles = [], ...rows] = resourceRows(configures, chosen, {
      wide: asked.output === 'wide',
      namespaces: asked.places,
      tiers: isFrom(inventory, 29),
    });
    return table(titles, rows);
  }
  if (kind === 'IPPool') return getPools(inventory, asked);
  if (kind === 'Node') return getNodes(inventory, asked);
  return getEndpoints(namespaces, inventory, asked);
}

function readGet(words: string[]): Get {
  const where = 'calicoctl get';
  const names: string[] = [];
  let output: Get['output'] = 'table';
  let namespace: string | undefined;
  let everywhere = false;
  while (words.length > 0) {
    const word = words.shift() as string;
    const [, glued] = /^(?:-o|--output=)(.+)$/.exec(word) ?? [];
    if (word === '-o' || word === '--output' || glued !== undefined) {
      const format = glued ?? next(where, words, 'wide or yaml after -o');
      if (format === 'ps') output = 'table';
      else if (format === 'yml') output = 'yaml';
      else if (format === 'wide' || format === 'yaml' || format === 'json') output = format;
      else refuse(where, '-o wide, -o yaml or -o json', format);
    } else if (word === '-a' || word === '-A' || word === '--all-namespaces') everywhere = true;
    else if (word === '-n') namespace = next(where, words, 'a namespace after -n');
    else if (word.startsWith('--namespace=')) namespace = word.slice('--namespace='.length);
    else if (word.startsWith('-')) refuse(where, '-o, -n or -A', word);
    else names.push(word);
  }
  return {
    names,
    output,
    namespace: everywhere ? undefined : (namespace ?? 'default'),
    // PrintNamespace of commands/get.go: also where one was named.
    places: everywhere || namespace !== undefined,
  };
}

const byName = <T extends { readonly name: string }>(all: readonly T[]): T[] =>
  [...all].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

/** Everything as it is listed, or what is named in the order of the names. */
function select<T extends { readonly name: string }>(
  kind: string,
  all: readonly T[],
  { names }: Get,
): readonly T[] {
  if (names.length === 0) return all;
  return names.map((name) => {
    const one = all.find((facts) => facts.name === name);
    if (one !== undefined) return one;
    const known = all.map((facts) => facts.name).join(', ');
    throw new PodwireError(
      'ERR_NAME',
      `calicoctl get: expected a name of ${kind} (${known}), found ${found(name)}`,
    );
  });
}

/** calicoctl leaves a line free after a table. */
const table = (headings: readonly string[], rows: readonly (readonly string[])[]): string =>
  `${printColumns([headings, ...rows])}\n`;

/** A listing is a list, also of one; what was asked for by name is itself. */
function written(kind: string, resources: readonly unknown[], { names, output }: Get): string {
  const one = resources.length === 1 ? resources[0] : resources;
  const value = names.length === 0 ? listOf(kind, resources) : one;
  return output === 'json' ? printResourceJson(value) : printYaml(value);
}

const isWritten = ({ output }: Get): boolean => output === 'yaml' || output === 'json';

function getPools(inventory: Inventory, asked: Get): string {
  const pools = select('IPPool', byName(inventory.pools), asked);
  if (isWritten(asked)) {
    return written(
      'IPPool',
      pools.map((pool) => poolResource(pool, inventory)),
      asked,
    );
  }
  const row = (pool: PoolFacts): readonly (readonly [string, string])[] => [
    ['NAME', pool.name],
    ['CIDR', formatPrefix(pool.cidr)],
    ...(asked.output === 'wide' ? modes(pool) : []),
    ['SELECTOR', pool.nodeSelector],
    ...(asked.output === 'wide' && hasAssignmentMode(inventory)
      ? [['ASSIGNMENTMODE', pool.assignmentMode] as const]
      : []),
  ];
  const empty: PoolFacts = {
    name: '',
    cidr: { address: 0 as PoolFacts['cidr']['address'], length: 0 },
    blockSize: 26,
    ipipMode: 'Never',
    vxlanMode: 'Never',
    natOutgoing: false,
    disabled: false,
    disableBgpExport: false,
    nodeSelector: '',
    assignmentMode: 'Automatic',
  };
  const headings = row(pools[0] ?? empty).map(([heading]) => heading);
  return table(
    headings,
    pools.map((pool) => row(pool).map(([, cell]) => cell)),
  );
}

const modes = (pool: PoolFacts): (readonly [string, string])[] => [
  ['NAT', String(pool.natOutgoing)],
  ['IPIPMODE', pool.ipipMode],
  ['VXLANMODE', pool.vxlanMode],
  ['DISABLED', String(pool.disabled)],
  ['DISABLEBGPEXPORT', String(pool.disableBgpExport)],
];

/** Calico's own number where neither node nor BGPConfiguration says one. */
const DEFAULT_AS = 64512;

function getNodes(inventory: Inventory, asked: Get): string {
  const nodes = select('Node', byName(inventory.nodes), asked);
  if (isWritten(asked)) return written('Node', nodes.map(nodeResource), asked);
  if (asked.output === 'table') {
    return table(
      ['NAME'],
      nodes.map(({ name }) => [name]),
    );
  }
  const number = ({ asNumber, address }: NodeFacts): string => {
    if (asNumber !== undefined) return String(asNumber);
    return address === undefined ? '' : `(${inventory.asNumber ?? DEFAULT_AS})`;
  };
  return table(
    ['NAME', 'ASN', 'IPV4', 'IPV6'],
    nodes.map((node) => [
      node.name,
      number(node),
      node.address === undefined ? '' : formatPrefix(node.address),
      '',
    ]),
  );
}

/** Pods with the host end of their veth. */
function getEndpoints(
  namespaces: readonly NamespacePlan[],
  inventory: Inventory,
  asked: Get,
): string {
  const { names, namespace, places, output } = asked;
  const shown = endpointsOf(namespaces)
    .filter((e) => namespace === undefined || e.namespace === namespace)
    .filter(({ pod, name }) => names.length === 0 || names.includes(pod) || names.includes(name));
  if (output === 'yaml' || output === 'json') {
    return written('WorkloadEndpoint', endpointResources(shown, inventory), asked);
  }
  const [titles = [], ...rows] = endpointRows(shown, inventory, output === 'wide', places);
  return table(titles, rows);
}
