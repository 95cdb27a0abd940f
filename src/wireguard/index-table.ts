/**
 * Which handshake or session the receiver index of a message means: random 32-bit
 * numbers, unique in a device (the kernel's peerlookup.c).
 */
import type { Peer } from './peer.ts';
import { type RandomSource, random32 } from './random.ts';
import type { Session } from './session.ts';

interface IndexEntry<P> {
  readonly peer: Peer<P>;
  /** Null while the handshake runs. */
  readonly session: Session | null;
}

export class IndexTable<P> {
  private readonly entries = new Map<number, IndexEntry<P>>();
  private readonly random: RandomSource;

  constructor(random: RandomSource) {
    this.random = random;
  }

  get(index: number): IndexEntry<P> | undefined {
    return this.entries.get(index);
  }

  /** A new index for a handshake; never 0, which stands for none. */
  claim(peer: Peer<P>): number {
    for (;;) {
      const index = random32(this.random);
      if (index === 0 || this.entries.has(index)) continue;
      this.entries.set(index, { peer, session: null });
      return index;
    }
  }

  /** The handshake has become a session. */
  bind(index: number, peer: Peer<P>, session: Session): void {
    this.entries.set(index, { peer, session });
  }

  release(index: number): void {
    this.entries.delete(index);
  }

  get size(): number {
    return this.entries.size;
  }
}
