/** Writes a worker's part of a replay, frame by frame; see part-file.ts for the picture. */
import { closeSync, openSync } from 'node:fs';
import { fileError } from '../errors.ts';
import { writeBytes } from '../pcap/descriptor.ts';
import { copyWords, SHORT_COPY, SourceView } from '../wire/bytes.ts';
import {
  BLOCK_LEN,
  block,
  DRAWN_LEN,
  type Drawn,
  drawn,
  HEAD_LEN,
  MAGIC,
  OUTCOME,
  type PartOutcome,
  RECORD_LEN,
  record,
} from './part-file.ts';
import type { RecordSink } from './recording.ts';
import type { ShardOf } from './shard.ts';

const BATCH_LEN = 256 * 1024;

export class PartWriter {
  private readonly name: string;
  private fd: number;
  private buffer: Buffer = Buffer.allocUnsafeSlow(2 * BATCH_LEN);
  private view: DataView = viewOf(this.buffer);
  private readonly sources = new SourceView();
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
    const { buffer, view } = this;
    for (let at = this.block + BLOCK_LEN; at < this.fill; ) {
      const start = at + RECORD_LEN + view.getUint32(at + record.textLength, true);
      const end = start + view.getUint32(at + record.length, true);
      see(buffer, start, end, this.ethernet[view.getUint16(at + record.output, true)]!);
      at = end;
    }
  }

  /** The frame's packets have all ended. */
  end(frame: number, used: readonly Drawn[]): void {
    if (this.records === 0 && used.length === 0) return;
    this.reserve(used.length * DRAWN_LEN);
    const { view } = this;
    for (const d of used) {
      const at = this.fill;
      view.setUint32(at + drawn.node, d.node, true);
      view.setInt32(at + drawn.source, d.source, true);
      view.setInt32(at + drawn.destination, d.destination, true);
      view.setUint16(at + drawn.protocol, d.protocol, true);
      view.setUint16(at + drawn.identification, d.identification, true);
      this.fill += DRAWN_LEN;
    }
    this.head(frame, used.length);
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
    this.records = 0;
    this.head(OUTCOME, 0);
    this.reserve(4);
    this.view.setUint32(this.fill, this.fill - this.block, true);
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
    const length = end - start;
    this.reserve(RECORD_LEN + text + length);
    const { buffer, fill, view } = this;
    view.setUint16(fill + record.output, output, true);
    view.setFloat64(fill + record.seconds, seconds, true);
    view.setUint32(fill + record.nanoseconds, nanoseconds, true);
    view.setUint32(fill + record.textLength, text, true);
    view.setUint32(fill + record.length, length, true);
    if (text > 0) buffer.write(comment, fill + RECORD_LEN);
    const to = fill + RECORD_LEN + text;
    const from = length <= SHORT_COPY ? this.sources.of(bytes) : null;
    if (from === null) bytes.copy(buffer, to, start, end);
    else copyWords(from, start, end, view, to);
    this.fill = to + length;
    this.records++;
  }

  /** Of the present block, which ends at `fill`. */
  private head(frame: number, identifications: number): void {
    const { block: at, view } = this;
    view.setUint32(at + block.length, this.fill - at, true);
    view.setFloat64(at + block.frame, frame, true);
    view.setUint32(at + block.drawn, identifications, true);
    view.setUint32(at + block.records, this.records, true);
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
    this.view = viewOf(wider);
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

const viewOf = (b: Buffer): DataView => new DataView(b.buffer, b.byteOffset, b.length);
