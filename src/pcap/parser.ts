/**
 * A capture read from pieces of any size, shared by the file and the stream
 * reader. Records are views into the piece they arrived in; only one that
 * straddles two pieces is put together elsewhere.
 *
 *      piece, given by push()                              piece
 *   ..d | header data | header data | header da     ta | header data ..
 *         ^ start..end of this record   ^^^^^^^^^     ^^
 *                                       copied to `held` until it is whole
 *
 * A length is judged as soon as its header is here, so a lying one costs
 * neither memory nor time.
 */
import { found, PodwireError } from '../errors.ts';
import {
  type CaptureHeader,
  FILE_HEADER_LEN,
  Lengths,
  MAX_RECORD,
  MAX_U32,
  MODIFIED_EXTRA,
  RECORD_HEADER_LEN,
  readFileHeader,
  recordField,
} from './pcap.ts';

export interface ParserOptions {
  /** Longest record believed, bytes; 262,144 as in libpcap. */
  readonly maxRecord?: number;
  /** What messages call the input. */
  readonly name?: string;
}

const EMPTY = Buffer.alloc(0);
/** What the fields are read from before the first record: a header of zeros, the longer kind. */
const NO_RECORD = Buffer.alloc(RECORD_HEADER_LEN + MODIFIED_EXTRA);
const viewOf = (b: Buffer): DataView => new DataView(b.buffer, b.byteOffset, b.length);

export class CaptureParser {
  /** Known once `readHeader` gave true. */
  header: CaptureHeader | undefined = undefined;

  /** The packet is `bytes[start..end)`, until the next call of advance() or push(). */
  bytes: Buffer = NO_RECORD;
  start = 0;
  end = 0;
  /** Records so far that were longer than the file's own snap length. */
  overlong = 0;

  readonly #name: string;
  readonly #maxRecord: number;

  #piece: Buffer = EMPTY;
  #pieceView: DataView = viewOf(EMPTY);
  #at = 0;
  /** File offset of the piece's first byte. */
  #pieceOffset = 0;

  #held: Buffer = EMPTY;
  #heldView: DataView = viewOf(EMPTY);
  #heldLength = 0;
  /** The present record is the held one, whole. */
  #heldWhole = false;

  /** Of `bytes`, and the file offset of its first byte. */
  #view: DataView = viewOf(NO_RECORD);
  #base = 0;

  // The header's answers, unfolded for the record loop.
  #little = true;
  #headerLength = 0;
  #lengths: Lengths = Lengths.CapturedFirst;
  #snapLength = 0;
  #scale = 1;
  #unit = 1;

  constructor(options: ParserOptions = {}) {
    this.#name = options.name ?? 'capture';
    this.#maxRecord = options.maxRecord ?? MAX_RECORD;
    if (
      !Number.isInteger(this.#maxRecord) ||
      this.#maxRecord < 0 ||
      this.#maxRecord > 2 ** 31 - 1
    ) {
      throw new PodwireError(
        'ERR_USAGE',
        `maxRecord: expected bytes from 0 to 2147483647, found ${found(this.#maxRecord)}`,
      );
    }
  }

  /** The next piece, to be left alone until `advance` asks for another by giving false. */
  push(piece: Buffer): void {
    if (this.#at < this.#piece.length) throw new Error('push: the last piece is not used up');
    this.#pieceOffset += this.#piece.length;
    this.#piece = piece;
    this.#pieceView = viewOf(piece);
    this.#at = 0;
  }

  /** False: more bytes are needed to know. Throws ERR_CAPTURE_FORMAT. */
  readHeader(): boolean {
    if (this.header !== undefined) return true;
    this.#hold(FILE_HEADER_LEN - this.#heldLength);
    const header = readFileHeader(this.#held, this.#heldLength, this.#name);
    if (header === undefined) return false;
    this.#heldLength = 0;
    this.header = header;
    this.#little = !header.bigEndian;
    this.#headerLength = header.recordHeaderLength;
    this.start = this.end = this.#headerLength;
    this.#lengths = header.lengths;
    this.#snapLength = header.snapLength === 0 ? MAX_U32 : header.snapLength;
    this.#scale = header.nanosecond ? 1 : 1000;
    this.#unit = header.nanosecond ? 1_000_000_000 : 1_000_000;
    return true;
  }

  /**
   * Goes to the next record; false when that needs another piece. Throws
   * ERR_CAPTURE_LENGTH, and again whenever it is called after that.
   */
  advance(): boolean {
    if (this.#heldLength > 0 || this.header === undefined) return this.#advanceHeld();
    const at = this.#at;
    const left = this.#piece.length - at;
    if (left >= this.#headerLength) {
      const captured = this.#capturedLength(this.#pieceView, at);
      if (captured > this.#maxRecord) throw this.#tooLong(captured, this.#pieceOffset + at);
      const start = at + this.#headerLength;
      const end = start + captured;
      if (end - at <= left) {
        if (captured > this.#snapLength) this.overlong++;
        if (this.#view !== this.#pieceView) this.#enterPiece();
        this.start = start;
        this.end = end;
        this.#at = end;
        return true;
      }
    }
    this.#hold(left);
    return false;
  }

  // The record that advance() stopped at. Decoded on demand: whoever counts or
  // filters packets does not pay for their times.

  /** Since 1970; above 2^32-1 only where a fraction of a second or more is carried. */
  get seconds(): number {
    const seconds = this.#field(recordField.seconds);
    const fraction = this.#field(recordField.fraction);
    return fraction < this.#unit ? seconds : seconds + Math.floor(fraction / this.#unit);
  }

  /** 0 to 999,999,999. */
  get nanoseconds(): number {
    const fraction = this.#field(recordField.fraction);
    return (fraction < this.#unit ? fraction : fraction % this.#unit) * this.#scale;
  }

  /** Bytes of the packet on the wire; not always the greater of the two lengths. */
  get originalLength(): number {
    const first = this.#field(recordField.capturedLength);
    const second = this.#field(recordField.originalLength);
    return this.#swapped(first, second) ? first : second;
  }

  /** Of the record's header in the file. */
  get offset(): number {
    return this.#base + this.start - this.#headerLength;
  }

  /** What is wrong with an input that ends here, if anything is. */
  truncation(): PodwireError | undefined {
    const length = this.#heldLength;
    if (this.header === undefined) {
      if (length >= 4) return this.#truncated(`${FILE_HEADER_LEN} bytes of file header`, length, 0);
      return new PodwireError(
        'ERR_CAPTURE_FORMAT',
        `expected a pcap file, found ${length === 0 ? 'an empty one' : `one of ${length} bytes`}`,
        { source: this.#name },
      );
    }
    if (length === 0) return undefined;
    const offset = this.#heldOffset();
    const header = this.#headerLength;
    if (length < header) return this.#truncated(`${header} bytes of record header`, length, offset);
    const captured = this.#capturedLength(this.#heldView, 0);
    return this.#truncated(`${captured} captured bytes`, length - header, offset);
  }

  #truncated(expected: string, bytes: number, offset: number): PodwireError {
    return new PodwireError(
      'ERR_CAPTURE_TRUNCATED',
      `expected ${expected}, found ${bytes} before the end of the file`,
      { source: this.#name, offset },
    );
  }

  #tooLong(captured: number, offset: number): PodwireError {
    return new PodwireError(
      'ERR_CAPTURE_LENGTH',
      `expected a record of at most ${this.#maxRecord} bytes, found ${captured}`,
      { source: this.#name, offset },
    );
  }

  #advanceHeld(): boolean {
    if (!this.readHeader()) return false;
    if (this.#heldWhole) {
      this.#heldWhole = false;
      this.#heldLength = 0;
    }
    if (this.#heldLength === 0) return this.advance();
    this.#hold(this.#headerLength - this.#heldLength);
    if (this.#heldLength < this.#headerLength) return false;
    const captured = this.#capturedLength(this.#heldView, 0);
    if (captured > this.#maxRecord) throw this.#tooLong(captured, this.#heldOffset());
    const length = this.#headerLength + captured;
    this.#hold(length - this.#heldLength);
    if (this.#heldLength < length) return false;
    if (captured > this.#snapLength) this.overlong++;
    this.#heldWhole = true;
    this.bytes = this.#held;
    this.start = this.#headerLength;
    this.end = length;
    this.#view = this.#heldView;
    this.#base = this.#heldOffset();
    return true;
  }

  #enterPiece(): void {
    this.bytes = this.#piece;
    this.#view = this.#pieceView;
    this.#base = this.#pieceOffset;
  }

  /** Held bytes always end where the unread part of the piece begins. */
  #heldOffset(): number {
    return this.#pieceOffset + this.#at - this.#heldLength;
  }

  /** Moves up to `wanted` bytes of the piece to the held ones; room grows with what arrives. */
  #hold(wanted: number): void {
    const length = Math.min(wanted, this.#piece.length - this.#at);
    if (length <= 0) return;
    const needed = this.#heldLength + length;
    if (needed > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#held.length, 2048));
      this.#held.copy(larger, 0, 0, this.#heldLength);
      this.#held = larger;
      this.#heldView = viewOf(larger);
    }
    this.#piece.copy(this.#held, this.#heldLength, this.#at, this.#at + length);
    this.#heldLength = needed;
    this.#at += length;
  }

  #field(field: number): number {
    return this.#view.getUint32(this.start - this.#headerLength + field, this.#little);
  }

  #capturedLength(view: DataView, at: number): number {
    const first = view.getUint32(at + recordField.capturedLength, this.#little);
    if (this.#lengths === Lengths.CapturedFirst) return first;
    const second = view.getUint32(at + recordField.originalLength, this.#little);
    return this.#swapped(first, second) ? second : first;
  }

  #swapped(first: number, second: number): boolean {
    if (this.#lengths === Lengths.SmallerIsCaptured) return first > second;
    return this.#lengths === Lengths.OriginalFirst;
  }
}
