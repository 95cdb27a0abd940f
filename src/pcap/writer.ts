/**
 * Writes captures. Records gather in one buffer, and every write(2) ends where
 * a record ends:
 *
 *   0                                      fill              buffer.length
 *   | file header | record | record | record |                     |
 *     (first time)
 */
import { found, PodwireError } from '../errors.ts';
import { copyWords, SHORT_COPY, SourceView } from '../wire/bytes.ts';
import { Cut, Output, type Sink } from './output.ts';
import { LINKTYPE_ETHERNET, MAX_RECORD, MAX_U32 } from './pcap.ts';
import { PcapEncoder } from './pcap-encoder.ts';
import { SECRETS_WIREGUARD } from './pcapng.ts';
import { PcapngEncoder } from './pcapng-encoder.ts';
import type { NewCapture, RecordEncoder } from './record-encoder.ts';

const BATCH_LEN = 256 * 1024;
/** Linux keeps a file in larger pieces the more is written at once: both writing and reading it are faster. */
const FILE_BATCH_LEN = 1024 * 1024;
/** Records made elsewhere are gathered if they are fewer bytes: a copy costs less than a write(2). */
const GATHERED = 32 * 1024;

/** Of a writer whose records are made elsewhere: whole, little-endian, of a classic capture. */
interface PlainRecords {
  /** Units of the fraction in a second. */
  readonly perSecond: number;
  /** Takes `count` records that stand back to back. Throws ERR_FILE as `write`. */
  readonly append: (records: Buffer, count: number) => void;
}

let plainOf: (writer: CaptureWriter, length: number) => PlainRecords | undefined;

export interface WriterOptions {
  /** Unless told, `pcapng` for a path that ends in .pcapng, else `pcap`. */
  readonly format?: 'pcap' | 'pcapng';
  /** pcapng only: what the file calls the interface, 255 characters at most. */
  readonly interfaceName?: string;
  /** LINKTYPE_ number below 65535; 1 (Ethernet) unless told. */
  readonly linkType?: number;
  /** Bytes of frame check sequence at the end of each frame, even, 0 to 30; 0 says nothing. */
  readonly fcsLength?: number;
  /** Longer packets are cut to this many bytes; 262,144 as tcpdump, 0 for no limit. */
  readonly snapLength?: number;
  /** Count nanoseconds, not microseconds: pcapng does unless told. */
  readonly nanosecond?: boolean;
  readonly bigEndian?: boolean;
  /** Bytes gathered before they are written; 262,144, of a path 1,048,576; less where many writers live at once. */
  readonly batchLength?: number;
}

export class CaptureWriter {
  readonly #output: Output;
  readonly #encoder: RecordEncoder;
  readonly #snapLength: number;
  readonly #sources: SourceView = new SourceView();
  #buffer: Buffer;
  #view: DataView;
  #fill = 0;
  /** Where the first record of the buffer stands. */
  #firstRecord: number;
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
    const isPcapng = (options.format ?? formatOf(target)) === 'pcapng';
    const capture: NewCapture = {
      linkType: integer('linkType', options.linkType ?? LINKTYPE_ETHERNET, 0xfffe),
      fcsLength: integer('fcsLength', options.fcsLength ?? 0, 30),
      snapLength: integer('snapLength', options.snapLength ?? MAX_RECORD, MAX_U32),
      nanosecond: options.nanosecond ?? isPcapng,
      bigEndian: options.bigEndian ?? false,
      interfaceName: options.interfaceName,
    };
    if (capture.fcsLength % 2 !== 0) {
      throw usage('fcsLength', 'an even number of bytes', capture.fcsLength);
    }
    this.#snapLength = capture.snapLength === 0 ? MAX_U32 : capture.snapLength;
    this.#encoder = isPcapng ? new PcapngEncoder(capture) : new PcapEncoder(capture);
    const batch = integer('batchLength', options.batchLength ?? batchLengthOf(target), 2 ** 30);
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(batch, this.#encoder.head.length));
    this.#view = new DataView(this.#buffer.buffer);
    this.#output = new Output(target);
    this.#fill = this.#firstRecord = this.#encoder.head.copy(this.#buffer);
  }

  get format(): 'pcap' | 'pcapng' {
    return this.#encoder.name;
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
   * drops the last three digits of `nanoseconds` (0 to 999,999,999). A comment
   * goes into a pcapng only, its first 16,000 characters.
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
    comment = '',
  ): void {
    if (this.#ended) this.#refuse();
    if (this.#output.closedByReader) return;
    const encoder = this.#encoder;
    if (seconds >>> 0 !== seconds && !isWhole(seconds, encoder.maxSeconds)) {
      throw this.#timeError('seconds', encoder.maxSeconds, seconds);
    }
    if (nanoseconds >>> 0 !== nanoseconds || nanoseconds >= 1e9) {
      throw this.#timeError('nanoseconds', 999_999_999, nanoseconds);
    }
    if (!(start >= 0 && start <= end && end <= bytes.length)) {
      throw usage('write', `a range within ${bytes.length} bytes`, `${start} to ${end}`);
    }
    if (originalLength >>> 0 !== originalLength) integer('originalLength', originalLength, MAX_U32);

    const captured = Math.min(end - start, this.#snapLength);
    const length = encoder.prepare(captured, comment);
    if (this.#fill + length > this.#buffer.length) this.#makeRoom(length);
    const at = this.#fill;
    const packet = encoder.put(this.#view, at, seconds, nanoseconds, captured, originalLength);
    const from = captured <= SHORT_COPY ? this.#sources.of(bytes) : null;
    if (from === null) bytes.copy(this.#buffer, packet, start, start + captured);
    else copyWords(from, start, start + captured, this.#view, packet);
    this.#fill = at + length;
    this.#count++;
    this.#batched++;
  }

  static {
    plainOf = (writer, length) => {
      const { perSecond } = writer.#encoder;
      if (perSecond === undefined || length > writer.#snapLength) return undefined;
      return { perSecond, append: (records, count) => writer.#append(records, count) };
    };
  }

  #append(records: Buffer, count: number): void {
    if (this.#ended) this.#refuse();
    if (this.#output.closedByReader) return;
    const gathers = records.length <= GATHERED;
    if (!gathers) this.flush();
    else if (this.#fill + records.length > this.#buffer.length) this.#makeRoom(records.length);
    this.#count += count;
    this.#batched += count;
    if (gathers) this.#fill += records.copy(this.#buffer, this.#fill);
    else this.#hand(records, records.length);
  }

  /**
   * Adds what opens the protocols of packets after it: `text` in the format of
   * Wireshark's wg.keylog. Throws ERR_USAGE in a pcap, which has no place for it.
   */
  secrets(text: string): void {
    if (this.#ended) this.#refuse();
    if (this.#output.closedByReader) return;
    const block = this.#encoder.secrets(SECRETS_WIREGUARD, Buffer.from(text));
    if (block === undefined) throw usage('secrets', 'a pcapng', this.format);
    if (this.#fill + block.length > this.#buffer.length) this.#makeRoom(block.length);
    this.#fill += block.copy(this.#buffer, this.#fill);
  }

  /** Hands over what has gathered, the file header at least. Throws ERR_FILE as `write`. */
  flush(): void {
    if (this.#fill > 0 && !this.#ended) this.#hand(this.#buffer, this.#fill);
  }

  #hand(bytes: Buffer, length: number): void {
    try {
      this.#output.write(bytes, length);
    } catch (fault) {
      this.#fail(fault, bytes, length);
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

  /** `bytes[0..length)` were to be written. */
  #fail(fault: unknown, { buffer, byteOffset }: Buffer, length: number): never {
    this.#ended = true;
    const view = new DataView(buffer, byteOffset, length);
    const arrived = fault instanceof Cut ? fault.arrived : 0;
    let kept = 0;
    let at = 0;
    if (arrived >= this.#firstRecord) {
      at = this.#firstRecord;
      for (let next = this.#after(view, at); next <= arrived; next = this.#after(view, at)) {
        if (this.#encoder.isPacket(view, at)) kept++;
        at = next;
      }
    }
    this.#count -= this.#batched - kept;
    this.#output.abandon(arrived - at);
    this.#failure = fault instanceof Cut ? fault.error : fault;
    throw this.#failure;
  }

  /** The end of the record that begins at `at`. */
  #after(view: DataView, at: number): number {
    return at < view.byteLength ? this.#encoder.after(view, at) : Number.POSITIVE_INFINITY;
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

/** Undefined where the writer's records look otherwise, or packets of `length` bytes would be cut. */
export const plainRecords = (writer: CaptureWriter, length: number): PlainRecords | undefined =>
  plainOf(writer, length);

const usage = (where: string, expected: string, value: unknown): PodwireError =>
  new PodwireError('ERR_USAGE', `${where}: expected ${expected}, found ${found(value)}`);

function integer(what: string, value: number, most: number): number {
  if (isWhole(value, most)) return value;
  throw usage(what, `an integer from 0 to ${most}`, value);
}

const isWhole = (value: number, most: number): boolean =>
  Number.isInteger(value) && value >= 0 && value <= most;

const batchLengthOf = (target: string | number | Sink): number =>
  typeof target === 'string' && target !== '-' ? FILE_BATCH_LEN : BATCH_LEN;

/** `pcapng` for a path that ends in .pcapng, else `pcap`. */
export const formatOf = (target: string | number | Sink): 'pcap' | 'pcapng' =>
  typeof target === 'string' && target.toLowerCase().endsWith('.pcapng') ? 'pcapng' : 'pcap';
