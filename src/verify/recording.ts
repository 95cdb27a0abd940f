/**
 * What a capture of an interface holds, read once and kept: a recording is gone through
 * many times, from several sides, and once for each run of its network.
 */
import { isBefore, type Moment } from '../packet/moment.ts';
import { openCapture } from '../pcap/capture.ts';

export interface CapturedFrame extends Moment {
  readonly bytes: Buffer;
  /** Bytes on the wire; more than are here where the capture cut the frame. */
  readonly originalLength: number;
}

/** Frames in the order of their times. */
export type Recording = readonly CapturedFrame[];

/** For a sort. */
export const byTime = (a: Moment, b: Moment): number =>
  isBefore(a, b) ? -1 : Number(isBefore(b, a));

/** Throws what reading a capture throws: ERR_FILE, ERR_CAPTURE_… with the file. */
export const readRecording = (file: string): Recording =>
  [...openCapture(file)].map(({ bytes, seconds, nanoseconds, originalLength }) => ({
    bytes: Buffer.from(bytes),
    seconds,
    nanoseconds,
    originalLength,
  }));
