/**
 * Automatic assignment told plainly, with lists searched from end to end: the judge
 * of the fast one. Addresses are plain numbers, unsigned.
 */
import { firstBlockTwin } from './go-random-twin.ts';

export interface PoolTwin {
  readonly name: string;
  readonly start: number;
  readonly length: number;
  readonly blockSize: number;
  /** Gives tunnel addresses. */
  readonly tunnels: boolean;
}

export interface ClusterTwin {
  /** By name. */
  readonly pools: readonly PoolTwin[];
  /** By name. */
  readonly nodes: readonly string[];
  /** By name; `pools` is what an annotation asks for. */
  readonly pods: readonly { key: string; node: string; pools?: readonly string[] | undefined }[];
  readonly reserved: readonly { start: number; size: number }[];
  readonly strictAffinity: boolean;
  readonly maxBlocks: number;
}

interface BlockTwin {
  readonly start: number;
  readonly size: number;
  readonly owner: string;
  readonly pool: PoolTwin;
}

const starts = new Map<string, number>();

/** The addresses by tunnel (`vxlan NODE`) and pod, or the one that got none. */
export function assignTwin(cluster: ClusterTwin): Map<string, number> | { refused: string } {
  const { pools, reserved, strictAffinity, maxBlocks } = cluster;
  const blocks: BlockTwin[] = [];
  const used = new Map<number, string>();

  const walk = (pool: PoolTwin, node: string): { start: number; size: number }[] => {
    const bits = pool.blockSize - pool.length;
    const key = `${node} ${bits}`;
    const first = starts.get(key) ?? firstBlockTwin(node, bits);
    starts.set(key, first);
    const size = 2 ** (32 - pool.blockSize);
    return Array.from({ length: 2 ** bits }, (_, i) => {
      return { start: pool.start + ((first + i) % 2 ** bits) * size, size };
    });
  };
  const isReserved = (address: number) =>
    reserved.some(({ start, size }) => address >= start && address < start + size);
  const whollyReserved = (block: { start: number; size: number }) =>
    reserved.some(
      ({ start, size }) => block.start >= start && block.start + block.size <= start + size,
    );
  const freeIn = ({ start, size }: { start: number; size: number }): number | undefined => {
    for (let address = start; address < start + size; address++) {
      if (!used.has(address) && !isReserved(address)) return address;
    }
    return undefined;
  };
  const existing = (start: number) => blocks.find((block) => block.start === start);
  const claim = (node: string, from: readonly PoolTwin[]): BlockTwin | undefined => {
    for (const pool of from) {
      for (const candidate of walk(pool, node)) {
        if (existing(candidate.start) || whollyReserved(candidate)) continue;
        const block = { ...candidate, owner: node, pool };
        blocks.push(block);
        return block;
      }
    }
    return undefined;
  };
  const listed = ({ start, pool }: BlockTwin): string =>
    [...[24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256), pool.blockSize].join(
      '-',
    );
  const owned = (node: string, from: readonly PoolTwin[]) =>
    blocks
      .filter(({ owner, pool }) => owner === node && from.includes(pool))
      .sort((a, b) => (listed(a) < listed(b) ? -1 : 1));

  const take = (node: string, from: readonly PoolTwin[]): number | undefined => {
    for (const block of owned(node, from)) {
      const address = freeIn(block);
      if (address !== undefined) return address;
    }
    for (;;) {
      if (owned(node, from).length >= maxBlocks) return undefined;
      const block = claim(node, from);
      if (block === undefined) break;
      const address = freeIn(block);
      if (address !== undefined) return address;
    }
    if (strictAffinity) return undefined;
    for (const pool of from) {
      for (const { start } of walk(pool, node)) {
        const block = existing(start);
        const address = block && freeIn(block);
        if (address !== undefined) return address;
      }
    }
    return undefined;
  };

  const given = new Map<string, number>();
  const give = (who: string, address: number): void => {
    used.set(address, who);
    given.set(who, address);
  };
  const poolsOf = (asked: readonly string[] | undefined): PoolTwin[] =>
    asked === undefined
      ? [...pools]
      : asked.map((name) => pools.find((pool) => pool.name === name)!);

  for (const node of cluster.nodes) {
    const tunnels = pools.filter((pool) => pool.tunnels);
    if (tunnels.length > 0) {
      const address = take(node, tunnels);
      if (address === undefined) return { refused: `vxlan of ${node}` };
      give(`vxlan ${node}`, address);
    }
    const first = cluster.pods.find((pod) => pod.node === node);
    if (first === undefined) continue;
    const from = poolsOf(first.pools);
    if (owned(node, from).length === 0) claim(node, from);
  }
  for (const { key, node, pools: asked } of cluster.pods) {
    const address = take(node, poolsOf(asked));
    if (address === undefined) return { refused: key };
    give(key, address);
  }
  return given;
}
