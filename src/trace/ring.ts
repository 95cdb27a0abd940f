/**
 * What a traced packet met, as numbers: one record for each room it passed. The
 * rooms know nothing of it; the walk writes the records, report/ gives them words.
 *
 *   record, 8 words:  packet  node  room  input  output  next  noteA  noteB
 *
 * The ring overwrites its oldest records, so it never grows.
 */
const WORDS = 8;

/** One record read back. */
export interface TraceRecord {
  readonly packet: number;
  /** Position in the cluster's list of namespaces. */
  readonly node: number;
  readonly room: number;
  /** Positions in the node's device list; -1 where there is none. */
  readonly input: number;
  readonly output: number;
  /** The next room, or the end (negative), or minus 100 minus the drop code. */
  readonly next: number;
  readonly noteA: number;
  readonly noteB: number;
}

/** `next` of a record that ended in a drop: this minus the code. */
export const DROPPED = -100;

export class TraceRing {
  private readonly words: Int32Array;
  private readonly capacity: number;
  private written = 0;

  /** `capacity`: records kept. */
  constructor(capacity = 4096) {
    this.capacity = capacity;
    this.words = new Int32Array(capacity * WORDS);
  }

  mark(
    packet: number,
    node: number,
    room: number,
    input: number,
    output: number,
    next: number,
    noteA: number,
    noteB: number,
  ): void {
    const at = (this.written++ % this.capacity) * WORDS;
    const words = this.words;
    words[at] = packet;
    words[at + 1] = node;
    words[at + 2] = room;
    words[at + 3] = input;
    words[at + 4] = output;
    words[at + 5] = next;
    words[at + 6] = noteA;
    words[at + 7] = noteB;
  }

  clear(): void {
    this.written = 0;
  }

  /** The records still held, oldest first. */
  *[Symbol.iterator](): Generator<TraceRecord> {
    for (let i = Math.max(0, this.written - this.capacity); i < this.written; i++) {
      const at = (i % this.capacity) * WORDS;
      const [packet, node, room, input, output, next, noteA, noteB] = this.words.subarray(
        at,
        at + WORDS,
      ) as unknown as [number, number, number, number, number, number, number, number];
      yield { packet, node, room, input, output, next, noteA, noteB };
    }
  }
}
