/**
 * Prefixes as a binary tree in typed arrays: the routes themselves, from which the
 * lookup tables are painted. A node is a number, the root is 0; 12 bytes each.
 */

/** Nodes of a new tree: enough for the few routes of a pod. */
const FIRST = 64;

export class PrefixTree {
  // Both arrays are others once the tree has grown.
  /** Two for each node, for the next bit 0 and 1; 0 where there is none. */
  children = new Int32Array(2 * FIRST);
  /** What stands at the prefix of each node; -1 for nothing. */
  values = new Int32Array(FIRST).fill(-1);
  private used = 1;
  /** Head of the list of free nodes, which hangs on their first child; 0 ends it. */
  private free = 0;
  /** Nodes on the way to a prefix. */
  private readonly path = new Int32Array(33);

  /** The node of a prefix, or -1. Bits beyond `length` do not matter. */
  find(address: number, length: number): number {
    const { children } = this;
    let node = 0;
    for (let depth = 0; depth < length; depth++) {
      node = children[2 * node + ((address >>> (31 - depth)) & 1)]!;
      if (node === 0) return -1;
    }
    return node;
  }

  /** The node of a prefix, made where there is none. The caller gives it a value. */
  make(address: number, length: number): number {
    let children = this.children;
    let node = 0;
    for (let depth = 0; depth < length; depth++) {
      const at = 2 * node + ((address >>> (31 - depth)) & 1);
      node = children[at]!;
      if (node !== 0) continue;
      node = this.take();
      children = this.children;
      children[at] = node;
    }
    return node;
  }

  /** Takes the value of a prefix away, and the nodes that only led there. */
  drop(address: number, length: number): void {
    const { children, values, path } = this;
    let node = 0;
    for (let depth = 0; depth < length; depth++) {
      path[depth] = node;
      node = children[2 * node + ((address >>> (31 - depth)) & 1)]!;
      if (node === 0) return;
    }
    values[node] = -1;
    for (let depth = length - 1; depth >= 0; depth--) {
      if (values[node] !== -1 || children[2 * node] !== 0 || children[2 * node + 1] !== 0) return;
      const above = path[depth]!;
      children[2 * above + ((address >>> (31 - depth)) & 1)] = 0;
      children[2 * node] = this.free;
      this.free = node;
      node = above;
    }
  }

  /** Every prefix with a value: by address, of equal ones the longer first. */
  *prefixes(): Generator<{ node: number; address: number; length: number }> {
    // Depth first meets equal addresses one after the other, the shortest first.
    const nodes = [0];
    const addresses = [0];
    const lengths = [0];
    let equals: { node: number; address: number; length: number }[] = [];
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
    if (this.used === this.values.length) this.grow();
    return this.used++;
  }

  private grow(): void {
    const children = new Int32Array(2 * this.children.length);
    children.set(this.children);
    this.children = children;
    const values = new Int32Array(2 * this.values.length).fill(-1, this.used);
    values.set(this.values);
    this.values = values;
  }
}
