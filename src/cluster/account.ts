/** Every packet is accounted for, and its end is told to who asks. */
import type { Node } from '../node/node.ts';
import type { Packet } from '../packet/packet.ts';

/** Where packets went: entered + born = delivered + dropped + consumed + waiting. */
export interface Counts {
  /** Sent or injected from outside. */
  entered: number;
  /** Made inside: ARP messages, copies of flooded frames. */
  born: number;
  delivered: number;
  dropped: number;
  /** ARP messages that did their work. */
  consumed: number;
}

/** Told of every end of a packet, before its slot is freed. */
export interface Witness {
  delivered(node: Node, packet: Packet): void;
  dropped(node: Node, packet: Packet): void;
}
