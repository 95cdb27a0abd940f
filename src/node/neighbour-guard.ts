/** Neighbours that a tape rests on, as words: namespace among those of the tape, number, and what was known. */
import type { Node } from './node.ts';

export const NEIGHBOUR_WORDS = 7;

/** A neighbour as a tape rests on it; `namespace` among those of the tape. */
export const guardNeighbour = (
  { neighbours }: Node,
  namespace: number,
  id: number,
): readonly number[] => [
  namespace,
  id,
  neighbours.device(id),
  neighbours.address(id),
  neighbours.state(id),
  neighbours.macHigh(id),
  neighbours.macLow(id),
];

/** Whether it still is what its guard says, from the device on. */
export function isNeighbour(
  { neighbours }: Node,
  id: number,
  words: Int32Array,
  at: number,
): boolean {
  return (
    neighbours.device(id) === words[at] &&
    neighbours.address(id) === words[at + 1] &&
    neighbours.state(id) === words[at + 2] &&
    neighbours.macHigh(id) === words[at + 3] &&
    neighbours.macLow(id) === words[at + 4]
  );
}
