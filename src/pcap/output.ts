/**
 * Where the bytes of a capture go: a file, a pipe, a descriptor or a function.
 *
 * A regular file is written as PATH.partial and renamed at the end, so PATH is
 * absent, old or whole, whatever kills the process in between.
 */
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  unlinkSync,
} from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { fileError, PodwireError } from '../errors.ts';
import { errnoOf, writeBytes } from './descriptor.ts';

const STDOUT_FD = 1;

export type Sink = (chunk: Buffer) => void;

export class Output {
  /** What messages call it. */
  readonly name: string;
  /** Nobody reads the pipe any more (EPIPE); whatever else is written is lost on purpose. */
  closedByReader = false;

  readonly #sink: Sink | undefined;
  readonly #owned: boolean;
  #fd = -1;
  /** The regular file being written, and its name once whole. */
  #partial: string | undefined = undefined;
  #final = '';
  /** Size of the file before the first byte; -1 where it cannot be cut back. */
  #sizeBefore = -1;
  #written = 0;

  /** Throws ERR_FILE where the target cannot be written. */
  constructor(target: string | number | Sink) {
    this.#owned = typeof target === 'string' && target !== '-';
    this.#sink = typeof target === 'function' ? target : undefined;
    this.name =
      typeof target === 'string' ? target : this.#sink ? 'output' : `descriptor ${target}`;
    if (this.#sink !== undefined) return;
    try {
      if (typeof target === 'number') this.#fd = target;
      else if (target === '-') this.#fd = STDOUT_FD;
      else this.#open(target as string);
      const stats = fstatSync(this.#fd);
      if (stats.isFile()) this.#sizeBefore = stats.size;
    } catch (cause) {
      if (cause instanceof PodwireError) throw cause;
      throw fileError('a file to write', cause, this.name);
    }
  }

  /**
   * Writes `bytes[0..length)` and gives how many of them arrived. That is fewer
   * only where the reader went away; any other failure is thrown as `Cut`.
   */
  write(bytes: Buffer, length: number): number {
    if (this.#sink !== undefined) {
      this.#sink(bytes.subarray(0, length));
      return length;
    }
    let at = 0;
    try {
      while (at < length) at += writeBytes(this.#fd, bytes, at, length);
    } catch (cause) {
      this.#written += at;
      if (errnoOf(cause) !== 'EPIPE') throw new Cut(at, fileError('to write', cause, this.name));
      this.closedByReader = true;
      return at;
    }
    this.#written += at;
    return at;
  }

  /**
   * After a failed write: takes the last `surplus` bytes back where that is
   * possible, and gives up the rest of the file's way to its final name.
   */
  abandon(surplus: number): void {
    const size = this.#written - surplus;
    try {
      // Only where every byte so far was appended: a descriptor may point into a larger file.
      if (this.#sizeBefore >= 0 && fstatSync(this.#fd).size === this.#sizeBefore + this.#written) {
        ftruncateSync(this.#fd, this.#sizeBefore + size);
      }
      if (this.#partial !== undefined && size === 0) unlinkSync(this.#partial);
    } catch {
      // The failure that led here is the one to report.
    }
    this.#partial = undefined;
    try {
      this.close();
    } catch {
      // As above.
    }
  }

  /** Gives a regular file its final name. Throws ERR_FILE. */
  close(): void {
    const fd = this.#fd;
    const partial = this.#partial;
    this.#fd = -1;
    this.#partial = undefined;
    if (fd < 0 || !this.#owned) return;
    try {
      closeSync(fd);
      if (partial !== undefined) renameSync(partial, this.#final);
    } catch (cause) {
      throw fileError('to finish writing', cause, this.name);
    }
  }

  #open(path: string): void {
    if (path === '') throw new PodwireError('ERR_FILE', 'expected a file to write, found no name');
    const present = statOf(path);
    if (present?.isDirectory()) {
      throw new PodwireError('ERR_FILE', 'expected a file to write, found a directory', {
        source: path,
      });
    }
    const final = present === undefined ? linkTarget(path) : realpathSync(path);
    if (present !== undefined && !sameFile(present, statOf(final))) {
      // A FIFO or a device, or /dev/stdout on a file that has no name any more.
      this.#fd = openSync(path, constants.O_WRONLY);
      return;
    }
    // A rename would replace a file that open(2) would refuse to write.
    if (present !== undefined) accessSync(final, constants.W_OK);
    const partial = `${final}.partial`;
    // Left by a killed run, or a link planted there: replaced, never followed.
    rmSync(partial, { force: true });
    this.#fd = openSync(partial, 'wx');
    this.#partial = partial;
    this.#final = final;
    if (present !== undefined) fchmodSync(this.#fd, present.mode & 0o777);
  }
}

/** A write that failed after `arrived` of its bytes. */
export class Cut {
  readonly arrived: number;
  readonly error: PodwireError;

  constructor(arrived: number, error: PodwireError) {
    this.arrived = arrived;
    this.error = error;
  }
}

const statOf = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

const sameFile = (a: Stats, b: Stats | undefined): boolean =>
  a.isFile() && b !== undefined && a.dev === b.dev && a.ino === b.ino;

/**
 * The name that creating `path` would give the file: open(2) follows links to
 * nothing. stat(2) has looked already, so they do not run in a circle.
 */
function linkTarget(path: string): string {
  let at = path;
  while (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) {
    const link = readlinkSync(at);
    // Not path.join: it would resolve `..` by text, and the folder may be a link itself.
    at = isAbsolute(link) ? link : `${dirname(at)}/${link}`;
  }
  return at;
}
