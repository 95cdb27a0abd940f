/** Captures to test with: real ones where they are at hand, and made ones, byte by byte. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll } from 'vitest';
import type { Capture } from '../../src/pcap/capture.ts';

/** A record as the tests compare it; `data` is a copy, in hexadecimal. */
export interface Plain {
  seconds: number;
  nanoseconds: number;
  data: string;
  originalLength: number;
  offset: number;
}

/** Everything until the end or the first fault. */
export function drain(capture: Capture): { records: Plain[]; fault: unknown } {
  const records: Plain[] = [];
  try {
    while (capture.advance()) {
      records.push({
        seconds: capture.seconds,
        nanoseconds: capture.nanoseconds,
        data: capture.bytes.toString('hex', capture.start, capture.end),
        originalLength: capture.originalLength,
        offset: capture.offset,
      });
    }
  } catch (fault) {
    return { records, fault };
  }
  return { records, fault: undefined };
}

/** A folder that is gone after the tests of the file. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-pcap-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const shared = resolve(process.cwd(), '../shared');

/** Captures of real Calico clusters and of Linux; empty, and loudly so, where absent. */
export function realCaptures(): string[] {
  const files = ['captures', 'oracle/out'].flatMap((folder) => filesBelow(join(shared, folder)));
  if (files.length === 0) console.warn(`SKIPPED: no real captures under ${shared}`);
  return files;
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.pcap'))
    .sort()
    .map((file) => join(folder, file));
}

/** The generator of hostile captures and judge of readers. */
export const hostileScript = join(shared, 'corpora-expected.sh');

export interface HeaderValues {
  magic?: number;
  major?: number;
  minor?: number;
  snapLength?: number;
  link?: number;
}

/** Captures put together with Buffer's own methods, apart from the code under test. */
export class Maker {
  readonly bigEndian: boolean;

  constructor(bigEndian = false) {
    this.bigEndian = bigEndian;
  }

  u32(value: number): Buffer {
    const b = Buffer.alloc(4);
    if (this.bigEndian) b.writeUInt32BE(value);
    else b.writeUInt32LE(value);
    return b;
  }

  u16(value: number): Buffer {
    const b = Buffer.alloc(2);
    if (this.bigEndian) b.writeUInt16BE(value);
    else b.writeUInt16LE(value);
    return b;
  }

  header({
    magic = 0xa1b2c3d4,
    major = 2,
    minor = 4,
    snapLength = 262144,
    link = 1,
  }: HeaderValues = {}): Buffer {
    return Buffer.concat([
      this.u32(magic),
      this.u16(major),
      this.u16(minor),
      Buffer.alloc(8),
      this.u32(snapLength),
      this.u32(link),
    ]);
  }

  record(
    data: Buffer,
    {
      seconds = 1,
      fraction = 0,
      captured = data.length,
      original = data.length,
      extra = Buffer.alloc(0),
    } = {},
  ): Buffer {
    const head = [seconds, fraction, captured, original].map((value) => this.u32(value));
    return Buffer.concat([...head, extra, data]);
  }
}
