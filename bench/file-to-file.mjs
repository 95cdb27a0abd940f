/** Captures in and out: what goes through podwire's cluster beside what tools copy. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CaptureWriter, FrameSeries, loadCluster, openCapture } from '../dist/index.js';
import { Competitor } from './competitor.mjs';
import { absent, figure, ratios } from './figures.mjs';
import { FIXTURE, SENDER, udpLayers } from './pods.mjs';
import { hasTool, median, progress, ratioText, shown, timed } from './tool.mjs';

const PROGRAM = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const IN_PROCESS = fileURLToPath(new URL('replay-rate.mjs', import.meta.url));
/** Replays of a round inside one process, and those before the first round. */
const TIMES = 5;
/** What a cluster does to a packet in them. */
const PROFILES = { full: 'full', routes: 'routes only' };

/** Packets of many flows from one pod to another, as the pod's wire has them. */
function writeFlows(file, size, packets) {
  const cluster = loadCluster(FIXTURE);
  const series = new FrameSeries(udpLayers(cluster, size), [
    { layer: 1, field: 'id' },
    { layer: 2, field: 'srcPort', span: 1000 },
  ]);
  const writer = new CaptureWriter(file);
  series.write(writer, packets, { seconds: 1_700_000_000 });
  writer.close();
}

const replayed = (from, to) =>
  timed(process.execPath, [
    ...[PROGRAM, 'replay', FIXTURE, '--inject', `${SENDER.pod}:eth0=${from}`],
    ...['--capture', `${SENDER.node}:enp1s0=${to}`],
  ]).seconds;
const FILE_TOOLS = [
  {
    name: 'tcprewrite --enet-dmac',
    tool: 'tcprewrite',
    goal: 10,
    run: (from, to) =>
      timed('tcprewrite', [`--infile=${from}`, `--outfile=${to}`, '--enet-dmac=02:00:00:00:00:02'])
        .seconds,
  },
  {
    name: 'tcpdump -r -w',
    tool: 'tcpdump',
    goal: 5,
    run: (from, to) => timed('tcpdump', ['-Z', 'root', '-r', from, '-w', to]).seconds,
  },
];

/** Rates by round: of whole processes in the order of `contestants`, and inside one by profile. */
async function measure({ input, output, nothing, packets, rounds, contestants, label }) {
  const inside = new Competitor(process.execPath, [IN_PROCESS]);
  const warm = `${output}.warm`;
  writeFileSync(warm, '');
  const profiles = Object.keys(PROFILES);
  const rateInside = (profile) => inside.ask('rate', input, warm, profile, TIMES);
  for (const profile of profiles) await rateInside(profile);
  checkOutput('podwire in process', warm, packets);
  const rates = contestants.map(() => []);
  const insideRates = profiles.map(() => []);
  for (let round = 0; round < rounds; round++) {
    progress(`replay, ${label}: round ${round + 1} of ${rounds}`);
    for (const [i, { name, run }] of contestants.entries()) {
      const idle = run(nothing, output);
      const seconds = run(input, output) - idle;
      if (round === 0) checkOutput(name, output, packets);
      rates[i].push(packets / Math.max(seconds, 1e-3));
    }
    for (const [i, profile] of profiles.entries()) {
      insideRates[i].push(await rateInside(profile));
    }
  }
  inside.close();
  rmSync(warm);
  return { rates, insideRates };
}

export async function bench({ rounds, quick, folder }) {
  const here = FILE_TOOLS.filter(({ tool }) => hasTool(tool));
  const missing = FILE_TOOLS.filter((tool) => !here.includes(tool));
  const figures = missing.map(({ name, tool }) =>
    absent(measureOf(name), `${tool} is not installed`),
  );
  const contestants = [{ name: 'podwire replay', run: replayed }, ...here];
  const [input, output, nothing] = ['in', 'out', 'empty'].map((n) => join(folder, `${n}.pcap`));
  writeFlows(nothing, 64, 0);
  const rows = [];
  const insideRows = [];
  for (const [size, packets] of quick
    ? [[64, 500_000]]
    : [
        [64, 5_000_000],
        [1400, 500_000],
      ]) {
    writeFlows(input, size, packets);
    const label = `${size} B`;
    const files = { input, output, nothing };
    const taken = await measure({ ...files, packets, rounds, contestants, label });
    const { rates, insideRates } = taken;
    for (const [i, { name, goal }] of contestants.entries()) {
      const ratio = i === 0 ? '' : ratioText(rates[0], rates[i]);
      rows.push(`| ${name}, ${label} | ${shown(median(rates[i]))} | ${ratio} |`);
      if (i === 0) continue;
      figures.push(figure(`${measureOf(name)}, ${label}`, ratios(rates[0], rates[i]), { goal }));
    }
    for (const [n, profile] of Object.values(PROFILES).entries()) {
      const cells = here.map((_, i) => ratioText(insideRates[n], rates[i + 1]));
      insideRows.push(
        `| ${[`${label}, ${profile}`, shown(median(insideRates[n])), ...cells].join(' | ')} |`,
      );
      for (const [i, { name, goal }] of here.entries()) {
        const measure = `${insideOf(name)}, ${label}, ${profile}`;
        figures.push(figure(measure, ratios(insideRates[n], rates[i + 1]), { goal }));
      }
    }
  }
  const markdown = `## From file to file

| file to file | packets per CPU second | podwire is faster by (least to most) |
| --- | --- | --- |
${rows.join('\n')}

podwire sends every packet through the cluster and writes what leaves the node's NIC, in VXLAN; the others copy, and
tcprewrite changes one address. A process's time on an empty capture is taken off; that of compiling what the capture
needs, and of the first two packets of each of the 1,000 flows, is not.

| inside one process | packets per CPU second | ${here.map(({ name }) => `vs ${name}`).join(' | ')} |
| --- | --- | ${here.map(() => '---').join(' | ')} |
${insideRows.join('\n')}

The same replays again and again in one process, each with a new cluster (which is not timed), over the same pages of
the output: the median of ${TIMES}, beside the whole processes of the same round.

Why the goals are missed, by profile (perf, 64 B, after some replays in one process): 42 % of the time is the kernel in
WebAssembly, of 330 instructions or so a packet; writing is 22 %, reading 15 %, the first packets of new flows 13 %, V8's
compiler 6 %, its collector 2 %. Reading and writing alone take nearly all that five times tcpdump would leave.
A whole process compiles for half a second of processor time, a tenth of a microsecond for each of five million packets
and a whole one for each of 500,000; and it writes to a new file, whose pages cost over twice those that are there.
${missing.length === 0 ? '' : `\nNot on this machine: ${missing.map(({ tool }) => tool).join(', ')}.\n`}`;
  return { markdown, figures };
}

const measureOf = (name) => `replay file to file vs ${name}`;
const insideOf = (name) => `replay file to file, in-process rate, vs ${name}`;

function checkOutput(name, file, packets) {
  let found = 0;
  const capture = openCapture(file);
  while (capture.advance()) found++;
  if (found !== packets) throw new Error(`${name} wrote ${found} packets, not ${packets}`);
}
