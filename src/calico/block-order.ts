/** In which order a node tries the blocks of a pool: from a place drawn by its name, onwards. */
import { GoRandom } from './go-random.ts';
import type { IpPool } from './ip-pool.ts';

const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** FNV-1, 32 bits, of a text's UTF-8 bytes: multiply, then xor (FNV-1a does it the other way). */
export function fnv1(text: string): number {
  let hash = OFFSET_BASIS;
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash, PRIME) ^ byte;
  return hash >>> 0;
}

/** 2^n blocks make up the pool; 0 where one block is the pool or exceeds it. */
const blockBits = ({ blockSize, cidr }: IpPool): number => Math.max(0, blockSize - cidr.length);

/** Blocks of a pool. */
export const blockCount = (pool: IpPool): number => 2 ** blockBits(pool);

/**
 * Number of the block, from 0, that a node tries first (libcalico-go
 * randomBlockGenerator); after it come the next ones, and after the last the first.
 *
 * With blockSize 32 Calico seeds from the clock; here the name decides there as well.
 */
export const firstBlock = (node: string, pool: IpPool): number =>
  new GoRandom(fnv1(node)).below2to(blockBits(pool));
