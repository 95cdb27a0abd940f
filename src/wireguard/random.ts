/** Where ephemeral keys, indices, cookie secrets and jitter come from. */
import { hash } from './blake2s.ts';

export interface RandomSource {
  /** Fills the whole buffer. */
  fill(into: Buffer): void;
  /** Whoever knows the seed knows every byte: fit for emulation, never for real secrets. */
  readonly predictable: boolean;
}

/** BLAKE2s over seed, name and a block number: the same bytes in every run. */
export class UnsafeSeededRandom implements RandomSource {
  readonly predictable = true;
  readonly #key: Buffer;
  private readonly counter = Buffer.alloc(8);
  #block: Buffer = Buffer.alloc(0);

  constructor(seed: number, name: string) {
    this.#key = hash(Buffer.from(`podwire unsafe random ${seed} ${name}`));
  }

  fill(into: Buffer): void {
    for (let at = 0; at < into.length; ) {
      if (this.#block.length === 0) this.advance();
      const taken = this.#block.copy(into, at);
      this.#block = this.#block.subarray(taken);
      at += taken;
    }
  }

  private advance(): void {
    this.counter.writeBigUInt64LE(this.counter.readBigUInt64LE(0) + 1n, 0);
    this.#block = hash(this.#key, this.counter);
  }
}

const word = Buffer.alloc(4);

/** 32 random bits, unsigned. */
export function random32(random: RandomSource): number {
  random.fill(word);
  return word.readUInt32LE(0);
}
