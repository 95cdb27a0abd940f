/**
 * YAML files to resources. Every shape that calicoctl and kubectl print is taken:
 * several documents, Lists of any kind, calicoctl's and the cluster's own API groups.
 */
import { printable } from '../errors.ts';
import type { Prefix } from '../wire/address.ts';
import { BgpDraft, type BgpResources, once } from './bgp-draft.ts';
import { type CalicoNode, mergeNodes, readNode } from './calico-node.ts';
import { type FelixConfiguration, readFelixConfiguration } from './felix-configuration.ts';
import type { Field } from './field.ts';
import { type Freedoms, noFreedoms, readFreeInputs } from './free-inputs.ts';
import { podCidrClaims, withPodCidrTunnel } from './host-local.ts';
import { type IpPool, readIpPool, sortPools } from './ip-pool.ts';
import { type BlockClaim, readBlockAffinity, readIpamBlock } from './ipam-block.ts';
import { defaultIpamConfig, type IpamConfig, readIpamConfig } from './ipam-config.ts';
import { readIpReservation } from './ipam-reservation.ts';
import { compareNames } from './names.ts';
import { type Namespace, readNamespace } from './namespace.ts';
import { readOutage } from './outage.ts';
import { PolicyDraft, type PolicyResources, policyKinds } from './policy-draft.ts';
import { inherited, named, namespaced } from './resource-name.ts';
import { readEndpointSlice, readEndpoints, readService } from './service-resource.ts';
import { type Setup, SetupDraft, setupKinds } from './setup-draft.ts';
import { readUnderlay, type Underlay } from './underlay-resource.ts';
import { podName, type Workload } from './workload.ts';
import { WorkloadDraft } from './workload-draft.ts';
import { inPieces, type ReadYaml } from './yaml-piece.ts';

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
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly ipam: IpamConfig;
  /** Of all IPReservations together. */
  readonly reservations: readonly Prefix[];
  readonly felix: ReadonlyMap<string, FelixConfiguration>;
  readonly bgp: BgpResources;
  readonly policy: PolicyResources;
  readonly setup: Setup;
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
  readonly workloads: WorkloadDraft;
  readonly namespaces: Map<string, Namespace>;
  ipam: { readonly config: IpamConfig; readonly at: Field } | undefined;
  readonly reservations: Prefix[];
  readonly felix: Map<string, FelixConfiguration>;
  readonly bgp: BgpDraft;
  readonly policy: PolicyDraft;
  readonly setup: SetupDraft;
  underlay: Underlay | undefined;
  freedoms: Freedoms;
  readonly ignored: Map<string, number>;
}

/**
 * Throws ERR_CONFIG_SYNTAX, ERR_CONFIG_VALUE and ERR_CONFIG_CONFLICT, each with
 * file and line.
 */
export const loadManifests = (files: readonly ManifestFile[]): Manifest =>
  inPieces(files, (read) => load(files, read));

function load(files: readonly ManifestFile[], read: ReadYaml): Manifest {
  const draft: Draft = {
    pools: new Map(),
    nodes: new Map(),
    claims: [],
    workloads: new WorkloadDraft(),
    namespaces: new Map(),
    ipam: undefined,
    reservations: [],
    felix: new Map(),
    bgp: new BgpDraft(),
    policy: new PolicyDraft(),
    setup: new SetupDraft(),
    underlay: undefined,
    freedoms: noFreedoms,
    ignored: new Map(),
  };
  for (const { text, source } of files) {
    for (const { root, list } of read(text, source)) {
      if (list === undefined) take(draft, root);
      else takeItems(draft, [root], list.apiVersion.text(), list.kind.text());
    }
  }
  const setup = draft.setup.finish();
  const nodes = [...draft.nodes.values()];
  return {
    pools: sortPools(draft.pools.size > 0 ? draft.pools.values() : setup.pools),
    nodes: (setup.hostLocal ? nodes.map(withPodCidrTunnel) : nodes).sort((a, b) =>
      compareNames(a.name, b.name),
    ),
    claims: setup.hostLocal ? [...draft.claims, ...podCidrClaims(nodes)] : draft.claims,
    workloads: draft.workloads.finish(),
    namespaces: draft.namespaces,
    ipam: draft.ipam?.config ?? defaultIpamConfig,
    reservations: draft.reservations,
    felix: draft.felix,
    bgp: draft.bgp.finish(setup.runsBird),
    policy: draft.policy.finish(),
    setup,
    underlay: draft.underlay,
    freedoms: draft.freedoms,
    ignored: [...draft.ignored].map(([kind, n]) => `${kind} x${n}`),
  };
}

/** `group` and `listed` are what a typed List says of items that do not. */
function take(draft: Draft, root: Field, group?: string, listed?: string): void {
  const apiVersion = inherited(root, 'apiVersion', group);
  const kind = inherited(root, 'kind', listed);
  const items = root.entry('items');
  if (kind.endsWith('List') && !items.absent) {
    takeItems(draft, items.items(), apiVersion, kind);
    return;
  }
  const read = readers.get(`${apiVersion} ${kind}`);
  if (read !== undefined) read(draft, root);
  else if (/^podwire\//.test(apiVersion)) {
    throw root.entry('kind').refuse(`Underlay, FreeInputs, Outage or Scenario of ${OWN_GROUP}`);
  } else ignore(draft, printable(knownKinds.has(kind) ? `${kind} (${apiVersion})` : kind, 80));
}

function takeItems(draft: Draft, items: readonly Field[], apiVersion: string, kind: string): void {
  const itemKind = kind === 'List' ? undefined : kind.slice(0, -'List'.length);
  for (const item of items) take(draft, item, apiVersion, itemKind);
}

function ignore(draft: Draft, kind: string): void {
  draft.ignored.set(kind, (draft.ignored.get(kind) ?? 0) + 1);
}

type Reader = (draft: Draft, root: Field) => void;

const readers = new Map<string, Reader>([
  ...CALICO_GROUPS.flatMap((group): [string, Reader][] => [
    [`${group} IPPool`, takePool],
    [`${group} Node`, takeNode],
    [`${group} IPAMBlock`, takeBlock],
    [`${group} BlockAffinity`, takeAffinity],
    [`${group} WorkloadEndpoint`, takeEndpoint],
    [`${group} IPAMConfiguration`, takeIpamConfig],
    [`${group} IPAMConfig`, takeIpamConfig],
    [`${group} IPReservation`, takeReservation],
    [`${group} FelixConfiguration`, takeFelix],
    [`${group} BGPConfiguration`, takeBgpConfiguration],
    [`${group} BGPPeer`, takePeer],
    [`${group} BGPFilter`, takeFilter],
  ]),
  ['v1 Node', takeNode],
  ['v1 Pod', takePod],
  ['v1 Namespace', takeNamespace],
  ['v1 Service', takeService],
  ['v1 Endpoints', takeEndpoints],
  ['discovery.k8s.io/v1 EndpointSlice', takeSlice],
  [`${OWN_GROUP} Underlay`, takeUnderlay],
  [`${OWN_GROUP} FreeInputs`, takeFreeInputs],
  [`${OWN_GROUP} Outage`, takeOutage],
  // What to send through the cluster: read by whoever runs it.
  [`${OWN_GROUP} Scenario`, () => undefined],
]);

for (const [key, add] of policyKinds(CALICO_GROUPS))
  readers.set(key, (draft, root) => add(draft.policy, root));

for (const [key, add] of setupKinds(CALICO_GROUPS))
  readers.set(key, (draft, root) => {
    if (!add(draft.setup, root)) ignore(draft, key.slice(key.indexOf(' ') + 1));
  });

const knownKinds = new Set([...readers.keys()].map((key) => key.split(' ')[1]));

function takePool(draft: Draft, root: Field): void {
  const [name, at] = named('IPPool', root);
  const pool = readIpPool(name, at);
  if (pool === undefined) ignore(draft, 'IPPool (IPv6)');
  else once(draft.pools, name, pool);
}

function takeNode(draft: Draft, root: Field): void {
  const [name, at] = named('Node', root);
  draft.setup.addNode(at);
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

function takeNamespace(draft: Draft, root: Field): void {
  const [name, at] = named('Namespace', root);
  once(draft.namespaces, name, readNamespace(name, at));
}

function takeIpamConfig(draft: Draft, root: Field): void {
  const [, at] = named('IPAMConfiguration', root);
  if (draft.ipam !== undefined) {
    throw at.conflict('one IPAMConfiguration', `another one in ${draft.ipam.at.where}`);
  }
  draft.ipam = { config: readIpamConfig(at), at };
}

function takeReservation(draft: Draft, root: Field): void {
  draft.reservations.push(...readIpReservation(named('IPReservation', root)[1]));
}

function takeFelix(draft: Draft, root: Field): void {
  const [name, at] = named('FelixConfiguration', root);
  once(draft.felix, name, readFelixConfiguration(name, at));
}

function takeBgpConfiguration(draft: Draft, root: Field): void {
  draft.bgp.addConfiguration(...named('BGPConfiguration', root));
}

function takePeer(draft: Draft, root: Field): void {
  if (!draft.bgp.addPeer(...named('BGPPeer', root))) ignore(draft, 'BGPPeer (IPv6)');
}

function takeFilter(draft: Draft, root: Field): void {
  draft.bgp.addFilter(...named('BGPFilter', root));
}

function takeService(draft: Draft, root: Field): void {
  const [namespace, name, at] = namespaced('Service', root);
  draft.bgp.addService(`${namespace}/${name}`, readService(at));
}

function takeEndpoints(draft: Draft, root: Field): void {
  draft.bgp.endpoints.push(readEndpoints(...namespaced('Endpoints', root)));
}

function takeSlice(draft: Draft, root: Field): void {
  const [namespace, , at] = namespaced('EndpointSlice', root);
  const endpoints = readEndpointSlice(namespace, at);
  if (endpoints === undefined) ignore(draft, 'EndpointSlice (of no service)');
  else draft.bgp.endpoints.push(endpoints);
}

/** Blocks are known by their CIDR; their names only serve messages. */
function label(kind: string, root: Field): Field {
  const at = root.named(kind).entry('metadata').entry('name');
  return at.absent ? root.named(kind) : named(kind, root)[1];
}

function takeOutage({ bgp }: Draft, root: Field): void {
  bgp.outages.push(...readOutage(root.named('Outage')));
}

function takePod(draft: Draft, root: Field): void {
  const [namespace, name, at] = namespaced('Pod', root);
  draft.setup.addPod(at);
  const skipped = draft.workloads.addPod(podName(namespace, name), at);
  if (skipped !== undefined) ignore(draft, `Pod (${skipped})`);
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
  draft.workloads.addEndpoint(pod, at);
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
