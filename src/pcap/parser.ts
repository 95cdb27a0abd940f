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
 * Records of the usual pcap are found one after the other as they are asked for, those of a
 * pcapng noted by a scan ahead.
 *
 * A length is judged as soon as its header is here, so a lying one costs
 * neither memory nor time.
 */
import { found, PodwireError } from '../errors.ts';
import { formatOf, MAGIC_LEN, refuseShort } from './magic.ts';
import { MAX_RECORD } from './pcap.ts';
import {
  BATCH,
  type CaptureInterface,
  type CaptureSecrets,
  NO_COMMENTS,
  type RecordFormat,
  type RecordTable,
} from './record-format.ts';
import type { RecordsAtHand } from './records-at-hand.ts';

export interface ParserOptions {
  /** Longest record believed, bytes; 262,144 as in libpcap. */
  readonly maxRecord?: number;
  /** What messages call the input. */
  readonly name?: string;
}

/** What is known before the first record: the file's first interface, and more. */
export interface CaptureHeader extends CaptureInterface {
  readonly format: 'pcap' | 'pcapng';
  readonly bigEndian: boolean;
}

const EMPTY = Buffer.alloc(0);
const viewOf = (b: Buffer): DataView => new DataView(b.buffer, b.byteOffset, b.length);
const NO_RECORD = viewOf(EMPTY);
const NO_SECRETS: readonly CaptureSecrets[] = [];

export class CaptureParser implements RecordsAtHand {
  /** Known once `readHeader` gave true. */
  header: CaptureHeader | undefined = undefined;

  /** The packet is `bytes[start..end)`, until the next call of advance() or push(). */
  bytes: Buffer = EMPTY;
  start = 0;
  end = 0;

  readonly name: string;
  readonly #maxRecord: number;
  #format: RecordFormat | undefined = undefined;

  #piece: Buffer = EMPTY;
  #pieceView: DataView = NO_RECORD;
  #at = 0;
  /** File offset of the piece's first byte. */
  #pieceOffset = 0;

  #held: Buffer = EMPTY;
  #heldView: DataView = NO_RECORD;
  #heldLength = 0;

  /** Of `bytes`, and the file offset of its first byte. */
  #view: DataView = NO_RECORD;
  #base = 0;

  /** End of the piece while plain records are taken from `#at`, and the longest such; else -1. */
  #plainEnd = -1;
  #plainMost = -1;

  /** What the last scan noted, and which of it is next. */
  readonly #starts: Int32Array = new Int32Array(BATCH);
  readonly #ends: Int32Array = new Int32Array(BATCH);
  #next = 0;
  #count = 0;

  constructor(options: ParserOptions = {}) {
    this.name = options.name ?? 'capture';
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
    if (this.#at < this.#piece.length || this.#next < this.#count) {
      throw new Error('push: the last piece is not used up');
    }
    this.#pieceOffset += this.#piece.length;
    this.#piece = piece;
    this.#pieceView = viewOf(piece);
    this.#at = 0;
    this.#plainEnd = -1;
  }

  /** False: more bytes are needed to know. Throws ERR_CAPTURE_FORMAT. */
  readHeader(): boolean {
    while (this.header === undefined) {
      if (!this.#step()) return false;
      const { first, name, bigEndian } = this.#format!;
      if (first !== undefined) this.header = { ...first, format: name, bigEndian };
    }
    return true;
  }

  /**
   * Goes to the next record; false when that needs another piece. Throws
   * ERR_CAPTURE_FORMAT and ERR_CAPTURE_LENGTH, and again whenever it is called
   * after that.
   */
  advance(): boolean {
    return this.advanceInBatch() || this.#refill();
  }

  /** As `advance`, but false already where anything but the next usual record is met. */
  advanceInBatch(): boolean {
    // Numbers for RECORD_HEADER_LEN and what is behind recordField.capturedLength: a bundle has
    // variables for constants, which would be read and checked for each record.
    const start = this.#at + 16;
    if (start > this.#plainEnd) return this.#advanceNoted();
    const captured = this.#view.getInt32(start - 8, true);
    const end = start + captured;
    if (captured >>> 0 > this.#plainMost || end > this.#plainEnd) return false;
    this.start = start;
    this.end = end;
    this.#at = end;
    return true;
  }

  #advanceNoted(): boolean {
    const next = this.#next;
    if (next >= this.#count) return false;
    this.start = this.#starts[next]!;
    this.end = this.#ends[next]!;
    this.#next = next + 1;
    return true;
  }

  /** Records that are here and not yet reached are not given any more. */
  forget(): void {
    this.#count = 0;
    this.#plainEnd = -1;
  }

  get plainMost(): number {
    return this.#format?.plainMost ?? -1;
  }

  get recordStart(): number {
    return this.start - this.#format!.headerLength;
  }

  get handEnd(): number {
    return this.bytes === this.#piece ? this.bytes.length : this.end;
  }

  skipTo(at: number): void {
    const { headerLength } = this.#format!;
    while (this.#next < this.#count && this.#starts[this.#next]! - headerLength < at) this.#next++;
    if (this.#next === this.#count && this.bytes === this.#piece) this.#at = Math.max(this.#at, at);
  }

  // The record that advance() stopped at. Decoded on demand: whoever counts or
  // filters packets does not pay for their times.

  /** Since 1970; see `Capture.seconds`. */
  get seconds(): number {
    return this.start === 0 ? 0 : this.#format!.seconds(this.#view, this.start);
  }

  /** 0 to 999,999,999. */
  get nanoseconds(): number {
    return this.start === 0 ? 0 : this.#format!.nanoseconds(this.#view, this.start);
  }

  /** Bytes of the packet on the wire; not always the greater of the two lengths. */
  get originalLength(): number {
    return this.start === 0 ? 0 : this.#format!.originalLength(this.#view, this.start);
  }

  /** Where the packet was seen; without one, the file's first interface. */
  get interface(): CaptureInterface {
    return this.start === 0 ? this.header! : this.#format!.interfaceOf(this.#view, this.start);
  }

  get comments(): readonly string[] {
    return this.start === 0 ? NO_COMMENTS : this.#format!.comments(this.#view, this.start);
  }

  /** Of the record's header in the file. */
  get offset(): number {
    return this.start === 0 ? 0 : this.#base + this.start - this.#format!.headerLength;
  }

  /** Records so far, or a batch further, that were longer than their snap length. */
  get overlong(): number {
    return this.#format?.overlong ?? 0;
  }

  get secrets(): readonly CaptureSecrets[] {
    return this.#format?.secrets ?? NO_SECRETS;
  }

  get bigEndian(): boolean {
    return this.#format?.bigEndian ?? false;
  }

  /** What is wrong with an input that ends here, if anything is. */
  truncation(): PodwireError | undefined {
    const length = this.#heldLength;
    if (this.#format === undefined) return refuseShort(this.#held, length, this.name);
    return this.#format.truncation(this.#heldView, length, this.#heldOffset());
  }

  #refill(): boolean {
    this.start = this.end = this.#next = this.#count = 0;
    this.bytes = EMPTY;
    this.#plainEnd = -1;
    if (!this.readHeader()) return false;
    if (this.#heldLength === 0 && this.#advancePlain()) return true;
    while (this.#count === 0) if (!this.#step()) return false;
    return this.#advanceNoted();
  }

  /** Begins to take plain records from the piece, if the next one is. */
  #advancePlain(): boolean {
    this.#plainMost = this.plainMost;
    if (this.#plainMost < 0) return false;
    this.bytes = this.#piece;
    this.#view = this.#pieceView;
    this.#base = this.#pieceOffset;
    this.#plainEnd = this.#piece.length;
    if (this.advanceInBatch()) return true;
    this.bytes = EMPTY;
    this.#plainEnd = -1;
    return false;
  }

  /** Scans once; false when there are too few bytes for that. */
  #step(): boolean {
    if (this.#format === undefined || this.#heldLength > 0) return this.#stepHeld();
    const { length } = this.#piece;
    const at = this.#at;
    if (at === length) return false;
    this.#at = this.#format.scan(this.#pieceView, at, length, this.#pieceOffset);
    this.#note(this.#piece, this.#pieceView, this.#pieceOffset);
    if (this.#at > at) return true;
    this.#hold(length - at);
    return false;
  }

  #stepHeld(): boolean {
    for (;;) {
      const need = this.#format?.need ?? MAGIC_LEN;
      this.#hold(need - this.#heldLength);
      if (this.#heldLength < need) return false;
      this.#format ??= formatOf(this.#heldView, this.name, this.#maxRecord, this.#table());
      const offset = this.#heldOffset();
      if (this.#format.scan(this.#heldView, 0, this.#heldLength, offset) > 0) {
        this.#heldLength = 0;
        this.#note(this.#held, this.#heldView, offset);
        return true;
      }
    }
  }

  #table(): RecordTable {
    return { starts: this.#starts, ends: this.#ends };
  }

  #note(bytes: Buffer, view: DataView, offset: number): void {
    this.#count = this.#format!.count;
    this.#next = 0;
    this.bytes = bytes;
    this.#view = view;
    this.#base = offset;
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
}
