/** The way from pod to pod over VXLAN, beside the same way in this machine's own kernel. */
import { buildFrame, captureAt, loadCluster, openCapture } from '../dist/index.js';
import { missing, openKernel } from './kernel.mjs';
import { FIXTURE, hostSide, RECEIVER, SENDER, udpLayers } from './pods.mjs';
import { median, progress, ratioText, shown } from './tool.mjs';

/** Markdown. */
export async function benchKernelPath(rounds, quick) {
  const reason = missing();
  if (reason !== null) return `The kernel's own path is not measured here: ${reason}.\n`;
  const cluster = loadCluster(FIXTURE);
  const ends = [SENDER, RECEIVER].map((end) => {
    return { ...end, veth: hostSide(cluster, end), nic: 'enp1s0' };
  });
  const kernel = openKernel((namespace, words) => cluster.exec(namespace, words), ends);
  try {
    const rows = [];
    for (const size of [64, 1400]) {
      const frame = buildFrame(udpLayers(cluster, size));
      await sameArrival(cluster, kernel, frame);
      const rates = { kernel: [], podwire: [] };
      const count = quick ? 20_000 : 100_000;
      emulate(cluster, frame, count);
      for (let round = 0; round < rounds; round++) {
        progress(`kernel, ${size} B: round ${round + 1}`);
        const { arrived, seconds } = kernel.send(frame, count);
        if (arrived !== count) throw new Error(`the kernel delivered ${arrived} of ${count}`);
        rates.kernel.push(count / seconds);
        rates.podwire.push(emulate(cluster, frame, 10 * count));
      }
      const ratio = ratioText(rates.podwire, rates.kernel);
      const [ours, theirs] = [median(rates.podwire), median(rates.kernel)].map(shown);
      rows.push(`| ${size} B | ${ours} | ${theirs} | ${ratio} | ≥ 10 |`);
    }
    return `| pod to pod over VXLAN | podwire, packets/s | kernel, packets/s | podwire is faster by (least to most) | goal |
| --- | --- | --- | --- | --- |
${rows.join('\n')}

The kernel has the same tables (made from what podwire prints) in network namespaces on veths and a bridge, without
iptables; podwire has Felix's rules and connection tracking. Both delivered the same bytes, and every packet. One core
each, wall time; trafgen's own work is in the kernel's.
`;
  } finally {
    kernel.close();
    progress('');
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
