/**
 * Frames of real captures for the tests below, read by the plainest possible
 * reader, which shares no code with src/pcap.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

export interface CapturedFrame {
  readonly seconds: number;
  /** Microseconds. */
  readonly fraction: number;
  readonly bytes: Buffer;
  readonly originalLength: number;
}

export interface CapturedFile {
  readonly path: string;
  readonly linkType: number;
  readonly frames: readonly CapturedFrame[];
}

const shared = resolve(process.cwd(), '../shared');
const MICROSECOND_LITTLE_ENDIAN = 0xa1b2c3d4;

export function readCaptured(path: string): CapturedFile {
  const file = readFileSync(path);
  if (file.readUInt32LE(0) !== MICROSECOND_LITTLE_ENDIAN) throw new Error(`${path}: other pcap`);
  const frames: CapturedFrame[] = [];
  for (let at = 24; at < file.length; ) {
    const length = file.readUInt32LE(at + 8);
    frames.push({
      seconds: file.readUInt32LE(at),
      fraction: file.readUInt32LE(at + 4),
      bytes: file.subarray(at + 16, at + 16 + length),
      originalLength: file.readUInt32LE(at + 12),
    });
    at += 16 + length;
  }
  return { path, linkType: file.readUInt32LE(20), frames };
}

/** A capture below ../shared, or `undefined` with a warning where it is not there. */
export function captured(name: string): CapturedFile | undefined {
  const path = resolve(shared, name);
  if (existsSync(path)) return readCaptured(path);
  console.warn(`SKIPPED: ${name} is not here, so nothing was compared with it`);
  return undefined;
}

/** All captures of the oracle, sorted by path; none, with a warning, where it is not there. */
export function oracleCaptures(): CapturedFile[] {
  const root = resolve(shared, 'oracle/out');
  if (!existsSync(root)) {
    console.warn('SKIPPED: the oracle is not here, so nothing was compared with it');
    return [];
  }
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.pcap'))
    .sort()
    .map((name) => readCaptured(resolve(root, name)));
}
