/**
 * What a traced packet met, as numbers: one record for each room it passed. The
 * rooms know nothing of it; the walk writes the records, report/ gives them words.
 *
 *   record, 11 words:
 *     packet  node  room  input  output  next  noteA  noteB  noteC  answer  answerTo
 *
 * The ring overwrites its oldest records, so it never grows.
 */
import type { Packet } from '../packet/packet.ts';

const WORDS = 11;

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
  readonly noteC: number;
  /** ICMP sent about the packet: type * 256 + code + 1; 0 for none, ANSWERED_BY_RESET. */
  readonly answer: number;
  /** To whom, a signed address. */
  readonly answerTo: number;
}

/** `next` of a record that ended in a drop: this minus the code. */
export const DROPPED = -100;

/** `answer` of a segment that was answered by a TCP reset. */
export const ANSWERED_BY_RESET = 0x20000;

export class TraceRing {
  private readonly words: Int32Array;
  private readonly capacity: number;
  private written = 0;

  /** `capacity`: records kept. */
  constructor(capacity = 4096) {
    this.capacity = capacity;
    this.words = new Int32Array(capacity * WORDS);
  }

  /** A packet, as it is after a room of the namespace at this position. `next` as in `TraceRecord`. */
  mark(p: Packet, node: number, room: number, input: number, next: number): void {
    const at = (this.written++ % this.capacity) * WORDS;
    const words = this.words;
    words[at] = p.traced;
    words[at + 1] = node;
    words[at + 2] = room;
    words[at + 3] = input;
    words[at + 4] = p.output;
    words[at + 5] = next;
    words[at + 6] = p.noteA;
    words[at + 7] = p.noteB;
    words[at + 8] = p.noteC;
    words[at + 9] = p.answer;
    words[at + 10] = p.answerTo;
  }

  clear(): void {
    this.written = 0;
  }

  /** The records still held, oldest first. */
  *[Symbol.iterator](): Generator<TraceRecord> {
    for (let i = Math.max(0, this.written - this.capacity); i < this.written; i++) {
      const at = (i % this.capacity) * WORDS;
      const word = (i: number): number => this.words[at + i]!;
      yield {
        packet: word(0),
        node: word(1),
        room: word(2),
        input: word(3),
        output: word(4),
        next: word(5),
        noteA: word(6),
        noteB: word(7),
        noteC: word(8),
        answer: word(9),
        answerTo: word(10),
      };
    }
  }
}
