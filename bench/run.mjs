/**
 * `npm run bench [-- PART…] [--quick]`: every question of the benchmark, or those that are
 * named, each in a process of its own. Competitors take turns round by round, so that a
 * noisy machine disturbs all alike; read the ratios, not the absolute figures. A run of
 * all writes bench/result.md and bench/result.svg; `--quick` only shows that all work.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { absent, summary } from './figures.mjs';
import { plotRatios } from './plot.mjs';
import { progress } from './tool.mjs';

const ROUNDS = 9;
const QUICK_ROUNDS = 3;
/** Of a part that does not come to an end. */
const LIMIT_MS = 600_000;
const PARTS = {
  lpm: () => import('./lpm.mjs'),
  kernel: () => import('./kernel-path.mjs'),
  files: () => import('./file-to-file.mjs'),
  building: () => import('./building.mjs'),
  reading: () => import('./pcap.mjs'),
  checksum: () => import('./checksum.mjs'),
  fibs: () => import('./node-fibs.mjs'),
  nodes: () => import('./nodes.mjs'),
  memory: () => import('./replay-memory.mjs'),
  wireguard: () => import('./wireguard.mjs'),
  podwire: () => import('./pod-to-pod.mjs'),
};
const SCRIPT = fileURLToPath(import.meta.url);

const quick = process.argv.includes('--quick');
const rounds = quick ? QUICK_ROUNDS : ROUNDS;

/** In the part's own process: Markdown and figures as JSON into `answer`. */
async function runPart(name, folder, answer) {
  const { bench } = await PARTS[name]();
  const found = await bench({ rounds, quick, folder });
  progress('');
  writeFileSync(answer, JSON.stringify(found));
  // What a failed competitor left open is not to hold up the others.
  process.exit();
}

function askPart(name) {
  progress(`${name} …`);
  const folder = mkdtempSync(join(tmpdir(), 'podwire-bench-'));
  const answer = join(folder, 'answer.json');
  const words = ['--part', name, folder, answer, ...(quick ? ['--quick'] : [])];
  try {
    const options = { stdio: 'inherit', timeout: LIMIT_MS };
    const { status } = spawnSync(process.execPath, [SCRIPT, ...words], options);
    if (status === 0) return JSON.parse(readFileSync(answer, 'utf8'));
    process.exitCode = 1;
    return {
      markdown: '',
      figures: [absent(name, status === null ? 'this part took too long' : 'this part failed')],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(figures, sections) {
  const missing = figures.filter(({ why }) => why !== undefined).length;
  const short = '**A quick run: it shows that everything works; its figures judge nothing.**\n\n';
  return `# Benchmark

${cpus()[0]?.model.trim() ?? 'Unknown processor'}, Node ${process.version}, ${rounds} interleaved rounds. Ratios are of the competitors'
processor time, round by round, unless their section says otherwise; all gave the same answers before they were timed.
The machine may be shared: compare rows of one run, not runs. ${missing === 0 ? 'Nothing was missing on this machine.' : `Not measured on this machine: ${missing} of the rows, which say why.`}

${quick ? short : ''}${summary(figures)}
![Ratios and goals](result.svg)

${sections.join('\n')}`;
}

function main() {
  const asked = process.argv.slice(2).filter((word) => !word.startsWith('--'));
  const unknown = asked.filter((name) => PARTS[name] === undefined);
  if (unknown.length > 0) {
    throw new Error(`expected ${Object.keys(PARTS).join(', ')}, found ${unknown.join(', ')}`);
  }
  const found = (asked.length > 0 ? asked : Object.keys(PARTS)).map(askPart);
  const figures = found.flatMap((part) => part.figures);
  const text = report(
    figures,
    found.map((part) => part.markdown),
  );
  if (!quick && asked.length === 0) {
    writeFileSync(new URL('result.md', import.meta.url), text);
    const drawing = plotRatios('podwire beside others', figures);
    writeFileSync(new URL('result.svg', import.meta.url), drawing);
  }
  process.stdout.write(text);
}

const part = process.argv.indexOf('--part');
if (part > 0) await runPart(...process.argv.slice(part + 1, part + 4));
else main();
