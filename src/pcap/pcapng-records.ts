/**
 * Records of a pcapng; see pcapng.ts for the picture. Enhanced packets, which
 * is nearly all there ever is, are scanned in one loop; any other block ends
 * the batch, so that byte order and interfaces are the same for all of it.
 */
import type { ErrorCode, PodwireError } from '../errors.ts';
import { MAX_U32 } from './pcap.ts';
import {
  BLOCK_ENHANCED,
  BLOCK_HEADER_LEN,
  BLOCK_INTERFACE,
  BLOCK_PACKET,
  BLOCK_SECRETS,
  BLOCK_SECTION,
  BLOCK_SIMPLE,
  BLOCK_TRAILER_LEN,
  BYTE_ORDER_MAGIC,
  MAX_BLOCK,
  OPTION_COMMENT,
  packetField,
  padded,
  secretsField,
  sectionField,
  simpleField,
} from './pcapng.ts';
import { blockError, smallestBlock } from './pcapng-block.ts';
import { type PcapngInterface, readInterface } from './pcapng-interface.ts';
import { blockOptions, optionText } from './pcapng-option.ts';
import {
  BATCH,
  type CaptureInterface,
  type CaptureSecrets,
  NO_COMMENTS,
  type RecordFormat,
  type RecordTable,
} from './record-format.ts';

/** Of one section: a file of nothing but interfaces must not fill the memory. */
const MAX_INTERFACES = 131_072;
/** Bytes of secrets kept; further blocks are skipped. */
const MAX_SECRETS = 1 << 20;

export class PcapngRecords implements RecordFormat {
  readonly name = 'pcapng';
  readonly plainMost = -1;
  first: CaptureInterface | undefined = undefined;
  count = 0;
  headerLength: number = packetField.size;
  overlong = 0;
  need: number = BLOCK_HEADER_LEN;
  readonly secrets: CaptureSecrets[] = [];

  readonly #source: string;
  readonly #maxRecord: number;
  readonly #table: RecordTable;
  #little = true;
  #interfaces: PcapngInterface[] = [];
  /** The least promise of the section's interfaces, and no more than is believed. */
  #quickMost = 0;
  #secretBytes = 0;
  /** What the noted records are. */
  #kind: number = BLOCK_ENHANCED;

  constructor(source: string, maxRecord: number, table: RecordTable) {
    this.#source = source;
    this.#maxRecord = maxRecord;
    this.#table = table;
  }

  get bigEndian(): boolean {
    return !this.#little;
  }

  scan(view: DataView, at: number, end: number, offset: number): number {
    this.count = 0;
    const from = this.#little ? this.#scanQuick(view, at, end) : at;
    return this.count > 0 ? from : this.#block(view, at, end, offset);
  }

  /** Sound enhanced packets, little-endian. Numbers are kept in 32 bits, which the loop is fast by. */
  #scanQuick(view: DataView, at: number, end: number): number {
    const { starts, ends } = this.#table;
    const interfaces = this.#interfaces.length;
    const most = this.#quickMost;
    let n = 0;
    let from = at | 0;
    while (n < BATCH) {
      const start = (from + packetField.size) | 0;
      if (start > end || view.getInt32(from, true) !== BLOCK_ENHANCED) break;
      const length = view.getInt32(from + packetField.length, true);
      const captured = view.getInt32(from + packetField.capturedLength, true);
      if (length >>> 0 > MAX_BLOCK || (length & 3) !== 0 || captured >>> 0 > most) break;
      const next = (from + length) | 0;
      const stop = (start + captured) | 0;
      if (next > end || stop > ((next - BLOCK_TRAILER_LEN) | 0)) break;
      if (view.getInt32(next - BLOCK_TRAILER_LEN, true) !== length) break;
      if (view.getInt32(from + packetField.interface, true) >>> 0 >= interfaces) break;
      starts[n] = start;
      ends[n] = stop;
      n++;
      from = next;
    }
    this.count = n;
    this.#kind = BLOCK_ENHANCED;
    this.headerLength = packetField.size;
    return from;
  }

  /** The block at `at`, whatever it is, if it is all there. */
  #block(view: DataView, at: number, end: number, offset: number): number {
    this.need = BLOCK_HEADER_LEN;
    if (end - at < this.need) return at;
    const section = view.getUint32(at, true) === BLOCK_SECTION;
    if (section) {
      this.need = sectionField.size;
      if (end - at < this.need) return at;
      this.#enterSection(view, at, offset);
    }
    const little = this.#little;
    const type = view.getUint32(at, little);
    const length = view.getUint32(at + sectionField.length, little);
    const least = smallestBlock(type);
    if (length < least || length > MAX_BLOCK || length % 4 !== 0) {
      const expected = `expected a length of ${least} to ${MAX_BLOCK} bytes in fours`;
      throw this.#fault(type, `${expected}, found ${length}`, offset + at);
    }
    this.need = length;
    this.#judgeLength(view, type, at, end, offset);
    if (end - at < length) return at;
    const next = at + length;
    const again = view.getUint32(next - BLOCK_TRAILER_LEN, little);
    if (again !== length) {
      throw this.#fault(type, `expected its length ${length} again, found ${again}`, offset + at);
    }
    if (section) this.#interfaces = [];
    else if (type === BLOCK_INTERFACE) this.#addInterface(view, at, next, offset);
    else if (type === BLOCK_SECRETS) this.#keepSecrets(view, at, next);
    else if (type === BLOCK_ENHANCED || type === BLOCK_PACKET || type === BLOCK_SIMPLE) {
      this.#packet(view, type, at, next, offset);
    }
    return next;
  }

  #enterSection(view: DataView, at: number, offset: number): void {
    const magic = view.getUint32(at + sectionField.magic, true);
    const little = magic === BYTE_ORDER_MAGIC;
    if (!little && view.getUint32(at + sectionField.magic, false) !== BYTE_ORDER_MAGIC) {
      const what = `expected byte-order magic 1a2b3c4d, found ${magic.toString(16)}`;
      throw this.#fault(BLOCK_SECTION, what, offset + at);
    }
    this.#little = little;
    const major = view.getUint16(at + sectionField.major, little);
    const minor = view.getUint16(at + sectionField.minor, little);
    // 1.2 was written in error and means 1.0, as the draft says.
    if (major !== 1 || (minor !== 0 && minor !== 2)) {
      const what = `expected version 1.0, found ${major}.${minor}`;
      throw this.#fault(BLOCK_SECTION, what, offset + at);
    }
  }

  /** A packet's length is refused before its bytes are waited for. */
  #judgeLength(view: DataView, type: number, at: number, end: number, offset: number): void {
    if (type !== BLOCK_ENHANCED && type !== BLOCK_PACKET) return;
    if (end - at < packetField.size) {
      this.need = packetField.size;
      return;
    }
    this.#refuseLong(
      type,
      view.getUint32(at + packetField.capturedLength, this.#little),
      offset + at,
    );
  }

  #refuseLong(type: number, captured: number, offset: number): void {
    if (captured <= this.#maxRecord) return;
    const what = `expected a packet of at most ${this.#maxRecord} bytes, found ${captured}`;
    throw this.#fault(type, what, offset, 'ERR_CAPTURE_LENGTH');
  }

  #packet(view: DataView, type: number, at: number, next: number, offset: number): void {
    const little = this.#little;
    const number =
      type === BLOCK_ENHANCED
        ? view.getUint32(at + packetField.interface, little)
        : type === BLOCK_PACKET
          ? view.getUint16(at + packetField.interface, little)
          : 0;
    const from = this.#interfaces[number];
    if (from === undefined) {
      const known = this.#interfaces.length;
      const what = `expected one of the section's ${known} interfaces, found number ${number}`;
      throw this.#fault(type, what, offset + at);
    }
    const snap = from.snapLength || MAX_U32;
    const simple = type === BLOCK_SIMPLE;
    const start = at + (simple ? simpleField.size : packetField.size);
    // A simple packet does not say how much of it was kept.
    const captured = simple
      ? Math.min(view.getUint32(at + simpleField.originalLength, little), snap)
      : view.getUint32(at + packetField.capturedLength, little);
    this.#refuseLong(type, captured, offset + at);
    const room = next - BLOCK_TRAILER_LEN - start;
    if (captured > room) {
      const what = `expected at most ${room} captured bytes in it, found ${captured}`;
      throw this.#fault(type, what, offset + at);
    }
    if (captured > snap) this.overlong++;
    this.#table.starts[0] = start;
    this.#table.ends[0] = start + captured;
    this.count = 1;
    this.#kind = type;
    this.headerLength = start - at;
  }

  #addInterface(view: DataView, at: number, next: number, offset: number): void {
    const added = readInterface(view, at, next, this.#little);
    if (added === undefined) {
      throw this.#fault(
        BLOCK_INTERFACE,
        'expected its options within it, found one beyond',
        offset + at,
      );
    }
    if (this.#interfaces.length === MAX_INTERFACES) {
      const what = `expected at most ${MAX_INTERFACES} in a section, found more`;
      throw this.#fault(BLOCK_INTERFACE, what, offset + at);
    }
    this.#interfaces.push(added);
    this.first ??= added;
    const most = this.#interfaces.length === 1 ? this.#maxRecord : this.#quickMost;
    this.#quickMost = Math.min(most, added.snapLength || MAX_U32);
  }

  /** A damaged block of secrets costs no packet, so it is skipped like unknown ones. */
  #keepSecrets(view: DataView, at: number, next: number): void {
    const from = at + secretsField.size;
    const room = next - BLOCK_TRAILER_LEN - from;
    if (room < 0) return;
    const length = view.getUint32(at + secretsField.dataLength, this.#little);
    if (length > room || this.#secretBytes + length > MAX_SECRETS) return;
    this.#secretBytes += length;
    this.secrets.push({
      type: view.getUint32(at + secretsField.kind, this.#little),
      data: Buffer.from(Buffer.from(view.buffer, view.byteOffset + from, length)),
    });
  }

  truncation(view: DataView, length: number, offset: number): PodwireError | undefined {
    if (length === 0) {
      if (this.first !== undefined) return undefined;
      return this.#fault(BLOCK_INTERFACE, 'expected one, found the end of the file', offset);
    }
    const type = length < BLOCK_HEADER_LEN ? -1 : view.getUint32(0, this.#little);
    const whole = type < 0 || this.need <= length ? BLOCK_HEADER_LEN : this.need;
    const what = `expected ${whole} bytes, found ${length} before the end of the file`;
    return this.#fault(type, what, offset, 'ERR_CAPTURE_TRUNCATED');
  }

  #fault(type: number, what: string, offset: number, code?: ErrorCode): PodwireError {
    return blockError(type, what, { source: this.#source, offset }, code);
  }

  /** Of a simple packet, which has no time, 0. */
  seconds(view: DataView, start: number): number {
    if (this.#kind === BLOCK_SIMPLE) return 0;
    return this.#interface(view, start).clock.seconds(
      this.#high(view, start),
      this.#low(view, start),
    );
  }

  nanoseconds(view: DataView, start: number): number {
    if (this.#kind === BLOCK_SIMPLE) return 0;
    const { clock } = this.#interface(view, start);
    return clock.nanoseconds(this.#high(view, start), this.#low(view, start));
  }

  originalLength(view: DataView, start: number): number {
    return view.getUint32(start - 4, this.#little);
  }

  interfaceOf(view: DataView, start: number): CaptureInterface {
    return this.#interface(view, start);
  }

  comments(view: DataView, start: number): readonly string[] {
    if (this.#kind === BLOCK_SIMPLE) return NO_COMMENTS;
    const at = start - packetField.size;
    const end = at + view.getUint32(at + packetField.length, this.#little) - BLOCK_TRAILER_LEN;
    const captured = view.getUint32(at + packetField.capturedLength, this.#little);
    const options = start + padded(captured);
    if (options >= end) return NO_COMMENTS;
    const comments: string[] = [];
    for (const option of blockOptions(view, options, end, this.#little)) {
      if (option.code === OPTION_COMMENT) comments.push(optionText(view, option));
    }
    return comments;
  }

  #high(view: DataView, start: number): number {
    return view.getUint32(start - packetField.size + packetField.ticksHigh, this.#little);
  }

  #low(view: DataView, start: number): number {
    return view.getUint32(start - packetField.size + packetField.ticksLow, this.#little);
  }

  #interface(view: DataView, start: number): PcapngInterface {
    const at = start - packetField.size + packetField.interface;
    const number =
      this.#kind === BLOCK_SIMPLE
        ? 0
        : this.#kind === BLOCK_PACKET
          ? view.getUint16(at, this.#little)
          : view.getUint32(at, this.#little);
    return this.#interfaces[number]!;
  }
}
