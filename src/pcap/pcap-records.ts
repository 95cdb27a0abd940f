/** Records of a classic capture; see pcap.ts for the picture. */
import { PodwireError } from '../errors.ts';
import {
  FILE_HEADER_LEN,
  Lengths,
  MAX_U32,
  MODIFIED_EXTRA,
  RECORD_HEADER_LEN,
  readFileHeader,
  recordField,
} from './pcap.ts';
import {
  type CaptureInterface,
  type CaptureSecrets,
  NO_COMMENTS,
  type RecordFormat,
  type RecordTable,
} from './record-format.ts';

export class PcapRecords implements RecordFormat {
  readonly name = 'pcap';
  bigEndian = false;
  first: CaptureInterface | undefined = undefined;
  count = 0;
  headerLength: number = RECORD_HEADER_LEN;
  overlong = 0;
  need: number = FILE_HEADER_LEN;
  plainMost = -1;
  readonly secrets: readonly CaptureSecrets[] = [];

  readonly #source: string;
  readonly #maxRecord: number;
  readonly #table: RecordTable;
  #little = true;
  #lengths: Lengths = Lengths.CapturedFirst;
  #snapLength = 0;
  #scale = 1;
  #unit = 1;

  constructor(source: string, maxRecord: number, table: RecordTable) {
    this.#source = source;
    this.#maxRecord = maxRecord;
    this.#table = table;
  }

  scan(view: DataView, at: number, end: number, offset: number): number {
    this.count = 0;
    if (this.first === undefined) return this.#readFileHeader(view, at, end);
    this.#judge(view, at, end, offset);
    if (end - at < this.need) return at;
    const next = at + this.need;
    if (this.need - this.headerLength > this.#snapLength) this.overlong++;
    this.#table.starts[0] = at + this.headerLength;
    this.#table.ends[0] = next;
    this.count = 1;
    return next;
  }

  /** Sets `need` for the record at `at`, or refuses its length. */
  #judge(view: DataView, at: number, end: number, offset: number): void {
    this.need = this.headerLength;
    if (end - at < this.headerLength) return;
    const captured = this.#capturedLength(view, at);
    if (captured > this.#maxRecord) {
      throw new PodwireError(
        'ERR_CAPTURE_LENGTH',
        `expected a record of at most ${this.#maxRecord} bytes, found ${captured}`,
        { source: this.#source, offset: offset + at },
      );
    }
    this.need = this.headerLength + captured;
  }

  #readFileHeader(view: DataView, at: number, end: number): number {
    if (end - at < FILE_HEADER_LEN) return at;
    const header = readFileHeader(view, at, this.#source);
    const { linkType, fcsLength, snapLength, nanosecond } = header;
    this.first = { linkType, fcsLength, snapLength, nanosecond };
    this.bigEndian = header.bigEndian;
    this.#little = !header.bigEndian;
    this.headerLength = RECORD_HEADER_LEN + (header.modified ? MODIFIED_EXTRA : 0);
    this.#lengths = header.lengths;
    this.#snapLength = snapLength || MAX_U32;
    const isPlain = this.#little && this.#lengths === Lengths.CapturedFirst && !header.modified;
    this.plainMost = isPlain ? Math.min(this.#snapLength, this.#maxRecord) : -1;
    this.#scale = nanosecond ? 1 : 1000;
    this.#unit = nanosecond ? 1_000_000_000 : 1_000_000;
    this.need = this.headerLength;
    return at + FILE_HEADER_LEN;
  }

  truncation(view: DataView, length: number, offset: number): PodwireError | undefined {
    const cut = (expected: string, bytes: number): PodwireError =>
      new PodwireError(
        'ERR_CAPTURE_TRUNCATED',
        `expected ${expected}, found ${bytes} before the end of the file`,
        { source: this.#source, offset },
      );
    if (this.first === undefined) return cut(`${FILE_HEADER_LEN} bytes of file header`, length);
    if (length === 0) return undefined;
    const header = this.headerLength;
    if (length < header) return cut(`${header} bytes of record header`, length);
    return cut(`${this.#capturedLength(view, 0)} captured bytes`, length - header);
  }

  /** Above 2^32-1 only where a fraction of a second or more is carried. */
  seconds(view: DataView, start: number): number {
    const seconds = this.#field(view, start, recordField.seconds);
    const fraction = this.#field(view, start, recordField.fraction);
    return fraction < this.#unit ? seconds : seconds + Math.floor(fraction / this.#unit);
  }

  nanoseconds(view: DataView, start: number): number {
    const fraction = this.#field(view, start, recordField.fraction);
    return (fraction < this.#unit ? fraction : fraction % this.#unit) * this.#scale;
  }

  originalLength(view: DataView, start: number): number {
    const first = this.#field(view, start, recordField.capturedLength);
    const second = this.#field(view, start, recordField.originalLength);
    return this.#swapped(first, second) ? first : second;
  }

  interfaceOf(): CaptureInterface {
    return this.first!;
  }

  comments(): readonly string[] {
    return NO_COMMENTS;
  }

  #field(view: DataView, start: number, field: number): number {
    return view.getUint32(start - this.headerLength + field, this.#little);
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
