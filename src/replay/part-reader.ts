/** Reads a worker's part of a replay, block by block; see part-file.ts for the picture. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { fileError, readBytes } from '../pcap/descriptor.ts';
import {
  BLOCK_LEN,
  DRAWN_LEN,
  type Drawn,
  HEAD_LEN,
  MAGIC,
  OUTCOME,
  type PartOutcome,
  partError,
  RECORD_LEN,
} from './part-file.ts';
import type { ShardOf } from './shard.ts';

const CHUNK_LEN = 512 * 1024;
/** A frame is copied on its way, but not that often. */
const MAX_BLOCK = 1 << 28;

/** A frame that some device saw; valid until the next block. */
export interface PartRecord {
  readonly output: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly comment: string;
  readonly bytes: Buffer;
}

export class PartReader {
  readonly name: string;
  readonly shard: ShardOf;
  /** Of the present block; `OUTCOME` after the last. */
  frame = 0;
  private fd: number;
  private buffer: Buffer = Buffer.allocUnsafeSlow(CHUNK_LEN);
  private at = 0;
  private fill = 0;
  private block: Buffer = this.buffer;

  /** Stands before the first block. Throws ERR_FILE. */
  constructor(path: string) {
    this.name = path;
    try {
      this.fd = openSync(path, 'r');
    } catch (cause) {
      throw fileError('a readable file', cause, path);
    }
    const head = this.take(HEAD_LEN);
    if (!head.subarray(0, MAGIC.length).equals(MAGIC)) {
      this.close();
      throw partError(path, 'a part of a replay', 'something else');
    }
    this.shard = {
      index: head.readUInt32LE(MAGIC.length),
      count: head.readUInt32LE(MAGIC.length + 4),
    };
  }

  /** Goes to the next block; false where that is the outcome. Throws ERR_FILE. */
  advance(): boolean {
    this.need(4);
    const length = this.buffer.readUInt32LE(this.at);
    if (length < BLOCK_LEN || length > MAX_BLOCK) {
      throw partError(this.name, 'a block', `one of ${length} bytes`);
    }
    this.block = this.take(length);
    this.frame = this.block.readDoubleLE(4);
    return this.frame !== OUTCOME;
  }

  /** What stands at the end. Throws ERR_FILE. */
  outcome(): PartOutcome {
    try {
      const { size } = fstatSync(this.fd);
      const length = this.peek(size - 4, 4).readUInt32LE();
      const block = this.peek(size - 4 - length, length);
      return JSON.parse(block.toString('utf8', BLOCK_LEN)) as PartOutcome;
    } catch {
      throw partError(this.name, 'the outcome of a worker at the end', 'none');
    }
  }

  private peek(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(Math.min(length, MAX_BLOCK));
    return bytes.subarray(0, readSync(this.fd, bytes, 0, bytes.length, position));
  }

  /** The identifications that the block's frame used up. */
  drawn(): Drawn[] {
    const { block } = this;
    const count = block.readUInt32LE(12);
    const first = block.length - count * DRAWN_LEN;
    if (first < BLOCK_LEN) throw partError(this.name, 'identifications', 'fewer than told');
    return Array.from({ length: count }, (_, i) => {
      const at = first + i * DRAWN_LEN;
      return {
        node: block.readUInt32LE(at),
        source: block.readInt32LE(at + 4),
        destination: block.readInt32LE(at + 8),
        protocol: block.readUInt16LE(at + 12),
        identification: block.readUInt16LE(at + 14),
      };
    });
  }

  /** The frames of the block, in the order in which they were seen. */
  *records(): Generator<PartRecord> {
    const { block } = this;
    let at = BLOCK_LEN;
    for (let left = block.readUInt32LE(16); left > 0; left--) {
      if (at + RECORD_LEN > block.length) throw partError(this.name, 'a frame', 'less');
      const text = at + RECORD_LEN;
      const from = text + block.readUInt32LE(at + 14);
      const end = from + block.readUInt32LE(at + 18);
      if (end > block.length) throw partError(this.name, 'a frame', 'less');
      yield {
        output: block.readUInt16LE(at),
        seconds: block.readDoubleLE(at + 2),
        nanoseconds: block.readUInt32LE(at + 10),
        comment: from === text ? '' : block.toString('utf8', text, from),
        bytes: block.subarray(from, end),
      };
      at = end;
    }
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }

  private take(length: number): Buffer {
    this.need(length);
    this.at += length;
    return this.buffer.subarray(this.at - length, this.at);
  }

  /** Has at least so many bytes at hand. */
  private need(length: number): void {
    if (this.fill - this.at >= length) return;
    const rest = this.buffer.subarray(this.at, this.fill);
    const into =
      length <= this.buffer.length ? this.buffer : Buffer.allocUnsafeSlow(length + CHUNK_LEN);
    rest.copy(into);
    this.fill -= this.at;
    this.at = 0;
    this.buffer = into;
    while (this.fill < length) {
      let read: number;
      try {
        read = readBytes(this.fd, into.subarray(this.fill));
      } catch (cause) {
        throw fileError('a part to read', cause, this.name);
      }
      if (read === 0) throw partError(this.name, 'a whole part', 'one that was cut');
      this.fill += read;
    }
  }
}
