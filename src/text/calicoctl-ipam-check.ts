/** `calicoctl ipam check`: do the blocks tell what nodes and pods use? (commands/ipam/check.go) */
import type { BlockFacts, Inventory, NamespacePlan } from '../plan/plan.ts';
import { contains, formatPrefix, type Ip4 } from '../wire/address.ts';
import { blocksInOrder } from './calicoctl-ipam.ts';
import { isFrom } from './calicoctl-yaml.ts';

/** How many nodes are listed by what they hold. */
const TOP = 20;

/**
 * As the real command without options. Every allocation counts as having its handle, which
 * no table here knows apart from it.
 */
export function printIpamCheck(inventory: Inventory, namespaces: readonly NamespacePlan[]): string {
  const blocks = blocksInOrder(inventory.blocks);
  const allocated = blocks.flatMap(({ allocations }) => allocations);
  const active = [...inventory.pools]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .filter(({ disabled }) => !disabled);
  const tunnels = inventory.nodes.flatMap((node) =>
    [node.vxlanTunnel, node.wireguardTunnel, node.ipipTunnel].filter((ip) => ip !== undefined),
  );
  const workloads = workloadAddresses(namespaces);
  const inUse = new Set<Ip4>([...tunnels, ...workloads]);
  const known = new Set(allocated.map(({ address }) => address));
  const leaked = [...known].filter((address) => !inUse.has(address));
  const unknown = [...inUse].filter((address) => !known.has(address));
  const outside = unknown.filter((ip) => !active.some(({ cidr }) => contains(cidr, ip)));
  const missing = unknown.length - outside.length;
  const handles = new Set(allocated.map(({ node, use }) => `${node} ${use}`)).size;
  const lines = [
    'Checking IPAM for inconsistencies...',
    '',
    'Loading all IPAM blocks...',
    `Found ${blocks.length} IPAM blocks.`,
    ...blocks.map((block) => ` IPAM block ${formatPrefix(block.cidr)} affinity=${owner(block)}:`),
    `IPAM blocks record ${allocated.length} allocations.`,
    '',
    'Loading all IPAM pools...',
    ...active.map(({ cidr }) => `  ${formatPrefix(cidr)}`),
    `Found ${active.length} active IP pools.`,
    '',
    'Loading all nodes.',
    `Found ${tunnels.length} node tunnel IPs.`,
    '',
    // Addresses of services came with v3.30; none of a model's pools gives them out.
    ...(isFrom(inventory, 30)
      ? ['Loading all service load balancer IPs.', 'Found 0 service load balancer.', '']
      : []),
    'Loading all workload endpoints.',
    `Found ${workloads.length} workload IPs.`,
    `Workloads and nodes are using ${inUse.size} IPs.`,
    '',
    'Loading all handles',
    ...topNodes(blocks),
    '',
    'Scanning for IPs that are allocated but not actually in use...',
    `Found ${leaked.length} IPs that are allocated in IPAM but not actually in use.`,
    'Scanning for IPs that are in use by a workload or node but not allocated in IPAM...',
    `Found ${outside.length} in-use IPs that are not in active IP pools.`,
    `Found ${missing} in-use IPs that are in active IP pools but have no corresponding IPAM allocation.`,
    '',
    'Scanning for IPAM handles with no matching IPs...',
    `Found 0 handles with no matching IPs (and ${handles} handles with matches).`,
    'Scanning for IPs with missing handle...',
    'Found 0 handles mentioned in blocks with no matching handle resource.',
    `Check complete; found ${leaked.length + unknown.length} problems.`,
  ];
  return `${lines.join('\n')}\n`;
}

const owner = ({ node }: BlockFacts): string => (node === undefined ? '<none>' : `host:${node}`);

/** Of the pods, whose addresses are those of their ends of the veths. */
const workloadAddresses = (namespaces: readonly NamespacePlan[]): Ip4[] =>
  namespaces.flatMap(({ role, node, devices }) => {
    if (role !== 'pod') return [];
    const eth0 = devices.find(({ peer }) => peer?.namespace === node);
    return (eth0?.addresses ?? []).map(({ address }) => address);
  });

/** Those that hold most; equals by name, where the real command has no order. */
function topNodes(blocks: readonly BlockFacts[]): string[] {
  const counts = new Map<string, number>();
  for (const { node } of blocks.flatMap(({ allocations }) => allocations)) {
    counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const [most] = sorted;
  const median = sorted[Math.floor(sorted.length / 2)];
  return [
    `Looking for top (up to ${TOP}) nodes by allocations...`,
    ...sorted.slice(0, TOP).map(([name, count]) => `  ${name} has ${count} allocations`),
    ...(most === undefined || median === undefined
      ? []
      : [`Node with most allocations has ${most[1]}; median is ${median[1]}`]),
  ];
}
