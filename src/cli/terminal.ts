/** Standard output and standard error, for a program whose output others read. */
import { writeSync } from 'node:fs';

/** The reader of our output went away: there is nobody left to tell. */
export class ReaderGone extends Error {}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      if (code === 'EPIPE') throw new ReaderGone();
      if (code !== 'EAGAIN') throw cause;
      // A pipe whose reader is slow: wait for it.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** What was asked for: data, tables, traces. */
export const print = (text: string): void => writeAll(1, Buffer.from(text));

/** The same in bytes: a capture on its way into a pipe. */
export const printBytes = (bytes: Buffer): void => writeAll(1, bytes);

/** What else there is to say: summaries beside data, warnings, errors. */
export function tell(text: string): void {
  try {
    writeAll(2, Buffer.from(text));
  } catch {
    // Nothing is left to say it with.
  }
}

export const printJson = (value: unknown): void => print(`${JSON.stringify(value, null, 2)}\n`);
