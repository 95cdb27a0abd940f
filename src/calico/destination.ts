/** The prefixes that nodes answer for: their blocks, and addresses outside of them. */
import { formatPrefix, type Ip4, type Prefix } from '../wire/address.ts';
import { type Addressing, blockOf } from './blocks.ts';
import type { RouteSource } from './felix-configuration.ts';
import { type Encapsulation, type IpPool, poolOf } from './ip-pool.ts';
import type { Flavour } from './release.ts';
import { onePerAddress } from './shared-address.ts';
import type { Workload } from './workload.ts';

/** A prefix that some node answers for. */
export interface Destination {
  readonly cidr: Prefix;
  readonly node: string;
  /** Absent outside every pool. */
  readonly pool: IpPool | undefined;
  readonly encapsulation: Encapsulation;
  /** The prefix is that node's own VTEP address. */
  readonly isVtep: boolean;
  /** For a borrowed address: the node whose block it lies in. */
  readonly lender: string | undefined;
  /** Which Felix heeds it, by its routeSource; BIRD knows of blocks alone. */
  readonly known: RouteSource;
}

/** Blocks and single addresses of every node; those of one node stand together. */
export function destinationsOf(
  pools: readonly IpPool[],
  workloads: readonly Workload[],
  addressing: Addressing,
  flavour: Flavour,
): Destination[] {
  const singles = borrowedAddresses(pools, workloads, addressing, flavour);
  const taken = new Set(singles.map(({ cidr }) => formatPrefix(cidr)));
  const vteps = addressing.tunnels.vxlan;
  const byNode = new Map<string, Destination[]>();
  const add = (destination: Destination): void => {
    const list = byNode.get(destination.node);
    if (list === undefined) byNode.set(destination.node, [destination]);
    else list.push(destination);
  };
  for (const { cidr, node, pool } of addressing.blocks) {
    // Felix keys routes by prefix: the allocation wins over a /32 block.
    if (cidr.length === 32 && taken.has(formatPrefix(cidr))) continue;
    const isVtep = cidr.length === 32 && vteps.get(node) === cidr.address;
    add({
      cidr,
      node,
      pool,
      encapsulation: encapsulation(pool, isVtep),
      isVtep,
      lender: undefined,
      known: 'CalicoIPAM',
    });
  }
  for (const single of singles) add(single);
  return [...byNode.values()].flat();
}

const encapsulation = (pool: IpPool | undefined, isVtep: boolean): Encapsulation =>
  pool?.encapsulation ?? (isVtep ? 'vxlan' : 'none');

/** Addresses in use outside their node's blocks (l3_route_resolver.go routesFromBlock). */
function borrowedAddresses(
  pools: readonly IpPool[],
  workloads: readonly Workload[],
  { blocks, tunnels, pods }: Addressing,
  flavour: Flavour,
): Destination[] {
  const borrowed: Destination[] = [];
  const add = (address: Ip4, node: string, isVtep: boolean): void => {
    const lender = blockOf(blocks, address)?.node;
    if (lender === node) return;
    const cidr = { address, length: 32 };
    const pool = poolOf(pools, cidr);
    borrowed.push({
      cidr,
      node,
      pool,
      encapsulation: encapsulation(pool, isVtep),
      isVtep,
      lender,
      known: 'CalicoIPAM',
    });
  };
  for (const pod of onePerAddress(workloads, pods)) {
    add(pods.get(pod.key)!, pod.node.value, false);
  }
  for (const [node, address] of tunnels.ipip) add(address, node, false);
  if (!flavour.borrowedVteps) return borrowed;
  for (const [node, address] of tunnels.vxlan) {
    if (tunnels.ipip.get(node) !== address) add(address, node, true);
  }
  return borrowed;
}

/** Every pod's own address, for a Felix that follows workloads (l3_route_resolver.go OnWorkloadUpdate). */
export const podDestinations = (
  pools: readonly IpPool[],
  workloads: readonly Workload[],
  { pods }: Addressing,
): Destination[] =>
  onePerAddress(workloads, pods).map((pod) => {
    const cidr = { address: pods.get(pod.key)!, length: 32 };
    const pool = poolOf(pools, cidr);
    return {
      cidr,
      node: pod.node.value,
      pool,
      encapsulation: encapsulation(pool, false),
      isVtep: false,
      lender: undefined,
      known: 'WorkloadIPs',
    };
  });
