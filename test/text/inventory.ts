/** Hand-made inventories, for what calicoctl prints. */
import type {
  BgpSession,
  BlockFacts,
  Inventory,
  NodeFacts,
  PoolFacts,
} from '../../src/plan/plan.ts';
import { parseInterfaceAddress, parseIp4, parsePrefix } from '../../src/wire/address.ts';

export const inventory = (parts: Partial<Inventory> = {}): Inventory => ({
  release: 'v3.28',
  pools: [],
  nodes: [],
  blocks: [],
  sessions: [],
  ...parts,
});

export const pool = (name: string, cidr: string, parts: Partial<PoolFacts> = {}): PoolFacts => ({
  name,
  cidr: parsePrefix(cidr),
  blockSize: 26,
  ipipMode: 'Never',
  vxlanMode: 'Never',
  natOutgoing: true,
  disabled: false,
  disableBgpExport: false,
  nodeSelector: 'all()',
  assignmentMode: 'Automatic',
  ...parts,
});

export const node = (
  name: string,
  address?: string,
  parts: Partial<NodeFacts> = {},
): NodeFacts => ({
  name,
  ...(address === undefined ? {} : { address: parseInterfaceAddress(address) }),
  ...parts,
});

/** `uses`: address to who uses it, on the block's own node unless `use@node` says another. */
export const block = (
  cidr: string,
  owner: string | undefined,
  uses: { readonly [address: string]: string } = {},
): BlockFacts => ({
  cidr: parsePrefix(cidr),
  ...(owner === undefined ? {} : { node: owner }),
  allocations: Object.entries(uses).map(([address, who]) => {
    const [use = '', on = owner ?? ''] = who.split('@');
    return { address: parseIp4(address), node: on, use };
  }),
});

export const session = (on: string, peer: string, parts: Partial<BgpSession> = {}): BgpSession => ({
  node: on,
  peer: parseIp4(peer),
  kind: 'node-to-node mesh',
  state: 'up',
  info: 'Established',
  ...parts,
});
