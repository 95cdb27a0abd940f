/** A file of prefixes as a table to look up in. */
import { type FibColumns, PodwireError, parsePrefix } from '../index.ts';

/**
 * Each line starts with a prefix (or an address, or `default`); what follows it is its next
 * hop, so `ip route` output does. Blank lines and `#` comments are skipped. Throws
 * ERR_CONFIG_VALUE with the line.
 */
export function readRouteList(text: string, source: string): FibColumns {
  const addresses: number[] = [];
  const lengths: number[] = [];
  const values: number[] = [];
  const hops = new Map<string, number>();
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [, first = '', hop = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
    const { address, length } = prefixOf(first, source, at + 1);
    if (!hops.has(hop)) hops.set(hop, hops.size);
    addresses.push(address);
    lengths.push(length);
    values.push(hops.get(hop)!);
  }
  return { addresses, lengths, values };
}

function prefixOf(word: string, source: string, line: number): ReturnType<typeof parsePrefix> {
  if (word === 'default') return parsePrefix('0.0.0.0/0');
  try {
    return parsePrefix(word.includes('/') ? word : `${word}/32`);
  } catch (error) {
    if (!(error instanceof PodwireError)) throw error;
    throw new PodwireError('ERR_CONFIG_VALUE', error.message, { source, line });
  }
}
