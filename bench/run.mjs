/**
 * `npm run bench`: packets per second of the whole pod-to-pod walk, both nodes,
 * in each mode and two sizes, and encrypted; reading and writing captures; the FIB of a node.
 * Rounds are interleaved, so that a noisy machine disturbs all alike; read the
 * ratios, not the absolute figures. Results go to bench/result.md.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { buildFrame, CaptureWriter, Fib, loadCluster, openCapture } from '../dist/index.js';
import { benchPcap } from './pcap.mjs';
import { benchPeers } from './peers.mjs';
import { median, progress, shown } from './tool.mjs';
import { benchWireguard } from './wireguard.mjs';

const ROUNDS = 9;
const ROUND_MS = 120;
const quick = process.argv.includes('--quick');
const rounds = quick ? 3 : ROUNDS;

const MODES = ['bgp', 'ipip', 'vxlan'];
const SIZES = [64, 1400];

/** Events per second of `batch`, which does `count` of them, over about `ms`. */
function rate(batch, count, ms) {
  const start = process.hrtime.bigint();
  const end = start + BigInt(ms) * 1_000_000n;
  let done = 0;
  let now = start;
  while (now < end) {
    batch();
    done += count;
    now = process.hrtime.bigint();
  }
  return (done * 1e9) / Number(now - start);
}

/** `netfilter` false: a cluster without rules, NAT and connection tracking. */
function podToPod(mode, size, netfilter) {
  const cluster = loadCluster(`fixtures/calico-${mode}`, { netfilter });
  const port = cluster.names.port('k8s-node1:calid2918f95dae');
  const frame = buildFrame([
    { layer: 'ethernet', src: '02:00:00:00:00:01', dst: 'ee:ee:ee:ee:ee:ee' },
    { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136' },
    { layer: 'udp', srcPort: 1, dstPort: 2 },
    { layer: 'payload', bytes: new Uint8Array(size - 14 - 28) },
  ]);
  const before = cluster.counts.delivered;
  cluster.arrive(port, frame);
  if (cluster.counts.delivered !== before + 1)
    throw new Error(`${mode}: the packet does not arrive`);
  return {
    name: `pod to pod, ${mode}, ${size} B${netfilter ? '' : ', routes only'}`,
    unit: 'packets/s',
    count: 256,
    batch: () => {
      for (let i = 0; i < 256; i++) cluster.arrive(port, frame);
    },
  };
}

function captureFile() {
  const chunks = [];
  const writer = new CaptureWriter((chunk) => chunks.push(Buffer.from(chunk)));
  const frame = Buffer.alloc(64, 1);
  for (let i = 0; i < 20_000; i++) writer.write(i, 0, frame);
  writer.close();
  return Buffer.concat(chunks);
}

function reading() {
  const file = captureFile();
  return {
    name: 'pcap reading, 64 B',
    unit: 'records/s',
    count: 20_000,
    batch: () => {
      const capture = openCapture(file);
      let records = 0;
      while (capture.advance()) records++;
      if (records !== 20_000) throw new Error('records were lost');
    },
  };
}

function writing() {
  const frame = Buffer.alloc(64, 1);
  const writer = new CaptureWriter(() => {});
  return {
    name: 'pcap writing, 64 B',
    unit: 'records/s',
    count: 4096,
    batch: () => {
      for (let i = 0; i < 4096; i++) writer.write(1, 0, frame);
    },
  };
}

function lookups() {
  const fib = new Fib();
  const base = 10 << 24;
  for (let i = 0; i < 5000; i++) fib.insert((base + i * 64) | 0, 26, i % 4000);
  const addresses = Int32Array.from(
    { length: 4096 },
    (_, i) => (base + ((i * 2654435761) % (5000 * 64))) | 0,
  );
  return {
    name: `FIB lookup, 5,000 blocks, ${(fib.memory() / 1024).toFixed(1)} KiB`,
    unit: 'lookups/s',
    count: addresses.length,
    batch: () => {
      let sum = 0;
      for (let i = 0; i < addresses.length; i++) sum += fib.lookup(addresses[i]);
      if (sum < 0) throw new Error('lookups failed');
    },
  };
}

const contestants = [
  ...[true, false].flatMap((netfilter) =>
    MODES.flatMap((mode) => SIZES.map((size) => podToPod(mode, size, netfilter))),
  ),
  reading(),
  writing(),
  lookups(),
];
for (const { batch, count } of contestants) rate(batch, count, ROUND_MS * 3);
const results = contestants.map(() => []);
for (let round = 0; round < rounds; round++) {
  for (const [i, { batch, count }] of contestants.entries()) {
    results[i].push(rate(batch, count, ROUND_MS));
  }
  progress(`round ${round + 1} of ${rounds}`);
}
progress('');

const rows = contestants.map(({ name, unit }, i) => {
  const sorted = [...results[i]].sort((a, b) => a - b);
  return `| ${name} | ${shown(median(sorted))} | ${shown(sorted[0])} to ${shown(sorted.at(-1))} | ${unit} |`;
});
const report = `# Benchmark

One core of ${cpus()[0]?.model ?? 'an unknown processor'}, Node ${process.version}. Median, least and most of ${rounds}
interleaved rounds. The machine is shared: compare rows of one run, not runs.

"pod to pod" is the whole way of a packet: veth, both nodes' tables and tunnels, wire, veth, delivered;
with the rules that Felix programs without any policy, and connection tracking; "routes only" is without both
(\`netfilter: false\`). Packets of one flow follow each other, so that the flow cache answers.

| what | median | least to most | unit |
| --- | --- | --- | --- |
${rows.join('\n')}

${await benchPeers({ rounds, quick })}
${await benchPcap({ rounds })}
${await benchWireguard({ rounds })}`;
if (!quick) writeFileSync(new URL('result.md', import.meta.url), report);
process.stdout.write(report);
