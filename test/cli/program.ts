/** The command line as a process of its own, compiled from source once per test file. */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { afterAll } from 'vitest';
import { transpile } from '../transpile.ts';

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  /** Runs `podwire ARGS`. */
  podwire(args: readonly string[], input?: string | Buffer): Ended;
  /** Runs a line of bash in which `podwire` is the program. */
  bash(line: string): Ended;
  /** A scratch folder, removed afterwards. */
  readonly folder: string;
}

export function compileProgram(): Program {
  const cache = resolve('node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const root = mkdtempSync(join(cache, 'podwire-cli-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  copyFileSync('package.json', join(root, 'package.json'));
  for (const file of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.endsWith('.d.ts')) continue;
    const target = join(root, 'src', file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, transpile(readFileSync(join('src', file), 'utf8')));
  }
  const folder = join(root, 'scratch');
  mkdirSync(folder);
  const main = join(root, 'src', 'cli', 'main.js');
  const run = (command: string, args: readonly string[], input?: string | Buffer): Ended => {
    const env = { ...process.env, NO_COLOR: '1', NODE_NO_WARNINGS: '1' };
    const { status, stdout, stderr } = spawnSync(command, args, {
      input: input ?? '',
      env,
      maxBuffer: 2 ** 28,
    });
    return { status, stdout: stdout.toString('latin1'), stderr: stderr.toString('utf8') };
  };
  return {
    folder,
    podwire: (args, input) => run(process.execPath, [main, ...args], input),
    bash: (line) =>
      run('bash', [
        '-c',
        `set -o pipefail; podwire() { ${process.execPath} ${main} "$@"; }; ${line}`,
      ]),
  };
}
