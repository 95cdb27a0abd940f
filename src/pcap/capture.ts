/**
 * Captures from outside, record by record: files, standard input and bytes in
 * memory (`openCapture`), or any stream of Buffers (`readCapture`). Memory does
 * not depend on the size of the capture, nor on what its lengths claim.
 */
import { closeSync, openSync } from 'node:fs';
import { fileError, found, PodwireError } from '../errors.ts';
import { readBytes } from './descriptor.ts';
import { type CaptureHeader, CaptureParser, type ParserOptions } from './parser.ts';
import type { CaptureInterface, CaptureSecrets } from './record-format.ts';
import type { RecordsAtHand } from './records-at-hand.ts';

/** One read(2); larger gains nothing (the page cache copies at the same speed). */
const CHUNK_LEN = 1 << 20;
/**
 * Unused, before the chunk: on AMD's Zen 3 and 4 Linux copies out of its page cache half as
 * fast to less than 32 bytes behind the beginning of a page, and large buffers have 16.
 */
const CHUNK_LEAD = 64;

const STDIN = 'stdin';

export interface CaptureOptions extends ParserOptions {
  /** A capture cut in the middle of a record just ends there, as `truncated` tells. */
  readonly lenient?: boolean;
}

/** A packet and when it was captured. */
export interface CaptureRecord {
  /** Since 1970; see `Capture.seconds` for how far it may reach. */
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly nanoseconds: number;
  /**
   * A view, not a copy: unless the capture was opened from a Buffer, it is
   * overwritten when the next record is asked for.
   */
  readonly bytes: Buffer;
  /** Bytes of the packet on the wire; more than `bytes` where the capture cut it. */
  readonly originalLength: number;
  /** Of the record's header in the file, counted from 0. */
  readonly offset: number;
  /** LINKTYPE_ number; the same for all records of a pcap. */
  readonly linkType: number;
  /** Of a pcapng, as written: print no control characters of them. */
  readonly comments: readonly string[];
}

/**
 * Opens a pcap or pcapng file and reads as far as its first interface. `source`
 * is a path, `-` for standard input, or the bytes of the whole file.
 *
 * Throws ERR_FILE where nothing can be read, ERR_CAPTURE_FORMAT where it is no
 * capture, ERR_CAPTURE_TRUNCATED where it ends within the file header.
 */
export function openCapture(source: string | Buffer, options: CaptureOptions = {}): Capture {
  if (typeof source !== 'string') {
    const name = options.name ?? 'capture';
    return new Capture(bufferOf(source, name), new CaptureParser({ ...options, name }), options);
  }
  const name = options.name ?? source;
  const parser = new CaptureParser({ ...options, name });
  if (source === '-') return new Capture(STDIN, parser, options);
  let fd: number;
  try {
    fd = openSync(source, 'r');
  } catch (cause) {
    throw fileError('a readable file', cause, name);
  }
  return new Capture(fd, parser, options);
}

export class Capture {
  /** What messages call the capture: its path, `-`, or the name given. */
  readonly name: string;
  readonly format: 'pcap' | 'pcapng';
  /** The fault a lenient capture ended with. */
  truncated: PodwireError | undefined = undefined;

  readonly #parser: CaptureParser;
  readonly #lenient: boolean;
  #fd = -1;
  readonly #owned: boolean;
  #chunk: Buffer | undefined = undefined;
  #closed = false;

  /** Use `openCapture`. A number is a file descriptor, closed with the capture. */
  constructor(
    source: number | typeof STDIN | Buffer,
    parser: CaptureParser,
    options: CaptureOptions,
  ) {
    this.name = parser.name;
    this.#parser = parser;
    this.#lenient = options.lenient ?? false;
    this.#owned = typeof source === 'number';
    if (typeof source === 'number') this.#fd = source;
    if (source === STDIN) this.#fd = 0;
    try {
      if (Buffer.isBuffer(source)) this.#parser.push(source);
      while (!this.#parser.readHeader()) {
        if (!this.#fill()) throw this.#parser.truncation();
      }
    } catch (fault) {
      this.close();
      throw fault;
    }
    this.format = this.#parser.header!.format;
  }

  // Of the present record; before the first and after the last, of the file's
  // first interface. In a pcap all are alike.

  /** Where the present record was seen. */
  get interface(): CaptureInterface {
    return this.#parser.interface;
  }

  /** LINKTYPE_ number, 1 for Ethernet. */
  get linkType(): number {
    return this.#parser.interface.linkType;
  }

  /** Bytes of frame check sequence at the end of each frame; 0 where the file does not say. */
  get fcsLength(): number {
    return this.#parser.interface.fcsLength;
  }

  /** As the file states it, bytes. Records may be longer all the same; see `overlong`. */
  get snapLength(): number {
    return this.#parser.interface.snapLength;
  }

  /** Times are finer than microseconds. */
  get nanosecond(): boolean {
    return this.#parser.interface.nanosecond;
  }

  get bigEndian(): boolean {
    return this.#parser.bigEndian;
  }

  /** Comments of the present record, as written: print no control characters of them. */
  get comments(): readonly string[] {
    return this.#parser.comments;
  }

  /** What a pcapng told so far that opens protocols; 1 MiB at most is kept. */
  get secrets(): readonly CaptureSecrets[] {
    return this.#parser.secrets;
  }

  /**
   * Goes to the next record and allocates nothing; false at the end. Throws
   * ERR_CAPTURE_TRUNCATED, ERR_CAPTURE_LENGTH or ERR_CAPTURE_FORMAT once, after
   * all sound records, or ERR_FILE; then the capture is at its end.
   */
  advance(): boolean {
    return this.#parser.advanceInBatch() || this.#advanceFurther();
  }

  /** The rare case, kept out of the loop of whoever reads. */
  #advanceFurther(): boolean {
    if (this.#closed) return false;
    try {
      do {
        if (this.#parser.advance()) return true;
      } while (this.#fill());
    } catch (fault) {
      this.close();
      throw fault;
    }
    this.close();
    const fault = this.#parser.truncation();
    if (fault === undefined) return false;
    if (!this.#lenient) throw fault;
    this.truncated = fault;
    return false;
  }

  /**
   * Seconds since 1970 of the present record. In a pcap 0 to 2^32-1, and more
   * only where it claims a fraction of a second or more, whose whole seconds are
   * added here. A pcapng may reach further, and before 1970.
   */
  get seconds(): number {
    return this.#parser.seconds;
  }

  /** 0 to 999,999,999. */
  get nanoseconds(): number {
    return this.#parser.nanoseconds;
  }

  /** The present packet is `bytes[start..end)`, until `advance` is called again. */
  get bytes(): Buffer {
    return this.#parser.bytes;
  }

  get start(): number {
    return this.#parser.start;
  }

  get end(): number {
    return this.#parser.end;
  }

  /** Bytes of the present packet on the wire. */
  get originalLength(): number {
    return this.#parser.originalLength;
  }

  /** Of the present record's header in the file, counted from 0. */
  get offset(): number {
    return this.#parser.offset;
  }

  /** For who takes many records at once. */
  get atHand(): RecordsAtHand {
    return this.#parser;
  }

  /** What is read from a file from now on, is read into this. */
  readInto(chunk: Buffer): void {
    this.#chunk = chunk;
  }

  /** Records that were longer than `snapLength`, complete at the end; their bytes are all kept. */
  get overlong(): number {
    return this.#parser.overlong;
  }

  /** The remaining records. Leaving the loop closes the capture. */
  *[Symbol.iterator](): Generator<CaptureRecord, void, undefined> {
    try {
      while (this.advance()) yield recordOf(this.#parser);
    } finally {
      this.close();
    }
  }

  /** May be called twice, and at any moment. */
  close(): void {
    this.#closed = true;
    this.#parser.forget();
    this.#chunk = undefined;
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0 && this.#owned) closeSync(fd);
  }

  /** False at the end of the input. */
  #fill(): boolean {
    if (this.#fd < 0) return false;
    this.#chunk ??= Buffer.allocUnsafeSlow(CHUNK_LEAD + CHUNK_LEN).subarray(CHUNK_LEAD);
    let length: number;
    try {
      length = readBytes(this.#fd, this.#chunk);
    } catch (cause) {
      throw fileError('a capture to read', cause, this.name);
    }
    if (length > 0) this.#parser.push(this.#chunk.subarray(0, length));
    return length > 0;
  }
}

export interface StreamOptions extends CaptureOptions {
  /** Called before the first record. */
  readonly onHeader?: (header: CaptureHeader) => void;
  /** Called where a lenient reading ends within a record. */
  readonly onTruncated?: (fault: PodwireError) => void;
}

/**
 * Records of a capture that arrives in pieces, such as a Node stream. Bytes of
 * a record are valid until the next one is asked for. Rejects as `openCapture`
 * and `Capture.advance` throw; a failure of the stream itself is ERR_FILE.
 */
export async function* readCapture(
  stream: AsyncIterable<Buffer>,
  options: StreamOptions = {},
): AsyncGenerator<CaptureRecord, void, undefined> {
  const name = options.name ?? 'stream';
  const parser = new CaptureParser({ ...options, name });
  let announced = false;
  for await (const piece of piecesOf(stream, name)) {
    parser.push(piece);
    if (!announced && parser.readHeader()) {
      announced = true;
      options.onHeader?.(parser.header!);
    }
    while (parser.advance()) yield recordOf(parser);
  }
  const fault = parser.truncation();
  if (fault === undefined) return;
  if (!options.lenient || !announced) throw fault;
  options.onTruncated?.(fault);
}

/** The stream's own failures, told apart from those of whoever takes the records. */
async function* piecesOf(stream: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const pieces = stream[Symbol.asyncIterator]();
  let done: boolean | undefined = false;
  try {
    for (;;) {
      let piece: unknown;
      try {
        ({ done, value: piece } = await pieces.next());
      } catch (cause) {
        done = true;
        throw fileError('a stream to read', cause, name);
      }
      if (done) return;
      yield bufferOf(piece, name);
    }
  } finally {
    if (!done) await pieces.return?.();
  }
}

function bufferOf(piece: unknown, source: string): Buffer {
  if (Buffer.isBuffer(piece)) return piece;
  if (piece instanceof Uint8Array) {
    return Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  }
  throw new PodwireError('ERR_USAGE', `expected a Buffer, found ${found(piece)}`, {
    source,
  });
}

const recordOf = (at: CaptureParser): CaptureRecord => ({
  seconds: at.seconds,
  nanoseconds: at.nanoseconds,
  bytes: at.bytes.subarray(at.start, at.end),
  originalLength: at.originalLength,
  offset: at.offset,
  linkType: at.interface.linkType,
  comments: at.comments,
});
