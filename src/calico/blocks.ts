/**
 * Blocks and addresses: what the resources state, and for the rest a sequential
 * rule of podwire's own. Calico's allocator seeds its choice with the node name
 * and borrows from other nodes when a pool is full; this one does neither.
 */
import {
  contains,
  formatIp4,
  formatPrefix,
  type Ip4,
  networkOf,
  overlaps,
  type Prefix,
} from '../wire/address.ts';
import type { CalicoNode } from './calico-node.ts';
import type { Given } from './field.ts';
import { type Encapsulation, type IpPool, poolOf } from './ip-pool.ts';
import type { BlockClaim } from './ipam-block.ts';
import { type Block, Ledger } from './ledger.ts';
import type { Manifest } from './manifest.ts';
import { listNames } from './names.ts';

/** Who has which address. */
export interface Addressing {
  /** By address; no two overlap. */
  readonly blocks: readonly Block[];
  /** By node name; a node without one has no tunnel of that kind. */
  readonly tunnels: { readonly [E in 'ipip' | 'vxlan']: ReadonlyMap<string, Ip4> };
  /** By `namespace/pod`. */
  readonly pods: ReadonlyMap<string, Ip4>;
}

/** Throws ERR_CONFIG_CONFLICT for what is claimed twice and for pools that are used up. */
export function assignAddresses(manifest: Manifest, assumptions: string[]): Addressing {
  const { pools, nodes, workloads } = manifest;
  const claimed = claimedBlocks(manifest, assumptions);
  const given = [...claimed, ...impliedBlocks(manifest, claimed, assumptions)];
  const holders = reserveGiven(manifest);
  const ledger = new Ledger(pools, given, holders);

  const blockless: string[] = [];
  for (const node of nodes) {
    if (ledger.has(node.name)) continue;
    if (ledger.claim(node.name, (pool) => pool.offersPods(node.labels))) blockless.push(node.name);
  }
  assume(assumptions, blockless, 'an IPAM block', 'took the next free block of the first pool');

  const tunnels = {
    ipip: tunnelAddresses('ipip', manifest, ledger, assumptions),
    vxlan: tunnelAddresses('vxlan', manifest, ledger, assumptions),
  };

  const byName = new Map(nodes.map((node) => [node.name, node]));
  const pods = new Map<string, Ip4>();
  const addressless: string[] = [];
  for (const pod of workloads) {
    const node = byName.get(pod.node.value);
    if (node === undefined) {
      throw pod.node.at.refuse('the name of a Node among the resources');
    }
    if (pod.address === undefined) addressless.push(pod.key);
    const address =
      pod.address?.value ??
      ledger.take(node.name, (pool) => pool.offersPods(node.labels), pod.at, pod.key);
    pods.set(pod.key, address);
  }
  const outside = [...pods].filter(([, address]) => !poolOf(pools, { address, length: 32 }));
  assume(
    assumptions,
    outside.map(([key]) => key),
    'an IPPool around its address',
    'is routed without encapsulation',
  );
  assume(assumptions, addressless, 'an address', "took the next free one of its node's blocks");
  return { blocks: ledger.sorted(), tunnels, pods };
}

function assume(notes: string[], names: readonly string[], what: string, rule: string): void {
  if (names.length > 0) notes.push(`without ${what}, so each ${rule}: ${listNames(names)}`);
}

function tunnelAddresses(
  kind: 'ipip' | 'vxlan',
  { pools, nodes }: Manifest,
  ledger: Ledger,
  assumptions: string[],
): Map<string, Ip4> {
  const stated = (node: CalicoNode) => (kind === 'ipip' ? node.ipipAddress : node.vxlanAddress);
  const addresses = new Map<string, Ip4>();
  const derived: string[] = [];
  if (!usesEncapsulation(pools, kind)) return addresses;
  for (const node of nodes) {
    const address = stated(node)?.value;
    const offers = (pool: IpPool) => pool.encapsulation === kind && pool.offersTunnels(node.labels);
    if (address !== undefined) addresses.set(node.name, address);
    else if (pools.some(offers)) {
      addresses.set(node.name, ledger.take(node.name, offers, node.at, `${kind} of ${node.name}`));
      derived.push(node.name);
    }
  }
  assume(
    assumptions,
    derived,
    `${kind === 'ipip' ? 'an IPIP' : 'a VXLAN'} tunnel address`,
    'took the next free one of its blocks',
  );
  return addresses;
}

/** Disabled pools count: Felix keeps their tunnels while addresses may be in use. */
export const usesEncapsulation = (pools: readonly IpPool[], kind: Encapsulation): boolean =>
  pools.some((pool) => pool.encapsulation === kind);

/** The affine blocks of known nodes; every other claim only blocks its range. */
function claimedBlocks({ claims, nodes, pools }: Manifest, assumptions: string[]): BlockClaim[] {
  const known = new Set(nodes.map(({ name }) => name));
  const byCidr = new Map<string, BlockClaim>();
  for (const claim of claims) {
    const key = formatPrefix(claim.cidr);
    const before = byCidr.get(key);
    if (before?.node !== undefined && claim.node !== undefined && before.node !== claim.node) {
      throw claim.at.conflict(
        `one owner of ${key}, ${before.node} as ${before.at.where} says`,
        claim.node,
      );
    }
    if (before?.node === undefined) byCidr.set(key, claim);
  }
  const sorted = [...byCidr.values()].sort(
    (a, b) => (a.cidr.address >>> 0) - (b.cidr.address >>> 0) || a.cidr.length - b.cidr.length,
  );
  sorted.forEach((claim, i) => {
    const before = sorted[i - 1];
    if (before === undefined || !overlaps(before.cidr, claim.cidr)) return;
    throw claim.at.conflict(
      `no overlap with block ${formatPrefix(before.cidr)} (${before.at.where})`,
      formatPrefix(claim.cidr),
    );
  });
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
  return sorted.map((claim) =>
    claim.node !== undefined && known.has(claim.node) ? claim : { ...claim, node: undefined },
  );
}

/**
 * A stated address lies in a block; where nobody claims that block, it is the
 * address's node's. Tunnel addresses speak first, then pods, each in name order.
 */
function impliedBlocks(
  { nodes, pools, workloads }: Manifest,
  claimed: readonly BlockClaim[],
  assumptions: string[],
): BlockClaim[] {
  const known = new Set(nodes.map(({ name }) => name));
  const taken = new Set<string>();
  const implied: BlockClaim[] = [];
  const sorted = claimed.map((claim) => ({ cidr: claim.cidr }));
  const imply = (stated: Given<Ip4> | undefined, node: string): void => {
    const pool = stated && poolOf(pools, { address: stated.value, length: 32 });
    if (stated === undefined || pool === undefined || !known.has(node)) return;
    const length = Math.max(pool.blockSize, pool.cidr.length);
    const cidr = networkOf({ address: stated.value, length });
    if (taken.has(formatPrefix(cidr)) || overlapsAny(sorted, cidr)) return;
    taken.add(formatPrefix(cidr));
    implied.push({ cidr, node, at: stated.at });
  };
  for (const node of nodes) {
    imply(node.vxlanAddress, node.name);
    imply(node.ipipAddress, node.name);
  }
  for (const pod of workloads) imply(pod.address, pod.node.value);
  if (implied.length > 0) {
    const cidrs = implied.map(({ cidr, node }) => `${formatPrefix(cidr)} of ${node}`);
    assumptions.push(
      `blocks without an IPAMBlock, taken from the addresses in use: ${listNames(cidrs)}`,
    );
  }
  return implied;
}

/** `sorted`: by address, without overlaps. */
function overlapsAny(sorted: readonly { readonly cidr: Prefix }[], cidr: Prefix): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.cidr.address >>> 0 <= cidr.address >>> 0) low = middle + 1;
    else high = middle;
  }
  return [sorted[low - 1], sorted[low]].some(
    (near) => near !== undefined && overlaps(near.cidr, cidr),
  );
}

/** Every stated address with its holder; refuses an address stated for two. */
function reserveGiven({ nodes, workloads }: Manifest): Map<number, string> {
  const holders = new Map<number, string>();
  const reserve = (stated: Given<Ip4> | undefined, holder: string): void => {
    if (stated === undefined) return;
    const before = holders.get(stated.value);
    // One node may keep an address from before a change of encapsulation.
    if (before !== undefined && before !== holder) {
      throw stated.at.conflict(
        `an address of its own, since ${before} has this one`,
        formatIp4(stated.value),
      );
    }
    holders.set(stated.value, holder);
  };
  for (const node of nodes) {
    const holder = `Node/${node.name}`;
    if (node.address !== undefined) {
      reserve({ value: node.address.value.address, at: node.address.at }, holder);
    }
    for (const stated of [node.ipipAddress, node.vxlanAddress, node.wireguardAddress]) {
      reserve(stated, holder);
    }
  }
  for (const pod of workloads) reserve(pod.address, `Pod/${pod.key}`);
  return holders;
}

/** The block that holds an address, in a list sorted by address. */
export function blockOf(blocks: readonly Block[], address: Ip4): Block | undefined {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (blocks[middle]!.cidr.address >>> 0 <= address >>> 0) low = middle + 1;
    else high = middle;
  }
  const block = blocks[low - 1];
  return block !== undefined && contains(block.cidr, address) ? block : undefined;
}
