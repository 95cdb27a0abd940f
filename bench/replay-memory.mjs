/**
 * Memory of a long replay: a capture that is written into a FIFO while it is read goes
 * through the cluster into /dev/null. `npm run bench -- memory --gigabytes 10` for a longer one.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CaptureWriter, FrameSeries, loadCluster } from '../dist/index.js';
import { absent, figure } from './figures.mjs';
import { FIXTURE, SENDER, udpLayers } from './pods.mjs';
import { hasTool, progress } from './tool.mjs';

const SELF = fileURLToPath(import.meta.url);
const PROGRAM = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const FRAME = 1400;
const RECORD_HEADER = 16;
const FLOWS = 10_000;
const SAMPLE_MS = 50;
const MEASURE = 'peak memory of a replay';

function write(file, packets) {
  const series = new FrameSeries(udpLayers(loadCluster(FIXTURE), FRAME), [
    { layer: 1, field: 'id' },
    { layer: 2, field: 'srcPort', span: FLOWS },
  ]);
  const writer = new CaptureWriter(file);
  series.write(writer, packets, { seconds: 1_700_000_000 });
  writer.close();
}

/** Of a process, in MiB: what it holds now, and the most that it ever held; null when it has ended. */
function memoryOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1');
    const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)[1]) / 1024;
    return { now: field('VmRSS'), most: field('VmHWM') };
  } catch {
    return null;
  }
}

const gigabytes = (quick) => {
  const at = process.argv.indexOf('--gigabytes');
  return at > 0 ? Number(process.argv[at + 1]) : quick ? 0.1 : 1;
};

export async function bench({ quick, folder }) {
  if (!hasTool('mkfifo') || memoryOf(process.pid) === null) {
    return { markdown: '', figures: [absent(MEASURE, 'needs mkfifo and /proc')] };
  }
  const size = gigabytes(quick);
  const packets = Math.ceil((size * 1e9) / (FRAME + RECORD_HEADER));
  const fifo = join(folder, 'in.pcap');
  spawnSync('mkfifo', [fifo]);
  const writer = spawn(process.execPath, [SELF, '--write', fifo, String(packets)]);
  const replay = spawn(
    process.execPath,
    [
      ...[PROGRAM, 'replay', FIXTURE, '--inject', `${SENDER.pod}:eth0=${fifo}`],
      ...['--capture', `${SENDER.node}:enp1s0=/dev/null`],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  for (const stream of [replay.stdout, replay.stderr]) {
    stream.on('data', (text) => {
      said += text;
    });
  }
  const samples = [];
  let ended = false;
  const done = new Promise((resolve) => {
    replay.once('close', (status) => {
      ended = true;
      resolve(status);
    });
  });
  while (!ended) {
    const found = memoryOf(replay.pid);
    if (found !== null) samples.push(found);
    progress(`replay of ${size} GB: ${found?.now.toFixed(0) ?? ''} MiB`);
    await wait(SAMPLE_MS);
  }
  writer.kill();
  if ((await done) !== 0 || !said.includes(`${packets} frames injected, ${packets} delivered`)) {
    throw new Error(`the replay did not deliver ${packets} packets: ${said}`);
  }
  const peak = samples.at(-1).most;
  const early = samples[samples.length >> 1].most;
  const markdown = `## Memory of a replay

${packets.toLocaleString('en')} packets of ${FRAME} B (${size} GB) in ${FLOWS.toLocaleString('en')} flows through a FIFO, the cluster and VXLAN into a capture: at most
${peak.toFixed(0)} MiB resident, of which ${(peak - early).toFixed(1)} MiB came after half of the time.
`;
  const goal = { goal: 150, unit: 'MiB', atMost: true };
  return { markdown, figures: [figure(`${MEASURE} of ${size} GB`, [peak], goal)] };
}

if (process.argv[2] === '--write') write(process.argv[3], Number(process.argv[4]));
