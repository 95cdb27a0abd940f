/** Files of pasted output: one file, standard input, or a folder with a folder or file per node. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileError, PodwireError } from '../errors.ts';

export interface DumpFile {
  readonly text: string;
  /** What messages call it. */
  readonly source: string;
  /** Path below the folder that was asked for, with `/`: it may name the node and the command. */
  readonly path: string;
}

const MAX_FILES = 10_000;
const MAX_DEPTH = 4;
/** Characters of one file. */
const MAX_LENGTH = 64 * 2 ** 20;
/** What lies beside dumps and is none. */
const OTHER = /\.(pcap|pcapng|gz|tgz|zip|png|jpe?g|pdf)$/i;

/**
 * `path`: a file, `-` for standard input, or a folder, which is read with its
 * folders. Hidden files, captures, archives and files with NUL bytes are passed over.
 * Throws ERR_FILE.
 */
export function readDumps(path: string): DumpFile[] {
  const files: DumpFile[] = [];
  if (path === '-') return [{ text: read(0, '-').toString('utf8'), source: '-', path: '' }];
  if (!isFolder(path)) {
    const name = path.split(/[/\\]/).at(-1) ?? path;
    return [{ text: read(path, path).toString('utf8'), source: path, path: name }];
  }
  collect(path, '', 1, files);
  if (files.length > 0) return files;
  throw new PodwireError('ERR_FILE', 'expected files of pasted output in the folder, found none', {
    source: path,
  });
}

function collect(folder: string, below: string, depth: number, files: DumpFile[]): void {
  for (const name of readdirSync(folder).sort()) {
    const source = join(folder, name);
    const path = below === '' ? name : `${below}/${name}`;
    if (name.startsWith('.') || OTHER.test(name)) continue;
    if (isFolder(source)) {
      if (depth < MAX_DEPTH) collect(source, path, depth + 1, files);
      continue;
    }
    if (files.length === MAX_FILES) {
      throw new PodwireError('ERR_FILE', `expected at most ${MAX_FILES} files, found more`, {
        source: folder,
      });
    }
    const bytes = read(source, source);
    if (bytes.subarray(0, 4096).includes(0)) continue;
    files.push({ text: bytes.toString('utf8'), source, path });
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    throw fileError('a readable file or folder', cause, path);
  }
}

function read(file: string | number, source: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw fileError('a readable file or folder', cause, source);
  }
  if (bytes.length <= MAX_LENGTH) return bytes;
  const message = `expected at most ${MAX_LENGTH} bytes, found ${bytes.length}`;
  throw new PodwireError('ERR_FILE', message, { source });
}
