import type { Packet } from '../packet/packet.ts';

/**
 * What rules that choose by chance chose, where that is known: a kernel draws the endpoint of
 * a service at random, and a recording shows which it was.
 */
export interface Choices {
  /** The address that a packet's connection was sent to; null where nobody knows. */
  endpoint(p: Packet): number | null;
}
