/** Reads a worker's part of a replay, block by block; see part-file.ts for the picture. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { fileError } from '../errors.ts';
import { readBytes } from '../pcap/descriptor.ts';
import {
  BLOCK_LEN,
  block,
  DRAWN_LEN,
  drawn,
  HEAD_LEN,
  MAGIC,
  OUTCOME,
  type PartOutcome,
  partError,
  RECORD_LEN,
  record,
} from './part-file.ts';
import type { Renumberer } from './renumber.ts';
import type { ShardOf } from './shard.ts';

const CHUNK_LEN = 512 * 1024;
/** A frame is copied on its way, but not that often. */
const MAX_BLOCK = 1 << 28;

export class PartReader {
  readonly name: string;
  readonly shard: ShardOf;
  /** Of the present block; `OUTCOME` after the last. */
  frame = 0;
  // The present record, valid until the next: a frame `bytes[start, end)` that some device saw.
  output = 0;
  seconds = 0;
  nanoseconds = 0;
  comment = '';
  bytes: Buffer = Buffer.allocUnsafeSlow(CHUNK_LEN);
  start = 0;
  end = 0;
  private fd: number;
  private view: DataView = viewOf(this.bytes);
  /** Behind what was taken, and behind what was read. */
  private at = 0;
  private fill = 0;
  /** Of the present block. */
  private first = 0;
  private records = 0;

  /** Stands before the first block. Throws ERR_FILE. */
  constructor(path: string) {
    this.name = path;
    try {
      this.fd = openSync(path, 'r');
    } catch (cause) {
      throw fileError('a readable file', cause, path);
    }
    const head = this.take(HEAD_LEN);
    if (!this.bytes.subarray(head, head + MAGIC.length).equals(MAGIC)) {
      this.close();
      throw partError(path, 'a part of a replay', 'something else');
    }
    this.shard = {
      index: this.view.getUint32(head + MAGIC.length, true),
      count: this.view.getUint32(head + MAGIC.length + 4, true),
    };
  }

  /** Goes to the next block; false where that is the outcome. Throws ERR_FILE. */
  advance(): boolean {
    this.need(4);
    const length = this.view.getUint32(this.at, true);
    if (length < BLOCK_LEN || length > MAX_BLOCK) {
      throw partError(this.name, 'a block', `one of ${length} bytes`);
    }
    this.first = this.take(length);
    const { view } = this;
    this.frame = view.getFloat64(this.first + block.frame, true);
    this.records = view.getUint32(this.first + block.records, true);
    this.end = this.first + BLOCK_LEN;
    return this.frame !== OUTCOME;
  }

  /** What stands at the end. Throws ERR_FILE. */
  outcome(): PartOutcome {
    try {
      const { size } = fstatSync(this.fd);
      const length = this.peek(size - 4, 4).readUInt32LE();
      const last = this.peek(size - 4 - length, length);
      return JSON.parse(last.toString('utf8', BLOCK_LEN)) as PartOutcome;
    } catch {
      throw partError(this.name, 'the outcome of a worker at the end', 'none');
    }
  }

  private peek(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(Math.min(length, MAX_BLOCK));
    return bytes.subarray(0, readSync(this.fd, bytes, 0, bytes.length, position));
  }

  /** Tells the identifications that the block's frame used up. */
  tellDrawn(numbers: Renumberer): void {
    const { view, first } = this;
    const count = view.getUint32(first + block.drawn, true);
    const table = this.at - count * DRAWN_LEN;
    if (table < first + BLOCK_LEN) {
      throw partError(this.name, 'identifications', 'fewer than told');
    }
    for (let at = table; at < this.at; at += DRAWN_LEN) {
      numbers.take(
        view.getUint32(at + drawn.node, true),
        view.getInt32(at + drawn.source, true),
        view.getInt32(at + drawn.destination, true),
        view.getUint16(at + drawn.protocol, true),
        view.getUint16(at + drawn.identification, true),
      );
    }
  }

  /** Goes to the block's next record, in the order in which they were seen; false behind the last. */
  next(): boolean {
    if (this.records === 0) return false;
    this.records--;
    const { view } = this;
    const at = this.end;
    const text = at + RECORD_LEN;
    if (text > this.at) throw partError(this.name, 'a frame', 'less');
    this.output = view.getUint16(at + record.output, true);
    this.seconds = view.getFloat64(at + record.seconds, true);
    this.nanoseconds = view.getUint32(at + record.nanoseconds, true);
    this.start = text + view.getUint32(at + record.textLength, true);
    this.end = this.start + view.getUint32(at + record.length, true);
    if (this.end > this.at) throw partError(this.name, 'a frame', 'less');
    this.comment = this.start === text ? '' : this.bytes.toString('utf8', text, this.start);
    return true;
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }

  /** Where the next so many bytes begin. */
  private take(length: number): number {
    this.need(length);
    this.at += length;
    return this.at - length;
  }

  /** Has at least so many bytes at hand. */
  private need(length: number): void {
    if (this.fill - this.at >= length) return;
    const rest = this.bytes.subarray(this.at, this.fill);
    if (length > this.bytes.length) {
      this.bytes = Buffer.allocUnsafeSlow(length + CHUNK_LEN);
      this.view = viewOf(this.bytes);
    }
    rest.copy(this.bytes);
    this.fill -= this.at;
    this.at = 0;
    while (this.fill < length) {
      let read: number;
      try {
        read = readBytes(this.fd, this.bytes.subarray(this.fill));
      } catch (cause) {
        throw fileError('a part to read', cause, this.name);
      }
      if (read === 0) throw partError(this.name, 'a whole part', 'one that was cut');
      this.fill += read;
    }
  }
}

const viewOf = (b: Buffer): DataView => new DataView(b.buffer, b.byteOffset, b.length);
