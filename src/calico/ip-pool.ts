/** IPPool: a range of pod addresses and how packets between nodes are carried in it. */
import { contains, formatPrefix, overlaps, type Prefix, parsePrefix } from '../wire/address.ts';
import type { Field } from './field.ts';
import { compareNames } from './names.ts';
import { everyNode, type Labels, parseSelector } from './selector.ts';

export type Encapsulation = 'none' | 'ipip' | 'vxlan';

export interface IpPool {
  readonly name: string;
  readonly cidr: Prefix;
  /** Prefix length of a block, 20 to 32. */
  readonly blockSize: number;
  readonly encapsulation: Encapsulation;
  /** Encapsulate only between nodes that are not in one subnet. */
  readonly crossSubnet: boolean;
  readonly natOutgoing: boolean;
  readonly disabled: boolean;
  /** May new pod addresses come from here on a node with these labels? */
  offersPods(labels: Labels): boolean;
  /** The same for tunnel addresses. */
  offersTunnels(labels: Labels): boolean;
  /** `spec.cidr`. */
  readonly at: Field;
}

const MODES = ['Always', 'CrossSubnet', 'Never'] as const;
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
  const selects = spec.entry('nodeSelector').optional(parseSelector) ?? everyNode;
  const uses = spec
    .entry('allowedUses')
    .optional((f) => f.items().map((u) => u.choice(['Workload', 'Tunnel', 'LoadBalancer'])));
  const automatic =
    spec.entry('assignmentMode').optional((f) => f.choice(['Automatic', 'Manual'])) !== 'Manual';
  const offers = (use: 'Workload' | 'Tunnel') => (labels: Labels) =>
    !disabled && (uses === undefined || uses.includes(use)) && selects(labels);
  const offersPods = offers('Workload');

  return {
    name,
    cidr,
    blockSize,
    encapsulation: ipip !== 'Never' ? 'ipip' : vxlan !== 'Never' ? 'vxlan' : 'none',
    crossSubnet: ipip === 'CrossSubnet' || vxlan === 'CrossSubnet',
    natOutgoing: spec.entry('natOutgoing').optional((f) => f.boolean()) ?? false,
    disabled,
    offersPods: (labels) => automatic && offersPods(labels),
    offersTunnels: offers('Tunnel'),
    at,
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

/** The pool that a block or an address (as a /32) lies in. */
export const poolOf = (pools: readonly IpPool[], prefix: Prefix): IpPool | undefined =>
  pools.find(({ cidr }) => cidr.length <= prefix.length && contains(cidr, prefix.address));
