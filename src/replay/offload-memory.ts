/**
 * The memory that the kernel of wasm/assembly/offload.ts works in, one a process, lent to one
 * replay at a time. All places are byte offsets, all words little-endian and of 32 bits unless
 * told; "as it stands" is a word that holds the bytes of a packet in their order.
 *
 *   0      | head, key at 96 | outputs | table | counters | flows | records | copies | chunk |
 *
 *   flow    0 shape: a frame's first 40 bytes (wasm/assembly/offload/shape.ts)   40 its captured
 *           length   44 its packet's   48 batch it was checked in   52 sum of its header   56 of its
 *           pseudo-header   60 bytes of its records   64 key (8 words)   96 time of its last packet
 *           104 longest packet   108 stages   112 two counters, 0 none   120 whether it needs a
 *           checksum   124 where the last two bytes of the shape stand   128 stages
 *   stage   0 output   4 bytes of its template   8 form, and behind it TTL and protocol as they stand
 *           12 what that adds to the header's sum   16 addresses, 24 ports as they stand
 *           28 what they add to the L4 sum, 32 whose offset in the L4 header
 *           36 form of the outer header, 40 its offset   44 its sum   48 that of its UDP, 52 of
 *           what its UDP sum needs of the inner pseudo-header   56 counter   60 bytes it adds
 *           64 the sum of the outer header for the shape, 68 bytes of the frame
 *           80 template: the header of a record, and what stands in front of the packet
 *   counter 0 where it stands   4 what was taken last   8 what it gives instead of 0
 *   output  0 its end so far   4 where it must end   8 records   12 whether in microseconds
 */
import { MAX_FRAME } from '../packet/slab.ts';
import { kernel, makeMemory } from '../wasm/module.ts';

/** The words of the head, by index. */
export const head = {
  from: 0,
  end: 1,
  seconds: 2,
  nanoseconds: 3,
  /** The last moment for which the flows have been checked. */
  lastSecond: 4,
  lastNanosecond: 5,
  batch: 6,
  taken: 7,
  /** The flow to be checked, and the moment of its packet. */
  asked: 8,
  askedSeconds: 9,
  askedNanoseconds: 10,
  /** Nanoseconds of the capture's unit, and its units of a second. */
  scale: 11,
  perSecond: 12,
  most: 13,
  /** As it stands, in two words; rooms (as in a key) of the frames with this source and of others. */
  ownMac: 14,
  ownRoom: 16,
  otherRoom: 17,
  /** Of the device; and whether it leaves sums to hardware. */
  mtu: 18,
  offloads: 19,
  outputs: 20,
  /** Cells of the table, less one. */
  tableMask: 21,
} as const;

/** In the place of a room or a time: none. */
export const NONE = 0xffff_ffff;

/** Why a run stopped. */
export const Stop = {
  /** Nothing more is at hand. */
  Over: 0,
  /** The next record is no packet of a flow that is known. */
  Strange: 1,
  /** The flow in `head.asked` must be checked first. */
  Unchecked: 2,
  /** An output has no room. */
  Full: 3,
} as const;
export type Stop = (typeof Stop)[keyof typeof Stop];

export const flowField = {
  captured: 40,
  stamp: 48,
  seconds: 96,
  nanoseconds: 100,
  longest: 104,
  stages: 108,
  counters: 112,
  needsSum: 120,
} as const;
const FLOW_KEY_AT = 64;
export const FLOW_LEN = 128;
export const STAGE_LEN = 192;
export const TEMPLATE_AT = 80;

const KEY_AT = 96;
const OUTPUTS_AT = 128;
const OUTPUT_LEN = 16;
const MAX_OUTPUTS = 16;
const TABLE_AT = OUTPUTS_AT + OUTPUT_LEN * MAX_OUTPUTS;
const MAX_FLOWS = 1 << 17;
/** Cells for a flow: with less, many do not stand where they are looked for first. */
const CELLS = 4;
/** At first: they stay in the processor's cache. */
const LEAST_CELLS = 1024;
const TABLE_LEN = CELLS * MAX_FLOWS * 4;
const COUNTERS_AT = TABLE_AT + TABLE_LEN;
const COUNTER_LEN = 16;
const MAX_COUNTERS = 4096;
const FLOWS_AT = COUNTERS_AT + COUNTER_LEN * MAX_COUNTERS;
const FLOWS_END = FLOWS_AT + MAX_FLOWS * (FLOW_LEN + STAGE_LEN);
const RECORDS_AT = FLOWS_END;
/** Of an output. Linux gives a longer write(2) larger pages, which cost dearly where memory is in pieces. */
const RECORDS_LEN = 1 << 18;
/** What copies by 16 bytes write behind an end. */
const SLACK = 64;
const COPIES_AT = RECORDS_AT + MAX_OUTPUTS * (RECORDS_LEN + SLACK);
const COPIES_LEN = 1 << 17;
/** At first. */
const LEAST_SHARE = 1 << 12;
const CHUNK_AT = COPIES_AT + COPIES_LEN;
const CHUNK_LEN = 1 << 20;
const MEMORY_LEN = CHUNK_AT + CHUNK_LEN + MAX_FRAME;

export class OffloadMemory {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly head: Uint32Array;
  /** Where a key is put that `cell` looks for. */
  readonly key: Buffer;
  /** For what is read from a capture. */
  readonly chunk: Buffer;
  readonly run: () => Stop;
  readonly #cell: () => number;
  readonly #table: Uint32Array;
  #flowsEnd = FLOWS_AT;
  #flows = 0;
  #counters = 0;
  #outputs = 0;
  /** Bytes that are copied at a time. */
  #share = LEAST_SHARE;

  private constructor(memory: ArrayBuffer, run: () => number, cell: () => number) {
    this.bytes = Buffer.from(memory);
    this.view = new DataView(memory);
    this.head = new Uint32Array(memory, 0, KEY_AT / 4);
    this.key = this.bytes.subarray(KEY_AT, OUTPUTS_AT);
    this.chunk = this.bytes.subarray(CHUNK_AT, CHUNK_AT + CHUNK_LEN);
    this.#table = new Uint32Array(memory, TABLE_AT, TABLE_LEN / 4);
    this.run = run as () => Stop;
    this.#cell = cell;
  }

  /** Null where this machine has no such kernels, or no address space left for a memory. */
  static make(): OffloadMemory | null {
    try {
      const memory = makeMemory(MEMORY_LEN);
      const kernels = kernel('offload', memory);
      return kernels && new OffloadMemory(memory.buffer, kernels.run, kernels.cell);
    } catch (reason) {
      if (!(reason instanceof RangeError)) throw reason;
      return null;
    }
  }

  /** As new, but for what lies in the head. */
  clear(): void {
    this.#outputs = this.head[head.outputs] = 0;
    this.forget();
  }

  /** Without flows and counters. */
  forget(): void {
    this.#clearTable(LEAST_CELLS);
    this.#flowsEnd = FLOWS_AT;
    this.#counters = 0;
  }

  /** Room for the flow of the key that was put at `key`, in the place of an older one; 0: there is none. */
  addFlow(stages: number): number {
    const at = this.#flowsEnd;
    const end = at + FLOW_LEN + stages * STAGE_LEN;
    if (end > FLOWS_END || this.#flows === MAX_FLOWS) return 0;
    if (CELLS * this.#flows > this.head[head.tableMask]!) this.#growTable();
    this.bytes.fill(0, at, end);
    this.key.copy(this.bytes, at + FLOW_KEY_AT);
    this.view.setUint32(at + flowField.captured, NONE, true);
    this.view.setUint32(at + flowField.stages, stages, true);
    this.#enter(at);
    this.#flowsEnd = end;
    return at;
  }

  /** Puts the flow of the key at `key` into the table. */
  #enter(at: number): void {
    const cell = this.#cell();
    if (this.view.getUint32(cell, true) === 0) this.#flows++;
    this.view.setUint32(cell, at, true);
  }

  #clearTable(cells: number): void {
    this.#table.fill(0, 0, cells);
    this.head[head.tableMask] = cells - 1;
    this.#flows = 0;
  }

  #growTable(): void {
    const { key } = this;
    const wanted = Buffer.from(key);
    this.#clearTable(2 * (this.head[head.tableMask]! + 1));
    for (let at = FLOWS_AT; at < this.#flowsEnd; ) {
      this.bytes.copy(key, 0, at + FLOW_KEY_AT, at + FLOW_KEY_AT + key.length);
      this.#enter(at);
      at += FLOW_LEN + this.view.getUint32(at + flowField.stages, true) * STAGE_LEN;
    }
    wanted.copy(key);
  }

  /** 0: there is no room. */
  addCounter(): number {
    return this.#counters === MAX_COUNTERS ? 0 : COUNTERS_AT + COUNTER_LEN * this.#counters++;
  }

  /** Room for the records of a capture with so many units a second; 0: there is none. */
  addOutput(perSecond: number): number {
    if (this.#outputs === MAX_OUTPUTS) return 0;
    const at = OUTPUTS_AT + OUTPUT_LEN * this.#outputs++;
    this.head[head.outputs] = this.#outputs;
    this.view.setUint32(at + 4, this.#recordsAt(at) + RECORDS_LEN, true);
    this.view.setUint32(at + 12, perSecond < 1e9 ? 1 : 0, true);
    this.drained(at);
    return at;
  }

  /** What an output holds, and how many records that is. */
  records(output: number): { readonly bytes: Buffer; readonly count: number } {
    const end = this.view.getUint32(output, true);
    const count = this.view.getUint32(output + 8, true);
    return { bytes: this.bytes.subarray(this.#recordsAt(output), end), count };
  }

  drained(output: number): void {
    this.view.setUint32(output, this.#recordsAt(output), true);
    this.view.setUint32(output + 8, 0, true);
  }

  #recordsAt(output: number): number {
    return RECORDS_AT + ((output - OUTPUTS_AT) / OUTPUT_LEN) * (RECORDS_LEN + SLACK);
  }

  /**
   * Tells the kernel where records are; gives where. They are copied here unless they are here:
   * some of them, and the more of them the further the kernel came before.
   */
  offer(source: Buffer, start: number, end: number): number {
    const { head: words } = this;
    if (source.buffer === this.bytes.buffer) {
      words[head.from] = source.byteOffset + start;
      words[head.end] = source.byteOffset + end;
    } else {
      const copied = source.copy(this.bytes, COPIES_AT, start, Math.min(end, start + this.#share));
      words[head.from] = COPIES_AT;
      words[head.end] = COPIES_AT + copied;
    }
    return words[head.from]!;
  }

  /** How the kernel came along with what it was offered. */
  used(stop: Stop): void {
    if (stop !== Stop.Over) this.#share = LEAST_SHARE;
    else if (this.#share < COPIES_LEN) this.#share *= 2;
  }
}
