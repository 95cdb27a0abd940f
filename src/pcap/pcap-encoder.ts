/** Records of a classic capture, written; see pcap.ts for the picture. */
import { FILE_HEADER_LEN, MAX_U32, putFileHeader, RECORD_HEADER_LEN, recordField } from './pcap.ts';
import type { NewCapture, RecordEncoder } from './record-encoder.ts';

export class PcapEncoder implements RecordEncoder {
  readonly name = 'pcap';
  readonly head: Buffer = Buffer.alloc(FILE_HEADER_LEN);
  readonly maxSeconds: number = MAX_U32;
  readonly perSecond: number | undefined;
  readonly #little: boolean;
  readonly #scale: number;

  constructor(capture: NewCapture) {
    putFileHeader(this.head, 0, capture);
    this.#little = !capture.bigEndian;
    this.#scale = capture.nanosecond ? 1 : 1000;
    this.perSecond = this.#little ? 1_000_000_000 / this.#scale : undefined;
  }

  prepare(captured: number): number {
    return RECORD_HEADER_LEN + captured;
  }

  put(
    view: DataView,
    at: number,
    seconds: number,
    nanoseconds: number,
    captured: number,
    originalLength: number,
  ): number {
    const little = this.#little;
    view.setUint32(at + recordField.seconds, seconds, little);
    view.setUint32(at + recordField.fraction, nanoseconds / this.#scale, little);
    view.setUint32(at + recordField.capturedLength, captured, little);
    view.setUint32(at + recordField.originalLength, originalLength, little);
    return at + RECORD_HEADER_LEN;
  }

  secrets(): undefined {
    return undefined;
  }

  after(view: DataView, at: number): number {
    const captured = view.getUint32(at + recordField.capturedLength, this.#little);
    return at + RECORD_HEADER_LEN + captured;
  }

  isPacket(): boolean {
    return true;
  }
}
