/**
 * A competitor: replays of one file into another inside one process, without its start, over the
 * same pages of the output again and again.
 */
import { closeSync, openSync } from 'node:fs';
import { CaptureWriter, loadCluster, openCapture, replay } from '../dist/index.js';
import { serve } from './competitor.mjs';
import { FIXTURE, SENDER } from './pods.mjs';
import { cpuSeconds, median } from './tool.mjs';

/** Packets per second of processor time; `profile` is `full` or `routes`. */
function once(from, to, profile) {
  const cluster = loadCluster(FIXTURE, { netfilter: profile === 'full' });
  const capture = openCapture(from);
  const fd = openSync(to, 'r+');
  const sink = new CaptureWriter(fd);
  let injected = 0;
  const seconds = cpuSeconds(() => {
    const inputs = [{ at: `${SENDER.pod}:eth0`, capture }];
    ({ injected } = replay(cluster, inputs, [{ at: `${SENDER.node}:enp1s0`, sink }]));
    sink.close();
  });
  closeSync(fd);
  return injected / seconds;
}

serve({
  rate: (from, to, profile, times) =>
    median(Array.from({ length: Number(times) }, () => once(from, to, profile))),
});
