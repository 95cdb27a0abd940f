/**
 * Many frames that differ in a few fields, as a traffic generator sends them: identifications,
 * ports, addresses and sequence numbers that count up, with every checksum over them. Into a
 * plain pcap they go in batches, about as fast as memory is copied.
 */
import { found, PodwireError } from '../errors.ts';
import { RECORD_HEADER_LEN, recordField } from '../pcap/pcap.ts';
import { type CaptureWriter, plainRecords } from '../pcap/writer.ts';
import { kernel, type Memory, makeMemory } from '../wasm/module.ts';
import { buildParts } from './build.ts';
import type { Layer } from './layer.ts';
import { placeField, type SeriesField } from './series-field.ts';
import { head, programOf, step } from './series-program.ts';

/** When the frames of a series were sent. */
export interface SeriesTimes {
  /** Of the first; since 1970. 0. */
  readonly seconds?: number;
  /** Of the first, below 10^9. 0. */
  readonly nanoseconds?: number;
  /** From one frame to the next, in nanoseconds; 1000. A pcap in microseconds drops the last three digits. */
  readonly interval?: number;
}

/** Bytes of records made and written at a time: Linux keeps a file in larger pieces, and faster, the more come at once. */
const BATCH = 1024 * 1024;
/** The kernel copies 16 bytes a turn. */
const SLACK = 16;
const BILLION = 1_000_000_000;

export class FrameSeries {
  readonly #memory: Memory;
  readonly #program: Uint32Array;
  readonly #template: Buffer;
  readonly #record: Buffer;
  /** Of the first record of a batch. */
  readonly #out: number;
  readonly #records: ((out: number, count: number) => void) | undefined;

  /**
   * The first frame is `buildFrame(layers)`; fields count from what stands there. A length or
   * checksum that a layer gives stays as it is. Throws ERR_FRAME as `buildFrame` does, and for
   * fields that are not there.
   */
  constructor(layers: readonly Layer[], fields: readonly SeriesField[]) {
    const frame = buildParts(layers);
    const placed = fields.map((field) => placeField(frame.parts, field));
    const program = programOf(frame, placed, RECORD_HEADER_LEN);
    const recordLength = RECORD_HEADER_LEN + frame.bytes.length;
    const templateAt = (program.byteLength + 15) & ~15;
    this.#out = (templateAt + recordLength + SLACK + 15) & ~15;
    this.#memory = makeMemory(this.#out + Math.max(BATCH, recordLength) + SLACK);
    const { buffer } = this.#memory;
    this.#program = new Uint32Array(buffer, 0, program.length);
    this.#program.set(program);
    this.#program[head.template] = templateAt;
    this.#template = Buffer.from(buffer, templateAt, recordLength);
    this.#template.writeUInt32LE(frame.bytes.length, recordField.capturedLength);
    this.#template.writeUInt32LE(frame.bytes.length, recordField.originalLength);
    frame.bytes.copy(this.#template, RECORD_HEADER_LEN);
    this.#record = Buffer.from(this.#template);
    this.#records = kernel('series', this.#memory)?.records;
  }

  /** The next frame; its bytes stay until the next call. */
  next(): Buffer {
    step(this.#program, this.#record);
    return this.#record.subarray(RECORD_HEADER_LEN);
  }

  /** Adds the next `count` frames to a capture. Throws ERR_USAGE for times and counts that are none. */
  write(writer: CaptureWriter, count: number, times: SeriesTimes = {}): void {
    const { seconds = 0, nanoseconds = 0, interval = 1000 } = times;
    whole('count', count, Number.MAX_SAFE_INTEGER);
    whole('seconds', seconds, 0xffff_ffff);
    whole('nanoseconds', nanoseconds, BILLION - 1);
    whole('interval', interval, 0xffff_ffff * BILLION);
    const plain = plainRecords(writer, this.#record.length - RECORD_HEADER_LEN);
    const make = this.#records;
    if (plain === undefined || make === undefined || interval % (BILLION / plain.perSecond) !== 0) {
      this.#writeEach(writer, count, seconds, nanoseconds, interval);
      return;
    }
    const scale = BILLION / plain.perSecond;
    this.#program[head.seconds] = seconds;
    this.#program[head.fraction] = Math.floor(nanoseconds / scale);
    this.#program[head.stepSeconds] = Math.floor(interval / BILLION);
    this.#program[head.stepFraction] = (interval % BILLION) / scale;
    this.#program[head.perSecond] = plain.perSecond;
    const { length } = this.#record;
    const most = Math.max(1, Math.floor(BATCH / length));
    for (let left = count; left > 0; left -= most) {
      const batch = Math.min(left, most);
      make(this.#out, batch);
      plain.append(Buffer.from(this.#memory.buffer, this.#out, batch * length), batch);
    }
  }

  #writeEach(
    writer: CaptureWriter,
    count: number,
    seconds: number,
    nanoseconds: number,
    interval: number,
  ): void {
    let second = seconds;
    let nanosecond = nanoseconds;
    for (let n = 0; n < count; n++) {
      writer.write(second, nanosecond, this.next());
      nanosecond += interval % BILLION;
      second += Math.floor(interval / BILLION) + Math.floor(nanosecond / BILLION);
      nanosecond %= BILLION;
    }
  }
}

function whole(what: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= most) return;
  throw new PodwireError(
    'ERR_USAGE',
    `${what}: expected an integer from 0 to ${most}, found ${found(value)}`,
  );
}
