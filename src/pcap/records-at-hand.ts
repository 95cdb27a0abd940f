/** Records that have been read but not reached: for who takes many at once, past `advance`. */
export interface RecordsAtHand {
  /**
   * Longest packet of a record that may be taken so, in a capture whose records are those of a
   * little-endian pcap (pcap.ts has the picture); -1 in another.
   */
  readonly plainMost: number;
  /** The present record and those behind it are in `bytes[recordStart..handEnd)`, the last one cut. */
  readonly bytes: Buffer;
  readonly recordStart: number;
  readonly handEnd: number;
  /** The whole records before `at` were taken: `advance` goes to the next one. */
  skipTo(at: number): void;
}
