/** Counters of identifications (node/identification.ts) while the kernel of an offload takes from them. */
import type { Identifications } from '../node/identification.ts';
import type { OffloadMemory } from './offload-memory.ts';

export interface Counter {
  readonly at: number;
  readonly identifications: Identifications;
  readonly counter: number;
}

export class OffloadCounters {
  readonly #memory: OffloadMemory;
  readonly #all = new Map<Identifications, Map<number, Counter>>();
  /** Those that the kernel takes from in this batch. */
  readonly #lent = new Set<Counter>();

  constructor(memory: OffloadMemory) {
    this.#memory = memory;
  }

  /** Undefined where there is no room for it. */
  of(identifications: Identifications, counter: number): Counter | undefined {
    const counters = this.#all.get(identifications) ?? new Map<number, Counter>();
    this.#all.set(identifications, counters);
    const known = counters.get(counter);
    if (known !== undefined) return known;
    const at = this.#memory.addCounter();
    if (at === 0) return undefined;
    const made = { at, identifications, counter };
    counters.set(counter, made);
    return made;
  }

  /** The memory was cleared. */
  forget(): void {
    this.#all.clear();
  }

  /** The kernel is about to take from it. */
  lend(lent: Counter): void {
    if (this.#lent.has(lent)) return;
    this.#lent.add(lent);
    const { at, identifications, counter } = lent;
    this.#memory.view.setUint32(at, identifications.peek(counter), true);
    this.#memory.view.setUint32(at + 8, identifications.zero(counter), true);
  }

  /** Puts all back to where the kernel left them. */
  settle(): void {
    for (const { at, identifications, counter } of this.#lent) {
      identifications.move(counter, this.#memory.view.getUint32(at, true));
    }
    this.#lent.clear();
  }
}
