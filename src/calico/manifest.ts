/**
 * YAML files to resources. Every shape that calicoctl and kubectl print is taken:
 * several documents, Lists of any kind, calicoctl's and the cluster's own API groups.
 */
import { printable } from '../errors.ts';
import { type CalicoNode, mergeNodes, readNode } from './calico-node.ts';
import { Field } from './field.ts';
import { type Freedoms, noFreedoms, readFreeInputs } from './free-inputs.ts';
import { type IpPool, readIpPool, sortPools } from './ip-pool.ts';
import { type BlockClaim, readBlockAffinity, readIpamBlock } from './ipam-block.ts';
import { compareNames } from './names.ts';
import { readUnderlay, type Underlay } from './underlay-resource.ts';
import { mergeWorkload, podName, readEndpoint, readPod, type Workload } from './workload.ts';
import { parseYaml } from './yaml-document.ts';

export interface ManifestFile {
  readonly text: string;
  /** What messages call it: a file name, or `-`. */
  readonly source: string;
}

/** All resources of all files; each list in name order, block claims as written. */
export interface Manifest {
  readonly pools: readonly IpPool[];
  readonly nodes: readonly CalicoNode[];
  readonly claims: readonly BlockClaim[];
  readonly workloads: readonly Workload[];
  readonly underlay: Underlay | undefined;
  readonly freedoms: Freedoms;
  /** `Kind xN` */
  readonly ignored: readonly string[];
}

const OWN_GROUP = 'podwire/v1';
const CALICO_GROUPS = ['projectcalico.org/v3', 'crd.projectcalico.org/v1'];

interface Draft {
  readonly pools: Map<string, IpPool>;
  readonly nodes: Map<string, CalicoNode>;
  readonly claims: BlockClaim[];
  readonly pods: Map<string, Workload>;
  readonly endpoints: Map<string, Workload>;
  underlay: Underlay | undefined;
  freedoms: Freedoms;
  readonly ignored: Map<string, number>;
}

/**
 * Throws ERR_CONFIG_SYNTAX, ERR_CONFIG_VALUE and ERR_CONFIG_CONFLICT, each with
 * file and line.
 */
export function loadManifests(files: readonly ManifestFile[]): Manifest {
  const draft: Draft = {
    pools: new Map(),
    nodes: new Map(),
    claims: [],
    pods: new Map(),
    endpoints: new Map(),
    underlay: undefined,
    freedoms: noFreedoms,
    ignored: new Map(),
  };
  for (const { text, source } of files) {
    for (const document of parseYaml(text, source)) take(draft, Field.root(document));
  }
  const workloads = new Map(draft.pods);
  for (const [key, endpoint] of draft.endpoints) {
    const pod = workloads.get(key);
    workloads.set(key, pod === undefined ? endpoint : mergeWorkload(pod, endpoint));
  }
  return {
    pools: sortPools(draft.pools.values()),
    nodes: [...draft.nodes.values()].sort((a, b) => compareNames(a.name, b.name)),
    claims: draft.claims,
    workloads: [...workloads.values()].sort((a, b) => compareNames(a.key, b.key)),
    underlay: draft.underlay,
    freedoms: draft.freedoms,
    ignored: [...draft.ignored].map(([kind, n]) => `${kind} x${n}`),
  };
}

/** `group` and `listed` are what a typed List says of items that do not say it themselves. */
function take(draft: Draft, root: Field, group?: string, listed?: string): void {
  const apiVersion = inherited(root, 'apiVersion', group);
  const kind = inherited(root, 'kind', listed);
  const items = root.entry('items');
  if (kind.endsWith('List') && !items.absent) {
    const itemKind = kind === 'List' ? undefined : kind.slice(0, -'List'.length);
    for (const item of items.items()) take(draft, item, apiVersion, itemKind);
    return;
  }
  const read = readers.get(`${apiVersion} ${kind}`);
  if (read !== undefined) read(draft, root);
  else if (/^podwire\//.test(apiVersion)) {
    throw root.entry('kind').refuse(`Underlay, FreeInputs or Scenario of ${OWN_GROUP}`);
  } else ignore(draft, printable(knownKinds.has(kind) ? `${kind} (${apiVersion})` : kind, 80));
}

function inherited(root: Field, key: string, fallback: string | undefined): string {
  const at = root.entry(key);
  if (at.absent && fallback !== undefined) return fallback;
  return at.text('a Kubernetes resource with apiVersion and kind');
}

function ignore(draft: Draft, kind: string): void {
  draft.ignored.set(kind, (draft.ignored.get(kind) ?? 0) + 1);
}

type Reader = (draft: Draft, root: Field) => void;

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ...CALICO_GROUPS.flatMap((group): [string, Reader][] => [
    [`${group} IPPool`, takePool],
    [`${group} Node`, takeNode],
    [`${group} IPAMBlock`, takeBlock],
    [`${group} BlockAffinity`, takeAffinity],
    [`${group} WorkloadEndpoint`, takeEndpoint],
  ]),
  ['v1 Node', takeNode],
  ['v1 Pod', takePod],
  [`${OWN_GROUP} Underlay`, takeUnderlay],
  [`${OWN_GROUP} FreeInputs`, takeFreeInputs],
  // What to send through the cluster: read by whoever runs it.
  [`${OWN_GROUP} Scenario`, () => undefined],
]);

const knownKinds = new Set([...readers.keys()].map((key) => key.split(' ')[1]));

/** `metadata.name`, and the resource called by it. */
function named(kind: string, root: Field): [string, Field] {
  const at = root.named(kind);
  const name = at.entry('metadata').entry('name').name();
  return [name, root.named(`${kind}/${name}`)];
}

function once<T extends { readonly at: Field }>(map: Map<string, T>, key: string, value: T): void {
  const before = map.get(key);
  if (before !== undefined) {
    throw value.at.conflict('each resource once', `another one in ${before.at.where}`);
  }
  map.set(key, value);
}

function takePool(draft: Draft, root: Field): void {
  const [name, at] = named('IPPool', root);
  const pool = readIpPool(name, at);
  if (pool === undefined) ignore(draft, 'IPPool (IPv6)');
  else once(draft.pools, name, pool);
}

function takeNode(draft: Draft, root: Field): void {
  const [name, at] = named('Node', root);
  const node = readNode(name, at);
  const before = draft.nodes.get(name);
  draft.nodes.set(name, before === undefined ? node : mergeNodes(before, node));
}

function takeBlock(draft: Draft, root: Field): void {
  takeClaim(draft, 'IPAMBlock', readIpamBlock(label('IPAMBlock', root)));
}

function takeAffinity(draft: Draft, root: Field): void {
  takeClaim(draft, 'BlockAffinity', readBlockAffinity(label('BlockAffinity', root)));
}

function takeClaim(draft: Draft, kind: string, claim: BlockClaim | undefined): void {
  if (claim === undefined) ignore(draft, `${kind} (IPv6, deleted or without a node)`);
  else draft.claims.push(claim);
}

/** Blocks are known by their CIDR; their names only serve messages. */
function label(kind: string, root: Field): Field {
  const at = root.named(kind).entry('metadata').entry('name');
  return at.absent ? root.named(kind) : named(kind, root)[1];
}

/** Kubernetes puts what names no namespace into `default`. */
function namespaced(kind: string, root: Field): [string, string, Field] {
  const [name, at] = named(kind, root);
  const namespace =
    at
      .entry('metadata')
      .entry('namespace')
      .optional((f) => f.name()) ?? 'default';
  return [namespace, name, root.named(`${kind}/${namespace}/${name}`)];
}

function takePod(draft: Draft, root: Field): void {
  const [namespace, name, at] = namespaced('Pod', root);
  const pod = podName(namespace, name);
  const read = readPod(pod, at);
  if (typeof read === 'string') ignore(draft, `Pod (${read})`);
  else once(draft.pods, pod.key, read);
}

function takeEndpoint(draft: Draft, root: Field): void {
  const [namespace, name, at] = namespaced('WorkloadEndpoint', root);
  const pod = podName(
    namespace,
    at
      .entry('spec')
      .entry('pod')
      .optional((f) => f.name()) ?? name,
  );
  once(draft.endpoints, pod.key, readEndpoint(pod, at));
}

function takeUnderlay(draft: Draft, root: Field): void {
  const underlay = readUnderlay(root.named('Underlay'));
  const before = draft.underlay;
  if (before !== undefined) {
    throw underlay.at.conflict('one Underlay', `another one in ${before.at.where}`);
  }
  draft.underlay = underlay;
}

function takeFreeInputs(draft: Draft, root: Field): void {
  draft.freedoms = readFreeInputs(root.named('FreeInputs'), draft.freedoms);
}
