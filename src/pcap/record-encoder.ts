/** How a capture format writes its records into a buffer. */
import type { NewHeader } from './pcap.ts';

export interface NewCapture extends NewHeader {
  readonly interfaceName: string | undefined;
}

export interface RecordEncoder {
  readonly name: 'pcap' | 'pcapng';
  /** What stands before the first record. */
  readonly head: Buffer;
  /** The last second whose times can be written. */
  readonly maxSeconds: number;
  /** Units of the fraction in a second, where records are those of a little-endian pcap. */
  readonly perSecond: number | undefined;

  /** Bytes of the record that the next `put` writes. */
  prepare(captured: number, comment: string): number;

  /** Writes all of a record but the packet; gives where that belongs. */
  put(
    view: DataView,
    at: number,
    seconds: number,
    nanoseconds: number,
    captured: number,
    originalLength: number,
  ): number;

  /** A whole block of secrets, in a format that has such blocks. */
  secrets(type: number, data: Buffer): Buffer | undefined;

  /** The end of what begins at `at`. */
  after(view: DataView, at: number): number;
  isPacket(view: DataView, at: number): boolean;
}
