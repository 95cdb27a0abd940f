/**
 * Packets per second of the whole pod-to-pod walk, both nodes, in each mode and two sizes,
 * with rules and without; writing captures; the FIB of a node.
 */
import { buildFrame, CaptureWriter, Fib, loadCluster } from '../dist/index.js';
import { RECEIVER, SENDER } from './pods.mjs';
import { median, progress, rate, shown } from './tool.mjs';

const ROUND_MS = 120;
const MODES = ['bgp', 'ipip', 'vxlan'];
const SIZES = [64, 1400];

/** `netfilter` false: a cluster without rules, NAT and connection tracking. */
function podToPod(mode, size, netfilter) {
  const cluster = loadCluster(`fixtures/calico-${mode}`, { netfilter });
  const port = cluster.names.port('k8s-node1:calid2918f95dae');
  const frame = buildFrame([
    { layer: 'ethernet', src: '02:00:00:00:00:01', dst: 'ee:ee:ee:ee:ee:ee' },
    { layer: 'ipv4', src: SENDER.ip, dst: RECEIVER.ip },
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

export function bench({ rounds }) {
  const contestants = [
    ...[true, false].flatMap((netfilter) =>
      MODES.flatMap((mode) => SIZES.map((size) => podToPod(mode, size, netfilter))),
    ),
    writing(),
    lookups(),
  ];
  for (const { batch, count } of contestants) rate(batch, count, ROUND_MS * 3);
  const rates = contestants.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { batch, count }] of contestants.entries()) {
      rates[i].push(rate(batch, count, ROUND_MS));
    }
    progress(`pod to pod: round ${round + 1} of ${rounds}`);
  }
  const rows = contestants.map(({ name, unit }, i) => {
    const sorted = [...rates[i]].sort((a, b) => a - b);
    return `| ${name} | ${shown(median(sorted))} | ${shown(sorted[0])} to ${shown(sorted.at(-1))} | ${unit} |`;
  });
  const markdown = `## podwire alone

"pod to pod" is the whole way of a packet: veth, both nodes' tables and tunnels, wire, veth, delivered; with the rules
that Felix programs without any policy, and connection tracking; "routes only" is without both (\`netfilter: false\`).
Packets of one flow follow each other, so that the flow cache answers. Per second of processor time.

| what | median | least to most | unit |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
  return { markdown, figures: [] };
}
