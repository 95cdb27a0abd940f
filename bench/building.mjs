/** VXLAN frames built and written, beside scapy. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildFrame, CaptureWriter, FrameSeries, openCapture } from '../dist/index.js';
import { absent, figure, ratios } from './figures.mjs';
import { RECEIVER, SENDER } from './pods.mjs';
import { cpuSeconds, median, progress, ratioText, shown, timed } from './tool.mjs';

const SCAPY = fileURLToPath(new URL('scapy-vxlan.py', import.meta.url));

/** A Python that has scapy: the system's, where another comes first in PATH. */
const python = () =>
  ['python3', '/usr/bin/python3'].find((name) => {
    try {
      return timed(name, ['-c', 'import scapy']) !== undefined;
    } catch {
      return false;
    }
  });

const VXLAN_LAYERS = [
  { layer: 'ethernet', src: '52:54:00:85:ff:19', dst: '52:54:00:b2:72:8d' },
  { layer: 'ipv4', src: '192.168.33.55', dst: '192.168.33.57' },
  { layer: 'udp', srcPort: 49152, dstPort: 4789, checksum: 0 },
  { layer: 'vxlan', vni: 4096 },
  { layer: 'ethernet', src: '66:8c:73:5a:90:99', dst: '66:90:43:3d:b3:e7' },
  { layer: 'ipv4', src: SENDER.ip, dst: RECEIVER.ip, ttl: 63, df: true },
  { layer: 'udp', srcPort: 1024, dstPort: 53 },
  { layer: 'payload', bytes: new Uint8Array(22) },
];

function buildSeries(target, count) {
  const series = new FrameSeries(VXLAN_LAYERS, [
    { layer: 1, field: 'id' },
    { layer: 2, field: 'srcPort', span: 16_384 },
    { layer: 6, field: 'srcPort', span: 10_000 },
  ]);
  const writer = new CaptureWriter(target);
  series.write(writer, count);
  writer.close();
}

/** Over what the file holds, which stays in the page cache: no new pages are asked of the kernel. */
function buildOver(file, count) {
  const descriptor = openSync(file, 'r+');
  buildSeries(descriptor, count);
  closeSync(descriptor);
}

function buildEach(target, count) {
  const writer = new CaptureWriter(target);
  const layers = VXLAN_LAYERS.map((layer) => ({ ...layer }));
  for (let n = 0; n < count; n++) {
    layers[1].id = n & 0xffff;
    layers[2].srcPort = 49152 + (n % 16_384);
    layers[6].srcPort = 1024 + (n % 10_000);
    writer.write(0, 0, buildFrame(layers));
  }
  writer.close();
}

const MEASURE = 'VXLAN frames into a pcap vs scapy';
/** As the goal was measured. */
const OVER = `${MEASURE}, over the same file again`;
const GOAL = 20_000;

export function bench({ rounds, quick, folder }) {
  const interpreter = python();
  if (interpreter === undefined) {
    return { markdown: '', figures: [absent(OVER, 'scapy is not installed')] };
  }
  const [ours, theirs] = ['ours', 'theirs'].map((n) => join(folder, `${n}.pcap`));
  const scapy = (count) => Number(timed(interpreter, [SCAPY, String(count), theirs]).text);
  sameFrames(ours, theirs, scapy);
  const few = quick ? 100 : 1000;
  const contestants = [
    { name: 'scapy, PcapWriter', count: few, seconds: () => scapy(few) },
    {
      name: 'buildFrame, one by one, to a file',
      count: 20 * few,
      seconds: () => cpuSeconds(() => buildEach(ours, 20 * few)),
    },
    {
      name: 'FrameSeries, to a new file',
      count: 2000 * few,
      seconds: () => cpuSeconds(() => buildSeries(ours, 2000 * few)),
      measure: `${MEASURE}, into a new file`,
    },
    {
      name: 'FrameSeries, over the same file again',
      count: 2000 * few,
      seconds: () => cpuSeconds(() => buildOver(ours, 2000 * few)),
      measure: OVER,
    },
    {
      name: 'FrameSeries, to /dev/null',
      count: 2000 * few,
      seconds: () => cpuSeconds(() => buildSeries('/dev/null', 2000 * few)),
    },
  ];
  const rates = contestants.map(() => []);
  for (let round = 0; round < rounds; round++) {
    progress(`building: round ${round + 1} of ${rounds}`);
    for (const [i, { count, seconds }] of contestants.entries()) rates[i].push(count / seconds());
  }
  const rows = contestants.map(({ name }, i) => {
    const ratio = i === 0 ? '' : ratioText(rates[i], rates[0]);
    return `| ${name} | ${shown(median(rates[i]))} | ${ratio} |`;
  });
  const markdown = `## Building frames

| VXLAN frames of 114 B into a pcap | per CPU second | faster than scapy by (least to most) |
| --- | --- | --- |
${rows.join('\n')}

The first frames of each were the same bytes. Most of the time into a new file is the
kernel's, which finds memory for every page and takes back that of the file before; the goal was found over one file.
`;
  const figures = contestants.flatMap(({ measure }, i) =>
    measure === undefined ? [] : [figure(measure, ratios(rates[i], rates[0]), { goal: GOAL })],
  );
  return { markdown, figures };
}

/** Throws unless the first frames are the same bytes. */
function sameFrames(ours, theirs, scapy) {
  const count = 200;
  scapy(count);
  buildSeries(ours, count);
  const frames = (file) => [...openCapture(file)].map(({ bytes }) => bytes.toString('hex')).join();
  const expected = frames(theirs);
  if (frames(ours) !== expected) throw new Error('scapy builds other frames');
  buildEach(ours, count);
  if (frames(ours) !== expected) throw new Error('buildFrame builds other frames than scapy');
}
