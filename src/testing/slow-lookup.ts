/** Longest-prefix match by reading every entry: the twin that fast tables are held against. */

export interface LookupEntry<V> {
  /** Any 32-bit integer, signed or not; bits beyond `length` do not matter. */
  readonly address: number;
  /** 0 to 32. */
  readonly length: number;
  readonly metric: number;
  readonly value: V;
}

/**
 * The entry with the longest prefix that holds `address`; of equals the one with
 * the lowest metric, then the first in the list. `undefined` where none holds it.
 */
export function slowLookup<V>(
  entries: readonly LookupEntry<V>[],
  address: number,
): LookupEntry<V> | undefined {
  let best: LookupEntry<V> | undefined;
  for (const entry of entries) {
    if (!holds(entry, address)) continue;
    const better =
      best === undefined ||
      entry.length > best.length ||
      (entry.length === best.length && entry.metric < best.metric);
    if (better) best = entry;
  }
  return best;
}

/** By arithmetic, not by masks, so that it shares no mistake with the tables. */
function holds({ address, length }: LookupEntry<unknown>, candidate: number): boolean {
  const size = 2 ** (32 - length);
  return Math.floor((address >>> 0) / size) === Math.floor((candidate >>> 0) / size);
}
