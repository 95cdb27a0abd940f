/**
 * Blocking reads and writes on file descriptors that may be non-blocking:
 * standard input and output share their flags with whoever started us, and
 * Node has no synchronous wait for such a descriptor but to try again.
 */
import { readSync, writeSync } from 'node:fs';

const bell = new Int32Array(new SharedArrayBuffer(4));
const pause = (milliseconds: number): void => {
  Atomics.wait(bell, 0, 0, milliseconds);
};

const SHORTEST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 16;

/** The `errno` name of what a call of `node:fs` threw, or an empty text. */
export function errnoOf(cause: unknown): string {
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : '';
}

/** Fills `into` from its start with what is there, waiting for the first byte; 0 at the end. */
export function readBytes(fd: number, into: Buffer): number {
  for (let wait = SHORTEST_PAUSE_MS; ; wait = Math.min(2 * wait, LONGEST_PAUSE_MS)) {
    try {
      return readSync(fd, into, 0, into.length, null);
    } catch (cause) {
      // Windows reports the end of a pipe as an error.
      if (errnoOf(cause) === 'EOF') return 0;
      if (errnoOf(cause) !== 'EAGAIN') throw cause;
      pause(wait);
    }
  }
}

/**
 * Writes `bytes[start..end)` as far as one call goes, waiting until there is
 * room for a byte. Gives the number written, never 0 unless nothing was asked.
 */
export function writeBytes(fd: number, bytes: Buffer, start: number, end: number): number {
  for (let wait = SHORTEST_PAUSE_MS; ; wait = Math.min(2 * wait, LONGEST_PAUSE_MS)) {
    try {
      const written = writeSync(fd, bytes, start, end - start, null);
      if (written > 0 || start === end) return written;
    } catch (cause) {
      if (errnoOf(cause) !== 'EAGAIN') throw cause;
    }
    pause(wait);
  }
}
