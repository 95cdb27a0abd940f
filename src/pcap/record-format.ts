/**
 * How a capture format tells its records apart. A scan looks at the bytes at
 * hand in one loop and notes where each packet stands; everything else about a
 * record is read later, by whoever asks.
 */
import type { PodwireError } from '../errors.ts';

/** Records a scan notes at most. The two tables stay in the processor's first cache. */
export const BATCH = 2048;

/** Where packets come from: the only interface of a pcap, one of many in a pcapng. */
export interface CaptureInterface {
  /** LINKTYPE_ number, 1 for Ethernet. */
  readonly linkType: number;
  /** Bytes of frame check sequence at the end of each frame; 0 where the file does not say. */
  readonly fcsLength: number;
  /** The longest record the writer promised, bytes; 0 is no promise. */
  readonly snapLength: number;
  /** Times are finer than microseconds. */
  readonly nanosecond: boolean;
  /** pcapng only: at most 255 characters are kept, of a file that may lie. */
  readonly name?: string;
  readonly description?: string;
}

/** What is needed to open a protocol; `type` 0x57474b4c is a WireGuard key log. */
export interface CaptureSecrets {
  readonly type: number;
  readonly data: Buffer;
}

/** A scan's results: the packet of record n is `starts[n]` to `ends[n]`. */
export interface RecordTable {
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

export interface RecordFormat {
  readonly name: 'pcap' | 'pcapng';
  /** The file's, or of the present section. */
  readonly bigEndian: boolean;
  /** The first interface is known: records may follow. */
  readonly first: CaptureInterface | undefined;
  /** Records noted by the last scan. */
  readonly count: number;
  /** Bytes between the beginning of a noted record and its packet. */
  readonly headerLength: number;
  /** Records so far that were longer than their interface's snap length. */
  readonly overlong: number;
  /** Bytes that must be there, from where the last scan stopped, for the next to get any further. */
  readonly need: number;
  readonly secrets: readonly CaptureSecrets[];
  /** Longest packet of a record whose header is as pcap.ts has it, little-endian; -1 where that says nothing. */
  readonly plainMost: number;

  /**
   * Notes the whole records in `view[at..end)`, `offset` being the file offset
   * of `view`. Gives where it stopped. Throws ERR_CAPTURE_FORMAT and
   * ERR_CAPTURE_LENGTH, but never while a sound record is noted.
   */
  scan(view: DataView, at: number, end: number, offset: number): number;

  /** What is wrong with an input whose last `length` bytes, in `view`, are less than `need`. */
  truncation(view: DataView, length: number, offset: number): PodwireError | undefined;

  // Of the noted record whose packet begins at `start`.
  seconds(view: DataView, start: number): number;
  nanoseconds(view: DataView, start: number): number;
  originalLength(view: DataView, start: number): number;
  interfaceOf(view: DataView, start: number): CaptureInterface;
  comments(view: DataView, start: number): readonly string[];
}

export const NO_COMMENTS: readonly string[] = [];
