/** The blocks that exist before anybody asks for an address: stated, or implied by addresses. */
import { formatPrefix, type Ip4, networkOf } from '../wire/address.ts';
import { overlapping } from './block-pool.ts';
import type { Given } from './field.ts';
import { poolOf } from './ip-pool.ts';
import type { Allocation, BlockClaim } from './ipam-block.ts';
import type { Manifest } from './manifest.ts';
import { listNames } from './names.ts';

/**
 * IPAMBlocks and BlockAffinities, one claim for each CIDR, by address. Throws
 * ERR_CONFIG_CONFLICT for what is claimed twice.
 */
export function statedBlocks(manifest: Manifest, assumptions: string[]): BlockClaim[] {
  const { claims, nodes, pools } = manifest;
  const byCidr = new Map<string, BlockClaim>();
  for (const claim of claims) {
    const key = formatPrefix(claim.cidr);
    const before = byCidr.get(key);
    byCidr.set(key, before === undefined ? claim : mergeClaims(before, claim));
  }
  const sorted = [...byCidr.values()].sort(
    (a, b) => (a.cidr.address >>> 0) - (b.cidr.address >>> 0) || a.cidr.length - b.cidr.length,
  );
  sorted.forEach((claim, i) => {
    const before = sorted[i - 1];
    if (before === undefined || !overlapping([before], claim.cidr)) return;
    throw claim.at.conflict(
      `no overlap with block ${formatPrefix(before.cidr)} (${before.at.where})`,
      formatPrefix(claim.cidr),
    );
  });

  const known = new Set(nodes.map(({ name }) => name));
  const strangers = sorted.filter(({ node }) => node !== undefined && !known.has(node));
  if (strangers.length > 0) {
    const cidrs = strangers.map(({ cidr, node }) => `${formatPrefix(cidr)} of ${node}`);
    assumptions.push(
      `blocks of nodes that are not among the resources are not routed: ${listNames(cidrs)}`,
    );
  }
  const outside = sorted.filter(({ cidr }) => poolOf(pools, cidr) === undefined);
  if (outside.length > 0) {
    const cidrs = outside.map(({ cidr }) => formatPrefix(cidr));
    assumptions.push(
      `blocks outside every IPPool are routed without encapsulation: ${listNames(cidrs)}`,
    );
  }
  return sorted;
}

/** An IPAMBlock and its BlockAffinity: the one knows the addresses, both know the node. */
function mergeClaims(a: BlockClaim, b: BlockClaim): BlockClaim {
  if (a.node !== undefined && b.node !== undefined && a.node !== b.node) {
    throw b.at.conflict(
      `one owner of ${formatPrefix(a.cidr)}, ${a.node} as ${a.at.where} says`,
      b.node,
    );
  }
  const contents = a.unallocated !== undefined || a.allocations.length > 0 ? a : b;
  const owner = a.node === undefined ? b : a;
  return { ...contents, node: owner.node, lends: a.lends && b.lends, at: owner.at };
}

export interface Statement {
  readonly node: string;
  readonly stated: Given<Ip4>;
}

/**
 * A stated address lies in a block; where nobody claims that block, it is the
 * address's node's, as AssignIP makes it. The first statement of several decides.
 */
export function impliedBlocks(
  { nodes, pools }: Manifest,
  statements: Iterable<Statement>,
  claimed: readonly BlockClaim[],
  assumptions: string[],
): BlockClaim[] {
  const known = new Set(nodes.map(({ name }) => name));
  const taken = new Set<string>();
  const implied: BlockClaim[] = [];
  for (const { node, stated } of statements) {
    const pool = poolOf(pools, { address: stated.value, length: 32 });
    if (pool === undefined || !known.has(node)) continue;
    const length = Math.max(pool.blockSize, pool.cidr.length);
    const cidr = networkOf({ address: stated.value, length });
    if (taken.has(formatPrefix(cidr)) || overlapping(claimed, cidr)) continue;
    taken.add(formatPrefix(cidr));
    implied.push({ cidr, node, ...unopened, at: stated.at });
  }
  if (implied.length > 0) {
    const cidrs = implied.map(({ cidr, node }) => `${formatPrefix(cidr)} of ${node}`);
    assumptions.push(
      `blocks without an IPAMBlock, taken from the addresses in use: ${listNames(cidrs)}`,
    );
  }
  return implied;
}

const unopened: {
  readonly lends: boolean;
  readonly allocations: readonly Allocation[];
  readonly unallocated: undefined;
} = { lends: true, allocations: [], unallocated: undefined };
