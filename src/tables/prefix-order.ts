/** Routes by their addresses: in this order a tree is built without going back to its root. */

const DIGIT = 11;
const MASK = 2 ** DIGIT - 1;

/** Positions in the order of their addresses, equal ones as they came: a radix sort. */
export function byAddress(addresses: ArrayLike<number>): Uint32Array {
  const count = addresses.length;
  let keys = new Uint32Array(count);
  let order = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    keys[i] = addresses[i]!;
    order[i] = i;
  }
  let sortedKeys = new Uint32Array(count);
  let sorted = new Uint32Array(count);
  for (let shift = 0; shift < 32; shift += DIGIT) {
    const next = new Uint32Array(MASK + 2);
    for (let i = 0; i < count; i++) next[((keys[i]! >>> shift) & MASK) + 1]! += 1;
    for (let digit = 0; digit < MASK; digit++) next[digit + 1]! += next[digit]!;
    for (let i = 0; i < count; i++) {
      const key = keys[i]!;
      const to = next[(key >>> shift) & MASK]!++;
      sortedKeys[to] = key;
      sorted[to] = order[i]!;
    }
    [keys, sortedKeys] = [sortedKeys, keys];
    [order, sorted] = [sorted, order];
  }
  return order;
}
