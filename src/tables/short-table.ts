/**
 * A lookup table of few routes: they themselves, longer prefixes first, looked through from
 * the beginning. Three words of 32 bits each, where the smallest trie has hundreds of bytes
 * for a prefix: a node among thousands has a dozen routes of its own.
 *
 *   | address | mask | value | address | mask | value | …
 */
import { netmask } from '../wire/address.ts';
import type { Prefixes } from './prefixes.ts';

/** Routes up to which that is as fast as a trie whose lines are not in the processor's cache. */
export const FEW = 32;

const WORDS = 3;

export class ShortTable {
  readonly triples: Int32Array;

  constructor(routes: Prefixes) {
    const found = [...routes.prefixes()].sort((a, b) => b.length - a.length);
    this.triples = new Int32Array(found.length * WORDS);
    for (const [i, { node, address, length }] of found.entries()) {
      this.triples.set([address, netmask(length), routes.value(node)], i * WORDS);
    }
  }

  /** In bytes. */
  get memory(): number {
    return this.triples.byteLength;
  }
}

/** The value of the first that matches, or -1. */
export function findShort(triples: Int32Array, address: number): number {
  for (let at = 0; at < triples.length; at += WORDS) {
    if (((address ^ triples[at]!) & triples[at + 1]!) === 0) return triples[at + 2]!;
  }
  return -1;
}
