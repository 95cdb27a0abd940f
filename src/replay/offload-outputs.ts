/** Where the records go that the kernel of an offload makes. */
import type { FrameSink, RecordTap } from '../cluster/capture-tap.ts';
import { MAX_FRAME } from '../packet/slab.ts';
import { CaptureWriter, plainRecords } from '../pcap/writer.ts';
import type { OffloadMemory } from './offload-memory.ts';

interface Output {
  readonly at: number;
  readonly append: (records: Buffer, count: number) => void;
}

export class OffloadOutputs {
  readonly #memory: OffloadMemory;
  readonly #all = new Map<FrameSink, Output>();

  constructor(memory: OffloadMemory) {
    this.#memory = memory;
  }

  /** The output of a tap in the memory; 0 where its records are made elsewhere, or there is no room. */
  of({ sink }: RecordTap): number {
    if (sink === undefined) return 0;
    const known = this.#all.get(sink);
    if (known !== undefined) return known.at;
    const plain = sink instanceof CaptureWriter ? plainRecords(sink, MAX_FRAME) : undefined;
    const at = plain === undefined ? 0 : this.#memory.addOutput(plain.perSecond);
    if (plain === undefined || at === 0) return 0;
    this.#all.set(sink, { at, append: plain.append });
    return at;
  }

  /** Hands over what there is; how many records that was. Throws what writers throw. */
  drain(): number {
    let sum = 0;
    for (const { at, append } of this.#all.values()) {
      const { bytes, count } = this.#memory.records(at);
      if (count === 0) continue;
      this.#memory.drained(at);
      append(bytes, count);
      sum += count;
    }
    return sum;
  }
}
