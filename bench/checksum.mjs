/**
 * The Internet checksum of 1,500 B: podwire's two ways, in WebAssembly where packets lie and
 * in TypeScript anywhere else, beside C. gcc, where it is there, builds the latter.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Competitor, serve } from './competitor.mjs';
import { absent, figure, ratios } from './figures.mjs';
import { hasTool, median, progress, rate, ratioText, shown } from './tool.mjs';

const LENGTH = 1500;
const SLOT = 2048;
/** Few enough for the first cache, which is not what is measured. */
const PACKETS = 8;
const ROUND_MS = 100;
const SELF = fileURLToPath(import.meta.url);
const SOURCE = fileURLToPath(new URL('checksum.c', import.meta.url));
const WAYS = [
  { way: 'wasm', name: 'podwire, WebAssembly', goal: 0.85 },
  { way: 'typescript', name: 'podwire, TypeScript', goal: 0.2 },
];
/** The goals name -O3 alone. */
const BUILDS = [{ flags: ['-O3'], hasGoal: true }, { flags: ['-O3', '-march=native'] }];

/** The library exports no checksum of its own: its module, bundled as the library is. */
async function load(contents) {
  // tsup brings esbuild.
  const { build } = createRequire(createRequire(import.meta.url).resolve('tsup'))('esbuild');
  const resolveDir = fileURLToPath(new URL('..', import.meta.url));
  const { outputFiles } = await build({
    stdin: { contents, resolveDir },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
  });
  return import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`
  );
}

async function work(way, file) {
  const isWasm = way === 'wasm';
  const sums = "export { add, finish } from './src/wire/checksum.ts';";
  const arena = "export { bytes } from './src/packet/arena.ts';";
  const { add, finish, bytes } = await load(isWasm ? sums + arena : sums);
  const content = readFileSync(file);
  const packets = bytes ?? Buffer.alloc(content.length);
  content.copy(packets);
  const pass = () => {
    let sum = 0;
    for (let at = 0; at < PACKETS * SLOT; at += SLOT) sum += finish(add(0, packets, at, LENGTH));
    return sum;
  };
  let held = 0;
  const batch = () => {
    for (let n = 0; n < 256; n++) held += pass();
  };
  serve({ sum: pass, rate: (ms) => (held < 0 ? 0 : rate(batch, 256 * PACKETS, ms)) });
}

export async function bench({ rounds, folder }) {
  const file = join(folder, 'packets');
  writeFileSync(
    file,
    Buffer.from({ length: PACKETS * SLOT }, () => 0).map((_, i) => (i * 31) ^ (i >> 5)),
  );
  const contestants = WAYS.map(({ way, ...rest }) => {
    return { ...rest, at: new Competitor(process.execPath, [SELF, '--worker', way, file]) };
  });
  const isHere = hasTool('gcc');
  for (const { flags, hasGoal = false } of isHere ? BUILDS : []) {
    const program = join(folder, `checksum${flags.join('')}`);
    if (spawnSync('gcc', [...flags, SOURCE, '-o', program], { stdio: 'inherit' }).status !== 0) {
      throw new Error('gcc cannot build checksum.c');
    }
    const at = new Competitor(program, [file, String(LENGTH)]);
    contestants.push({ name: `C, gcc ${flags.join(' ')}`, at, isNative: true, hasGoal });
  }
  const expected = await contestants[0].at.ask('sum');
  for (const { name, at } of contestants) {
    const found = await at.ask('sum');
    if (found !== expected) throw new Error(`${name} sums up to ${found}, not ${expected}`);
  }
  const rates = contestants.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    progress(`checksum: round ${round} of ${rounds}`);
    for (const [i, { at }] of contestants.entries()) {
      const found = await at.ask('rate', ROUND_MS);
      // The first is for the compiler.
      if (round > 0) rates[i].push(found);
    }
  }
  for (const { at } of contestants) at.close();
  const natives = contestants.flatMap(({ name, isNative, hasGoal }, i) =>
    isNative ? [{ name, i, hasGoal }] : [],
  );
  const rows = contestants.map(({ name }, i) => {
    const beside = natives.map((native) => ratioText(rates[i], rates[native.i]));
    return `| ${[name, shown(median(rates[i])), ...beside].join(' | ')} |`;
  });
  const figures = WAYS.flatMap(({ name, goal }, i) =>
    natives.length === 0
      ? [absent(`checksum of 1,500 B, ${name} vs C -O3`, 'gcc is not installed')]
      : natives.map((native) =>
          figure(
            `checksum of 1,500 B, ${name} vs ${native.name}`,
            ratios(rates[i], rates[native.i]),
            native.hasGoal ? { goal } : {},
          ),
        ),
  );
  const heads = natives.map(({ name }) => `beside ${name}`);
  const markdown = `## Checksum of 1,500 B

All packets in the first cache; no copying. All found the same checksums before. The goals name C with -O3; with
-march=native gcc has vectors of 512 bits here, WebAssembly of 128, and such C was what they were once estimated from.

| way | ${['per CPU second', ...heads].join(' | ')} |
| --- | --- |${' --- |'.repeat(heads.length)}
${rows.join('\n')}
${isHere ? '' : '\nNot on this machine: gcc.\n'}`;
  return { markdown, figures };
}

if (process.argv[2] === '--worker') await work(...process.argv.slice(3));
