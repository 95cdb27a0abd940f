/** Whole numbers below `limit` in an order that looks random, the same in each process. */
export function randoms(seed) {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state * limit) / 2 ** 32);
  };
}
