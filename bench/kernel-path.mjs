/** The way from pod to pod over VXLAN, beside the same way in this machine's own kernel. */
import { buildFrame, captureAt, loadCluster, openCapture } from '../dist/index.js';
import { absent, figure, ratios } from './figures.mjs';
import { missing, openKernel } from './kernel.mjs';
import { FIXTURE, hostSide, RECEIVER, SENDER, udpLayers } from './pods.mjs';
import { median, progress, ratioText, shown } from './tool.mjs';

const MEASURE = 'pod to pod over VXLAN';
const PROFILES = [
  { profile: 'full', suffix: '', netfilter: true },
  { profile: 'routes only', suffix: ', routes only', netfilter: false },
];

export async function bench({ rounds, quick }) {
  const why = missing();
  if (why !== null) {
    const markdown = `## Beside the kernel's own path\n\nNot measured here: ${why}.\n`;
    return { markdown, figures: [absent(`${MEASURE} vs the kernel`, why)] };
  }
  const profiles = PROFILES.map(({ netfilter, ...rest }) => {
    return { ...rest, cluster: loadCluster(FIXTURE, { netfilter }) };
  });
  const [{ cluster }] = profiles;
  const ends = [SENDER, RECEIVER].map((end) => {
    return { ...end, veth: hostSide(cluster, end), nic: 'enp1s0' };
  });
  const kernel = openKernel((namespace, words) => cluster.exec(namespace, words), ends);
  try {
    const rows = [];
    const figures = [];
    for (const size of [64, 1400]) {
      const frame = buildFrame(udpLayers(cluster, size));
      for (const one of profiles) await sameArrival(one.cluster, kernel, frame);
      const rates = { kernel: [], full: [], 'routes only': [] };
      const count = quick ? 20_000 : 100_000;
      for (const one of profiles) emulate(one.cluster, frame, count);
      for (let round = 0; round < rounds; round++) {
        progress(`kernel, ${size} B: round ${round + 1} of ${rounds}`);
        const { arrived, seconds } = kernel.send(frame, count);
        if (arrived !== count) throw new Error(`the kernel delivered ${arrived} of ${count}`);
        rates.kernel.push(count / seconds);
        for (const { profile, cluster: own } of profiles) {
          rates[profile].push(emulate(own, frame, 10 * count));
        }
      }
      for (const { profile, suffix } of profiles) {
        const [ours, theirs] = [median(rates[profile]), median(rates.kernel)].map(shown);
        const ratio = ratioText(rates[profile], rates.kernel);
        rows.push(`| ${size} B, ${profile} | ${ours} | ${theirs} | ${ratio} |`);
        const measure = `${MEASURE}, ${size} B${suffix}, vs the kernel`;
        figures.push(figure(measure, ratios(rates[profile], rates.kernel), { goal: 10 }));
      }
    }
    const markdown = `## Beside the kernel's own path

| pod to pod over VXLAN | podwire, packets/s | kernel, packets/s | podwire is faster by (least to most) |
| --- | --- | --- | --- |
${rows.join('\n')}

The kernel has the same tables (made from what podwire prints) in network namespaces on veths and a bridge, without
iptables; podwire has Felix's rules and connection tracking in the full profile. Both delivered the same bytes, and every
packet. One core each, wall time: interrupts count for nobody; trafgen's own work is in the kernel's.
`;
    return { markdown, figures };
  } finally {
    kernel.close();
  }
}

/** Throws unless one frame arrives with the same bytes on both. */
async function sameArrival(cluster, kernel, frame) {
  const [{ bytes: theirs }] = openCapture(await kernel.captured(frame));
  let ours;
  const port = cluster.names.port(`${RECEIVER.pod}:eth0`);
  const write = (_seconds, _nanoseconds, bytes, start, end) => {
    ours = Buffer.from(bytes.subarray(start, end));
  };
  const release = captureAt(cluster, port, { write });
  cluster.arrive(cluster.names.port(`${SENDER.node}:${hostSide(cluster, SENDER)}`), frame);
  release();
  if (ours === undefined || !ours.equals(theirs))
    throw new Error('the kernel delivers other bytes');
}

/** Packets per second of wall time. */
function emulate(cluster, frame, count) {
  const port = cluster.names.port(`${SENDER.node}:${hostSide(cluster, SENDER)}`);
  const before = cluster.counts.delivered;
  const start = process.hrtime.bigint();
  for (let n = 0; n < count; n++) cluster.arrive(port, frame);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (cluster.counts.delivered - before !== count) throw new Error('a packet did not arrive');
  return count / seconds;
}
