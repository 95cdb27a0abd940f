/**
 * Prefixes as a binary tree in typed arrays: the routes themselves, from which the
 * lookup tables are painted. A node is a number, the root is 0; 12 bytes each.
 */

import type { Prefixes, PrefixNode } from './prefixes.ts';

/** Nodes of a new tree: enough for the few routes of a pod. */
const FIRST = 64;

export class PrefixTree implements Prefixes {
  // Both arrays are others once the tree has grown.
  /** Two for each node, for the next bit 0 and 1; 0 where there is none. */
  children = new Int32Array(2 * FIRST);
  /** What stands at the prefix of each node; -1 for nothing. */
  values = new Int32Array(FIRST).fill(-1);
  private used = 1;
  /** Head of the list of free nodes, which hangs on their first child; 0 ends it. */
  private free = 0;
  /** The node at each depth on the way to the prefix that was asked for last. */
  readonly path = new Int32Array(33);
  private last = 0;
  /** How deep `path` holds: what comes next often lies beside what came last. */
  private reach = 0;

  /** Fills `path` as far as nodes lead to a prefix, and says how far that is. */
  follow(address: number, length: number): number {
    const { children, path } = this;
    let depth = Math.min(Math.clz32(address ^ this.last), this.reach, length);
    let node = path[depth]!;
    for (; depth < length; depth++) {
      node = children[2 * node + ((address >>> (31 - depth)) & 1)]!;
      if (node === 0) break;
      path[depth + 1] = node;
    }
    this.last = address;
    this.reach = depth;
    return depth;
  }

  value(node: number): number {
    return this.values[node]!;
  }

  set(node: number, value: number): void {
    this.values[node] = value;
  }

  find(address: number, length: number): number {
    return this.follow(address, length) === length ? this.path[length]! : -1;
  }

  make(address: number, length: number): number {
    const { path } = this;
    for (let depth = this.follow(address, length); depth < length; depth++) {
      const made = this.take();
      this.children[2 * path[depth]! + ((address >>> (31 - depth)) & 1)] = made;
      path[depth + 1] = made;
    }
    this.reach = length;
    return path[length]!;
  }

  drop(address: number, length: number): void {
    if (this.follow(address, length) < length) return;
    const { children, values, path } = this;
    values[path[length]!] = -1;
    for (let depth = length - 1; depth >= 0; depth--) {
      const node = path[depth + 1]!;
      if (values[node] !== -1 || children[2 * node] !== 0 || children[2 * node + 1] !== 0) return;
      children[2 * path[depth]! + ((address >>> (31 - depth)) & 1)] = 0;
      children[2 * node] = this.free;
      this.free = node;
      this.reach = depth;
    }
  }

  *prefixes(): Generator<PrefixNode> {
    // Depth first meets equal addresses one after the other, the shortest first.
    const nodes = [0];
    const addresses = [0];
    const lengths = [0];
    let equals: PrefixNode[] = [];
    while (nodes.length > 0) {
      const node = nodes.pop()!;
      const address = addresses.pop()!;
      const length = lengths.pop()!;
      if (this.values[node] !== -1) {
        if (equals.length > 0 && equals[0]!.address !== address) {
          yield* equals.reverse();
          equals = [];
        }
        equals.push({ node, address, length });
      }
      for (const bit of [1, 0]) {
        const child = this.children[2 * node + bit]!;
        if (child === 0) continue;
        nodes.push(child);
        addresses.push(address | (bit << (31 - length)));
        lengths.push(length + 1);
      }
    }
    yield* equals.reverse();
  }

  private take(): number {
    const freed = this.free;
    if (freed !== 0) {
      this.free = this.children[2 * freed]!;
      this.children[2 * freed] = 0;
      return freed;
    }
    if (this.used === this.values.length) this.grow(2 * this.used);
    return this.used++;
  }

  private grow(nodes: number): void {
    const children = new Int32Array(2 * nodes);
    children.set(this.children);
    this.children = children;
    const values = new Int32Array(nodes).fill(-1, this.used);
    values.set(this.values.subarray(0, this.used));
    this.values = values;
  }
}
