/** What a comparison leaves open once the labs' own losses are known. */
import type { InterfaceComparison } from '../../src/verify/compare.ts';

/**
 * The labs' tunl0 recordings miss a few packets of a burst which the same lab's wire
 * recordings have: such a packet is inside a frame that the wire agrees on.
 */
export function unexplained(
  one: InterfaceComparison,
  all: readonly InterfaceComparison[],
): string[] {
  if (one.interface !== 'tunl0') return [...one.unexpected];
  const wires = all.filter((c) => c.interface === 'enp1s0').flatMap(({ agreed }) => agreed);
  return one.unexpected.filter((hex) => !wires.some((frame) => frame.endsWith(hex)));
}
