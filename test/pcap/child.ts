/** Runs code of src/pcap in a process of its own: standard streams, signals, limits, memory. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { afterAll } from 'vitest';
import { transpile } from '../transpile.ts';

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Child {
  /** Writes a script that may import `openCapture` and `CaptureWriter`; gives its path. */
  script(name: string, body: string): string;
  /** Runs a line of bash, in which `node` stands for this Node. */
  bash(line: string): Promise<Ended>;
}

/** Compiles the sources once, below node_modules so that dependencies are found. */
export function compileForChildren(): Child {
  const cache = resolve('node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'podwire-pcap-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const pcap = readdirSync('src/pcap').map((file) => `pcap/${file}`);
  for (const file of ['errors.ts', 'wire/bytes.ts', 'wire/layout.ts', ...pcap]) {
    const target = join(folder, file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, transpile(readFileSync(join('src', file), 'utf8')));
  }
  return {
    script(name, body) {
      const path = join(folder, `${name}.mjs`);
      const head = `
        import fs from 'node:fs';
        import { openCapture } from './pcap/capture.js';
        import { CaptureWriter } from './pcap/writer.js';
      `;
      writeFileSync(path, head + body);
      return path;
    },
    bash(line) {
      const text = line.replaceAll('node ', `${process.execPath} `);
      return new Promise((done) => {
        const child = spawn('bash', ['-c', `set -o pipefail; ${text}`]);
        child.stdin.end();
        let stdout = '';
        let stderr = '';
        child.stdout.on('data', (piece: Buffer) => {
          stdout += piece.toString('latin1');
        });
        child.stderr.on('data', (piece: Buffer) => {
          stderr += piece.toString('utf8');
        });
        child.on('close', (status, signal) => done({ status, signal, stdout, stderr }));
      });
    },
  };
}
