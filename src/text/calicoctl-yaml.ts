/**
 * Resources as `calicoctl get -o yaml` prints them: keys sorted at every level,
 * lists not indented below their key, quotes as Go's YAML writer sets them.
 */
import { Document, isScalar, visit } from 'yaml';
import type { Inventory, NodeFacts, PoolFacts } from '../plan/plan.ts';
import { formatIp4, formatPrefix, type Ip4 } from '../wire/address.ts';

/** What any YAML 1.1 reader would take for a number, boolean, null or time, Go puts in "…". */
const OTHER_TYPE =
  /^(?:|~|null|true|false|yes|no|on|off|y|n|[-+]?(?:\.\d+|\d[\d_]*(?:\.[\d_]*)?)(?:e[-+]?\d+)?|[-+]?\d+(?::[0-5]?\d)+(?:\.\d*)?|0x[\da-f_]+|[-+]?\.inf|\.nan|\d{4}-\d\d?-\d\d?(?:[Tt\s].*)?|<<|=)$/i;

/** Any value that came from JSON or YAML; ends in a newline. */
export function printYaml(value: unknown): string {
  const document = new Document(value, { sortMapEntries: true, aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_, node) {
      if (isScalar(node) && typeof node.value === 'string' && OTHER_TYPE.test(node.value)) {
        node.type = 'QUOTE_DOUBLE';
      }
    },
  });
  return document.toString({ lineWidth: 0, indentSeq: false, singleQuote: true });
}

/** As Go prints it: what kind it is first, two blanks a level. */
export function printResourceJson(value: unknown): string {
  const ordered = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.map(ordered);
    const { kind, apiVersion, metadata, items, ...rest } = asObject(one) as ResourceMembers;
    return {
      kind,
      apiVersion,
      metadata,
      ...(Array.isArray(items) ? { items: items.map(ordered) } : {}),
      ...rest,
    };
  };
  return `${JSON.stringify(ordered(value), null, 2)}\n`;
}

interface ResourceMembers {
  readonly [key: string]: unknown;
  readonly items?: unknown;
}

const API = 'projectcalico.org/v3';

/** One resource alone is itself, a listing is a list even of one. */
export const listOf = (kind: string, items: readonly unknown[]): unknown => ({
  apiVersion: API,
  items,
  kind: `${kind}List`,
  metadata: {},
});

/**
 * A node as it was read, where that was calicoctl's form, together with what the
 * cluster has given it since; else from what is known of it.
 */
export function nodeResource(facts: NodeFacts): unknown {
  const { metadata, spec = {}, status } = readResource(facts.manifest);
  const address = facts.address === undefined ? undefined : formatPrefix(facts.address);
  const key = facts.wireguardPublicKey;
  const bgp = {
    ...given('asNumber', facts.asNumber),
    ...given('ipv4Address', address),
    ...given('ipv4IPIPTunnelAddr', ip(facts.ipipTunnel)),
    ...asObject(spec['bgp']),
  };
  const wireguard = given('interfaceIPv4Address', ip(facts.wireguardTunnel));
  return {
    apiVersion: API,
    kind: 'Node',
    metadata: metadata ?? { name: facts.name },
    spec: {
      ...given('addresses', address && [{ address, type: 'CalicoNodeIP' }]),
      ...given('ipv4VXLANTunnelAddr', ip(facts.vxlanTunnel)),
      orchRefs: [{ nodeName: facts.name, orchestrator: 'k8s' }],
      ...(Object.keys(wireguard).length === 0 ? {} : { wireguard }),
      ...spec,
      ...(Object.keys(bgp).length === 0 ? {} : { bgp }),
    },
    status: { ...given('wireguardPublicKey', key), ...asObject(status) },
  };
}

const given = (key: string, value: unknown): { readonly [key: string]: unknown } =>
  value === undefined ? {} : { [key]: value };

const ip = (address: Ip4 | undefined): string | undefined =>
  address === undefined ? undefined : formatIp4(address);

const asObject = (value: unknown): object =>
  typeof value === 'object' && value !== null ? value : {};

interface Resource {
  readonly metadata?: unknown;
  readonly spec?: { readonly [key: string]: unknown };
  readonly status?: unknown;
}

/** Empty where it was not read from calicoctl's own form. */
const readResource = (manifest: unknown): Resource =>
  isCalicoResource(manifest) ? (manifest as Resource) : {};

const isCalicoResource = (manifest: unknown): boolean =>
  typeof manifest === 'object' &&
  manifest !== null &&
  'apiVersion' in manifest &&
  manifest.apiVersion === API;

/**
 * A pool as the cluster had it, else with the defaults Calico fills in when it is
 * made; false flags are left out.
 */
export function poolResource(facts: PoolFacts, inventory: Pick<Inventory, 'release'>): unknown {
  const { metadata, spec = {} } = readResource(facts.manifest);
  // Only the cluster itself gives a resource its number.
  if (typeof metadata === 'object' && metadata !== null && 'resourceVersion' in metadata) {
    return facts.manifest;
  }
  return {
    apiVersion: API,
    kind: 'IPPool',
    metadata: metadata ?? { name: facts.name },
    spec: {
      allowedUses: spec['allowedUses'] ?? ['Workload', 'Tunnel'],
      ...(hasAssignmentMode(inventory) ? { assignmentMode: facts.assignmentMode } : {}),
      blockSize: facts.blockSize,
      cidr: formatPrefix(facts.cidr),
      ...(facts.disableBgpExport ? { disableBGPExport: true } : {}),
      ...(facts.disabled ? { disabled: true } : {}),
      ipipMode: facts.ipipMode,
      ...given('namespaceSelector', spec['namespaceSelector']),
      ...(facts.natOutgoing ? { natOutgoing: true } : {}),
      nodeSelector: facts.nodeSelector,
      vxlanMode: facts.vxlanMode,
    },
  };
}

/** Is the release v3.`minor`, or after it? */
export function isFrom({ release }: Pick<Inventory, 'release'>, minor: number): boolean {
  const [, major, own] = /^v?(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(major) > 3 || (Number(major) === 3 && Number(own) >= minor);
}

/** The field and its column came with v3.30. */
export const hasAssignmentMode = (inventory: Pick<Inventory, 'release'>): boolean =>
  isFrom(inventory, 30);
