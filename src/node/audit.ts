/**
 * Told of what one flow shares with another. A replay that gives the flows of one
 * capture to several workers asks for this: each has a cluster of its own, and where
 * the flows would have met, the outcome of one cluster cannot be put together from theirs.
 */
import type { Packet } from '../packet/packet.ts';
import type { Node } from './node.ts';

export interface Audit {
  /** A header the namespace makes got this identification, which counts up. */
  identified(
    node: Node,
    source: number,
    destination: number,
    protocol: number,
    identification: number,
  ): void;
  /** The packet was looked up among the connections, or began one. */
  tracked(node: Node, p: Packet): void;
  /** A rule asked for the state of the packet's connection. */
  asked(node: Node, p: Packet): void;
  /** Something counted that goes by the namespace, not by the flow. */
  shared(node: Node, what: string): void;
  /** Something happened after which any flow may fare otherwise. */
  alone(what: string): void;
}
