/**
 * Writes captures. Records gather in one buffer, and every write(2) ends where
 * a record ends:
 *
 *   0                                      fill              buffer.length
 *   | file header | record | record | record |                     |
 *     (first time)
 */
import { found, PodwireError } from '../errors.ts';
import { Cut, Output, type Sink } from './output.ts';
import {
  FILE_HEADER_LEN,
  LINKTYPE_ETHERNET,
  MAX_RECORD,
  MAX_U32,
  type NewHeader,
  putFileHeader,
  RECORD_HEADER_LEN,
  recordField,
} from './pcap.ts';

const BATCH_LEN = 256 * 1024;

export interface WriterOptions {
  /** LINKTYPE_ number below 65535; 1 (Ethernet) unless told. */
  readonly linkType?: number;
  /** Bytes of frame check sequence at the end of each frame, even, 0 to 30; 0 says nothing. */
  readonly fcsLength?: number;
  /** Longer packets are cut to this many bytes; 262,144 as tcpdump, 0 for no limit. */
  readonly snapLength?: number;
  /** Count nanoseconds, not microseconds. */
  readonly nanosecond?: boolean;
  readonly bigEndian?: boolean;
}

export class CaptureWriter {
  readonly #output: Output;
  readonly #header: NewHeader;
  readonly #little: boolean;
  readonly #snapLength: number;
  readonly #nanosecond: boolean;
  #buffer: Buffer = Buffer.allocUnsafeSlow(BATCH_LEN);
  #view: DataView = new DataView(this.#buffer.buffer);
  #fill = 0;
  /** Where the first record of the buffer stands. */
  #firstRecord = FILE_HEADER_LEN;
  #count = 0;
  #batched = 0;
  #ended = false;
  #failure: unknown = undefined;

  /**
   * `target` is a path, `-` for standard output, an open descriptor (left open)
   * or a function; that one must use up or copy the chunk before it returns. A
   * path gets its file by `close`; until then the bytes are in PATH.partial.
   * Throws ERR_FILE where the target cannot be opened.
   */
  constructor(target: string | number | Sink, options: WriterOptions = {}) {
    this.#header = {
      linkType: integer('linkType', options.linkType ?? LINKTYPE_ETHERNET, 0xfffe),
      fcsLength: integer('fcsLength', options.fcsLength ?? 0, 30),
      snapLength: integer('snapLength', options.snapLength ?? MAX_RECORD, MAX_U32),
      nanosecond: options.nanosecond ?? false,
      bigEndian: options.bigEndian ?? false,
    };
    if (this.#header.fcsLength % 2 !== 0) {
      throw usage('fcsLength', 'an even number of bytes', this.#header.fcsLength);
    }
    this.#snapLength = this.#header.snapLength === 0 ? MAX_U32 : this.#header.snapLength;
    this.#nanosecond = this.#header.nanosecond;
    this.#little = !this.#header.bigEndian;
    this.#output = new Output(target);
    putFileHeader(this.#buffer, 0, this.#header);
    this.#fill = FILE_HEADER_LEN;
  }

  /** Records taken so far; after a failure, those that the target holds. */
  get count(): number {
    return this.#count;
  }

  /** The reader of the pipe has gone; further records are ignored. */
  get closedByReader(): boolean {
    return this.#output.closedByReader;
  }

  /**
   * Adds the packet `bytes[start..end)`, copying it. A microsecond capture
   * drops the last three digits of `nanoseconds` (0 to 999,999,999).
   *
   * Throws ERR_CAPTURE_FORMAT for a time that the format cannot hold, ERR_USAGE
   * for wrong arguments, and ERR_FILE where the target failed: a file was then
   * cut back to its last whole record.
   */
  write(
    seconds: number,
    nanoseconds: number,
    bytes: Buffer,
    start = 0,
    end: number = bytes.length,
    originalLength: number = end - start,
  ): void {
    if (this.#ended) this.#refuse();
    if (this.#output.closedByReader) return;
    if (seconds >>> 0 !== seconds) throw this.#timeError('seconds', MAX_U32, seconds);
    if (nanoseconds >>> 0 !== nanoseconds || nanoseconds >= 1e9) {
      throw this.#timeError('nanoseconds', 999_999_999, nanoseconds);
    }
    if (!(start >= 0 && start <= end && end <= bytes.length)) {
      throw usage('write', `a range within ${bytes.length} bytes`, `${start} to ${end}`);
    }
    if (originalLength >>> 0 !== originalLength) integer('originalLength', originalLength, MAX_U32);

    const captured = Math.min(end - start, this.#snapLength);
    const length = RECORD_HEADER_LEN + captured;
    if (this.#fill + length > this.#buffer.length) this.#makeRoom(length);
    const at = this.#fill;
    const fraction = this.#nanosecond ? nanoseconds : nanoseconds / 1000;
    this.#view.setUint32(at + recordField.seconds, seconds, this.#little);
    this.#view.setUint32(at + recordField.fraction, fraction, this.#little);
    this.#view.setUint32(at + recordField.capturedLength, captured, this.#little);
    this.#view.setUint32(at + recordField.originalLength, originalLength, this.#little);
    bytes.copy(this.#buffer, at + RECORD_HEADER_LEN, start, start + captured);
    this.#fill = at + length;
    this.#count++;
    this.#batched++;
  }

  /** Hands over what has gathered, the file header at least. Throws ERR_FILE as `write`. */
  flush(): void {
    const length = this.#fill;
    if (length === 0 || this.#ended) return;
    try {
      this.#output.write(this.#buffer, length);
    } catch (fault) {
      this.#fail(fault);
    }
    this.#fill = 0;
    this.#firstRecord = 0;
    this.#batched = 0;
  }

  /** Flushes and, where a path was given, puts the file there. May be called twice. */
  close(): void {
    if (this.#ended) return;
    this.flush();
    this.#ended = true;
    this.#output.close();
  }

  /** A packet beyond the batch gets a buffer of its own size, which then stays. */
  #makeRoom(length: number): void {
    this.flush();
    if (length <= this.#buffer.length) return;
    this.#buffer = Buffer.allocUnsafeSlow(length);
    this.#view = new DataView(this.#buffer.buffer);
  }

  #fail(fault: unknown): never {
    this.#ended = true;
    const arrived = fault instanceof Cut ? fault.arrived : 0;
    let kept = 0;
    let at = 0;
    if (arrived >= this.#firstRecord) {
      at = this.#firstRecord;
      for (let next = this.#after(at); next <= arrived; next = this.#after(at)) {
        at = next;
        kept++;
      }
    }
    this.#count -= this.#batched - kept;
    this.#output.abandon(arrived - at);
    this.#failure = fault instanceof Cut ? fault.error : fault;
    throw this.#failure;
  }

  /** The end of the record that begins at `at` in the buffer. */
  #after(at: number): number {
    return (
      at + RECORD_HEADER_LEN + this.#view.getUint32(at + recordField.capturedLength, this.#little)
    );
  }

  #refuse(): never {
    if (this.#failure !== undefined) throw this.#failure;
    throw new PodwireError('ERR_USAGE', 'expected an open writer, found a closed one', {
      source: this.#output.name,
    });
  }

  #timeError(what: string, most: number, value: number): PodwireError {
    return new PodwireError(
      'ERR_CAPTURE_FORMAT',
      `expected whole ${what} from 0 to ${most}, found ${found(value)}`,
      { source: this.#output.name },
    );
  }
}

const usage = (where: string, expected: string, value: unknown): PodwireError =>
  new PodwireError('ERR_USAGE', `${where}: expected ${expected}, found ${found(value)}`);

function integer(what: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw usage(what, `an integer from 0 to ${most}`, value);
}
