/** Every packet is accounted for, and its end is told to who asks. */
import { Drop } from '../drop.ts';
import { PodwireError } from '../errors.ts';
import type { Node } from '../node/node.ts';
import type { Packet } from '../packet/packet.ts';
import { duplicate, enter, MAX_FRAME } from '../packet/slab.ts';

/** Where packets went: entered + born = delivered + dropped + consumed + waiting. */
export interface Counts {
  /** Sent or injected from outside. */
  readonly entered: number;
  /** Made inside: ARP messages, copies of flooded frames, those that found no slot included. */
  readonly born: number;
  readonly delivered: number;
  readonly dropped: number;
  /** ARP messages that did their work. */
  readonly consumed: number;
}

export class Account implements Counts {
  entered = 0;
  born = 0;
  delivered = 0;
  dropped = 0;
  consumed = 0;

  /** Packets held back: on a queue, or waiting for a neighbour. */
  get waiting(): number {
    return this.entered + this.born - this.delivered - this.dropped - this.consumed;
  }

  /** A frame from outside, in a slot; null where none is free. */
  enter(node: Node, frame: Buffer, start: number, end: number): Packet | null {
    if (end - start > MAX_FRAME) {
      const message = `expected a frame of at most ${MAX_FRAME} bytes, found ${end - start}`;
      throw new PodwireError('ERR_FRAME', message);
    }
    this.entered++;
    return enter(frame, start, end) ?? this.miss(node);
  }

  /** A second packet like this one, which no trace follows; null where no slot is free. */
  copy(node: Node, p: Packet): Packet | null {
    this.born++;
    return duplicate(p) ?? this.miss(node);
  }

  /** A packet that found no slot. */
  private miss(node: Node): null {
    this.dropped++;
    node.drops[Drop.SlotsExhausted]!++;
    return null;
  }
}

/** Told of every end of a packet, before its slot is freed. */
export interface Witness {
  delivered(node: Node, packet: Packet): void;
  /** Told instead where nobody looks at what was delivered; without it every packet is shown. */
  deliveredUnseen?(): void;
  dropped(node: Node, packet: Packet): void;
}
