/** IPPool: a range of pod addresses and how packets between nodes are carried in it. */
import {
  compareIp4,
  contains,
  formatPrefix,
  overlaps,
  type Prefix,
  parsePrefix,
} from '../wire/address.ts';
import type { Field } from './field.ts';
import { compareNames } from './names.ts';
import { everyNode, type Labels, parseSelector } from './selector.ts';

export type Encapsulation = 'none' | 'ipip' | 'vxlan';

export interface IpPool {
  readonly name: string;
  readonly cidr: Prefix;
  /** Prefix length of a block, 20 to 32. */
  readonly blockSize: number;
  readonly ipipMode: (typeof MODES)[number];
  readonly vxlanMode: (typeof MODES)[number];
  /** What the two modes come to. */
  readonly encapsulation: Encapsulation;
  /** Encapsulate only between nodes that are not in one subnet. */
  readonly crossSubnet: boolean;
  readonly natOutgoing: boolean;
  readonly disabled: boolean;
  readonly disableBgpExport: boolean;
  /** As written; `all()` where nothing is. */
  readonly nodeSelector: string;
  /** Manual: only for pods that ask for the pool. */
  readonly assignmentMode: (typeof ASSIGNMENT)[number];
  readonly allowedUses: readonly PoolUse[];
  /** May new pod addresses come from here, on a node and in a namespace with these labels? */
  offersPods(node: Labels, namespace: Labels): boolean;
  /** The same for tunnel addresses, which are of no namespace. */
  offersTunnels(node: Labels): boolean;
  /** `spec.cidr`. */
  readonly at: Field;
  /** The whole, for printing it back. */
  readonly resource: Field;
}

const MODES = ['Always', 'CrossSubnet', 'Never'] as const;
const ASSIGNMENT = ['Automatic', 'Manual'] as const;
const USES = ['Workload', 'Tunnel', 'LoadBalancer'] as const;
export type PoolUse = (typeof USES)[number];
const LINK_LOCAL = parsePrefix('169.254.0.0/16');

/** `undefined` for an IPv6 pool. Rules of libcalico-go/lib/clientv3/ippool.go. */
export function readIpPool(name: string, resource: Field): IpPool | undefined {
  const spec = resource.entry('spec');
  const at = spec.entry('cidr');
  if (at.text('an IPv4 prefix').includes(':')) return undefined;
  const cidr = at.prefix();
  if (overlaps(cidr, LINK_LOCAL)) throw at.refuse('a prefix outside 169.254.0.0/16');

  const disabled = spec.entry('disabled').optional((f) => f.boolean()) ?? false;
  const size = spec.entry('blockSize');
  const blockSize = size.optional((f) => f.integer(20, 32)) ?? 26;
  if (!disabled && blockSize < cidr.length) {
    throw (size.absent ? at : size).refuse(
      `a pool that holds at least one block (blockSize ${blockSize}, cidr ${formatPrefix(cidr)})`,
    );
  }

  const ipip = spec.entry('ipipMode').optional((f) => f.choice(MODES)) ?? 'Never';
  const vxlan = spec.entry('vxlanMode').optional((f) => f.choice(MODES)) ?? 'Never';
  if (ipip !== 'Never' && vxlan !== 'Never') {
    throw spec
      .entry('vxlanMode')
      .conflict('Never, since ipipMode is not', `"${vxlan}" beside ipipMode "${ipip}"`);
  }
  const nodeSelector = spec.entry('nodeSelector');
  const selects = nodeSelector.optional(parseSelector) ?? everyNode;
  const selectsNamespace = spec.entry('namespaceSelector').optional(parseSelector) ?? everyNode;
  const allowedUses = spec
    .entry('allowedUses')
    .optional((f) => f.items().map((use) => use.choice(USES))) ?? ['Workload', 'Tunnel'];
  const assignmentMode =
    spec.entry('assignmentMode').optional((f) => f.choice(ASSIGNMENT)) ?? 'Automatic';
  const offers = (use: PoolUse, node: Labels) =>
    !disabled && allowedUses.includes(use) && selects(node);

  return {
    name,
    cidr,
    blockSize,
    ipipMode: ipip,
    vxlanMode: vxlan,
    encapsulation: ipip !== 'Never' ? 'ipip' : vxlan !== 'Never' ? 'vxlan' : 'none',
    crossSubnet: ipip === 'CrossSubnet' || vxlan === 'CrossSubnet',
    natOutgoing: spec.entry('natOutgoing').optional((f) => f.boolean()) ?? false,
    disabled,
    disableBgpExport: spec.entry('disableBGPExport').optional((f) => f.boolean()) ?? false,
    nodeSelector: nodeSelector.optional((f) => f.text()) || 'all()',
    assignmentMode,
    allowedUses,
    offersPods: (node, namespace) =>
      assignmentMode === 'Automatic' && offers('Workload', node) && selectsNamespace(namespace),
    offersTunnels: (node) => offers('Tunnel', node),
    at,
    resource,
  };
}

/** In name order, the order in which Calico tries them. Refuses pools that overlap. */
export function sortPools(pools: Iterable<IpPool>): IpPool[] {
  const byAddress = [...pools].sort(
    (a, b) => (a.cidr.address >>> 0) - (b.cidr.address >>> 0) || a.cidr.length - b.cidr.length,
  );
  byAddress.forEach((pool, i) => {
    const before = byAddress[i - 1];
    if (before === undefined || !overlaps(before.cidr, pool.cidr)) return;
    throw pool.at.conflict(
      `no overlap with IPPool/${before.name} (${formatPrefix(before.cidr)}, ${before.at.where})`,
      formatPrefix(pool.cidr),
    );
  });
  return byAddress.sort((a, b) => compareNames(a.name, b.name));
}

const addressOrder = new WeakMap<readonly IpPool[], readonly IpPool[]>();

/** The pool that a block or an address (as a /32) lies in. `pools` do not overlap. */
export function poolOf(pools: readonly IpPool[], prefix: Prefix): IpPool | undefined {
  let sorted = addressOrder.get(pools);
  if (sorted === undefined) {
    sorted = [...pools].sort((a, b) => compareIp4(a.cidr.address, b.cidr.address));
    addressOrder.set(pools, sorted);
  }
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.cidr.address >>> 0 <= prefix.address >>> 0) low = middle + 1;
    else high = middle;
  }
  const pool = sorted[low - 1];
  if (pool === undefined || pool.cidr.length > prefix.length) return undefined;
  return contains(pool.cidr, prefix.address) ? pool : undefined;
}
