/**
 * Few prefixes as a list: three numbers each, where the smallest tree (prefix-tree.ts) takes
 * some kilobytes. The namespaces of a large cluster have hundreds of thousands of tables with
 * a handful of routes. A node is a place in the list.
 */
import { netmask } from '../wire/address.ts';
import type { Prefixes, PrefixNode } from './prefixes.ts';

const WORDS = 3;

export class PrefixList implements Prefixes {
  /** Address, length and value; a place that is free has no value. */
  private readonly words: number[] = [];

  value(node: number): number {
    return this.words[node * WORDS + 2]!;
  }

  set(node: number, value: number): void {
    this.words[node * WORDS + 2] = value;
  }

  find(address: number, length: number): number {
    const { words } = this;
    const beginning = address & netmask(length);
    for (let at = 0; at < words.length; at += WORDS) {
      if (words[at] === beginning && words[at + 1] === length && words[at + 2] !== -1) {
        return at / WORDS;
      }
    }
    return -1;
  }

  make(address: number, length: number): number {
    const known = this.find(address, length);
    if (known >= 0) return known;
    const { words } = this;
    let at = 0;
    while (at < words.length && words[at + 2] !== -1) at += WORDS;
    words[at] = address & netmask(length);
    words[at + 1] = length;
    words[at + 2] = -1;
    return at / WORDS;
  }

  drop(address: number, length: number): void {
    const node = this.find(address, length);
    if (node >= 0) this.set(node, -1);
  }

  *prefixes(): Generator<PrefixNode> {
    const found: PrefixNode[] = [];
    for (let node = 0; node * WORDS < this.words.length; node++) {
      const [address, length] = [this.words[node * WORDS]!, this.words[node * WORDS + 1]!];
      if (this.value(node) !== -1) found.push({ node, address, length });
    }
    yield* found.sort((a, b) => (a.address >>> 0) - (b.address >>> 0) || b.length - a.length);
  }
}
