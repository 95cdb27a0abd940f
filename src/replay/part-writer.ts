/** Writes a worker's part of a replay, frame by frame; see part-file.ts for the picture. */
import { closeSync, openSync } from 'node:fs';
import { fileError, writeBytes } from '../pcap/descriptor.ts';
import {
  BLOCK_LEN,
  DRAWN_LEN,
  type Drawn,
  HEAD_LEN,
  MAGIC,
  OUTCOME,
  type PartOutcome,
  RECORD_LEN,
} from './part-file.ts';
import type { RecordSink } from './recording.ts';
import type { ShardOf } from './shard.ts';

const BATCH_LEN = 256 * 1024;

export class PartWriter {
  private readonly name: string;
  private fd: number;
  private buffer: Buffer = Buffer.allocUnsafeSlow(2 * BATCH_LEN);
  private fill = 0;
  /** Where the block of the present frame begins; its identifications are put in when it ends. */
  private block = 0;
  private records = 0;
  /** Of the outputs, by number. */
  private readonly ethernet: boolean[] = [];

  /** Throws ERR_FILE. */
  constructor(path: string, { index, count }: ShardOf) {
    this.name = path;
    try {
      this.fd = openSync(path, 'w');
    } catch (cause) {
      throw fileError('a file to write', cause, path);
    }
    MAGIC.copy(this.buffer);
    this.buffer.writeUInt32LE(index, MAGIC.length);
    this.buffer.writeUInt32LE(count, MAGIC.length + 4);
    this.begin(HEAD_LEN);
  }

  /** Takes the frames of one output; outputs are numbered alike in all parts. */
  output(number: number, isEthernet: boolean): RecordSink {
    this.ethernet[number] = isEthernet;
    return {
      // Comments go along in any case; the merged file has them where it can.
      format: 'pcapng',
      secrets: () => {},
      write: (seconds, nanoseconds, bytes, start, end, _length, comment = '') =>
        this.write(number, seconds, nanoseconds, bytes, start, end, comment),
    };
  }

  /** The present frame's records: the bytes `b[start, end)` of each. */
  visit(see: (b: Buffer, start: number, end: number, isEthernet: boolean) => void): void {
    const { buffer } = this;
    for (let at = this.block + BLOCK_LEN; at < this.fill; ) {
      const start = at + RECORD_LEN + buffer.readUInt32LE(at + 14);
      const end = start + buffer.readUInt32LE(at + 18);
      see(buffer, start, end, this.ethernet[buffer.readUInt16LE(at)]!);
      at = end;
    }
  }

  /** The frame's packets have all ended. */
  end(frame: number, drawn: readonly Drawn[]): void {
    const at = this.block;
    if (this.records === 0 && drawn.length === 0) return;
    this.reserve(drawn.length * DRAWN_LEN);
    const { buffer } = this;
    for (const d of drawn) {
      buffer.writeUInt32LE(d.node, this.fill);
      buffer.writeInt32LE(d.source, this.fill + 4);
      buffer.writeInt32LE(d.destination, this.fill + 8);
      buffer.writeUInt16LE(d.protocol, this.fill + 12);
      buffer.writeUInt16LE(d.identification, this.fill + 14);
      this.fill += DRAWN_LEN;
    }
    buffer.writeUInt32LE(this.fill - at, at);
    buffer.writeDoubleLE(frame, at + 4);
    buffer.writeUInt32LE(drawn.length, at + 12);
    buffer.writeUInt32LE(this.records, at + 16);
    this.begin(this.fill);
  }

  /** The last block; then the file is whole. Throws ERR_FILE. */
  close(outcome: PartOutcome): void {
    const text = Buffer.from(JSON.stringify(outcome));
    // What a fault left of its frame is told of by nobody.
    this.fill = this.block + BLOCK_LEN;
    this.reserve(text.length);
    text.copy(this.buffer, this.fill);
    this.fill += text.length;
    this.buffer.writeUInt32LE(this.fill - this.block, this.block);
    this.buffer.writeDoubleLE(OUTCOME, this.block + 4);
    this.buffer.fill(0, this.block + 12, this.block + BLOCK_LEN);
    this.reserve(4);
    this.buffer.writeUInt32LE(this.fill - this.block, this.fill);
    this.flush(this.fill + 4);
    this.abandon();
  }

  /** Closes the file as it is. */
  abandon(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }

  private write(
    output: number,
    seconds: number,
    nanoseconds: number,
    bytes: Buffer,
    start: number,
    end: number,
    comment: string,
  ): void {
    const text = comment === '' ? 0 : Buffer.byteLength(comment);
    this.reserve(RECORD_LEN + text + end - start);
    const { buffer, fill } = this;
    buffer.writeUInt16LE(output, fill);
    buffer.writeDoubleLE(seconds, fill + 2);
    buffer.writeUInt32LE(nanoseconds, fill + 10);
    buffer.writeUInt32LE(text, fill + 14);
    buffer.writeUInt32LE(end - start, fill + 18);
    if (text > 0) buffer.write(comment, fill + RECORD_LEN);
    bytes.copy(buffer, fill + RECORD_LEN + text, start, end);
    this.fill = fill + RECORD_LEN + text + end - start;
    this.records++;
  }

  private begin(at: number): void {
    this.block = at;
    this.records = 0;
    if (at >= BATCH_LEN) this.flush(at);
    this.fill = this.block + BLOCK_LEN;
  }

  /** Makes room behind `fill`, whole blocks first. */
  private reserve(length: number): void {
    if (this.fill + length <= this.buffer.length) return;
    const wider = Buffer.allocUnsafeSlow(2 * (this.fill + length));
    this.buffer.copy(wider, 0, 0, this.fill);
    this.buffer = wider;
  }

  private flush(length: number): void {
    try {
      for (let at = 0; at < length; ) at += writeBytes(this.fd, this.buffer, at, length);
    } catch (cause) {
      throw fileError('to write', cause, this.name);
    }
    this.block = 0;
  }
}
