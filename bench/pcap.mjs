/**
 * Reading captures, ours and others': how many packets go through a reader that counts
 * them and their bytes in a second of processor time. Tools are processes: their time on
 * a capture without packets is taken off.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { CaptureWriter, openCapture } from '../dist/index.js';
import { absent, figure, ratios } from './figures.mjs';
import { hasPackage, hasTool, median, progress, ratioText, timed } from './tool.mjs';

/** 80 MB of file for small frames, 300 MB for large ones. */
const SIZES = [
  { bytes: 64, packets: 1_000_000, goals: { capinfos: 9, 'pcap-parser': 60 } },
  { bytes: 1500, packets: 200_000, goals: { capinfos: 2.5, 'pcap-parser': 25 } },
];

/** Processor time: the machine may be busy with other things. */
function seconds(since) {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}

const millions = (value) => `${(value / 1e6).toFixed(1)} M`;

function write(file, packets, length) {
  const writer = new CaptureWriter(file);
  const frame = Buffer.alloc(length, 1);
  for (let n = 0; n < packets; n++) {
    frame.writeUInt32LE(n);
    writer.write(1_700_000_000 + Math.floor(n / 1e6), (n % 1e6) * 1000, frame);
  }
  writer.close();
}

/** Packets, and bytes captured, as each competitor counts them. */
function ours(file) {
  const capture = openCapture(file);
  let packets = 0;
  let bytes = 0;
  while (capture.advance()) {
    packets++;
    bytes += capture.end - capture.start;
  }
  return { packets, bytes };
}

/** The tool's answer, and the processor time that it took. */
const tool = (command, args, parse) => (file) => {
  const { text, seconds: taken } = timed(command, args(file));
  return { ...parse(text), seconds: taken };
};

const capinfos = tool(
  'capinfos',
  (file) => ['-T', '-r', '-M', '-c', '-d', file],
  (text) => {
    const [, packets, bytes] = text.trim().split('\t');
    return { packets: Number(packets), bytes: Number(bytes) };
  },
);

// A filter that nothing matches: every packet is read, none is printed.
const tcpdump = tool(
  'tcpdump',
  (file) => ['-Z', 'root', '-r', file, '-w', '/dev/null', 'udp port 81'],
  () => ({}),
);

function pcapParser(file) {
  const { parse } = createRequire(import.meta.url)('pcap-parser');
  return new Promise((done, failed) => {
    let packets = 0;
    let bytes = 0;
    parse(file)
      .on('packet', ({ data }) => {
        packets++;
        bytes += data.length;
      })
      .on('error', failed)
      .on('end', () => done({ packets, bytes }));
  });
}

const PEERS = [
  { name: 'capinfos', isHere: hasTool, read: capinfos, isProcess: true },
  { name: 'tcpdump', isHere: hasTool, read: tcpdump, isProcess: true },
  { name: 'pcap-parser', isHere: hasPackage, read: pcapParser },
];

export async function bench({ rounds, quick, folder }) {
  const here = PEERS.filter(({ name, isHere }) => isHere(name));
  const missing = PEERS.filter((peer) => !here.includes(peer));
  const figures = missing.map(({ name }) => absent(`pcap reading vs ${name}`, 'not installed'));
  const nothing = join(folder, 'empty.pcap');
  write(nothing, 0, 64);
  const sections = [];
  for (const { bytes, packets: all, goals } of SIZES) {
    const packets = quick ? all / 10 : all;
    const [plain, blocks] = ['pcap', 'pcapng'].map((kind) => join(folder, `${bytes}.${kind}`));
    write(plain, packets, bytes);
    write(blocks, packets, bytes);
    const competitors = [
      { name: 'podwire, pcap', read: ours, file: plain },
      { name: 'podwire, pcapng', read: ours, file: blocks },
      ...here.map((peer) => ({ ...peer, file: plain })),
    ];
    for (const competitor of competitors) await checkCount(competitor, packets, bytes);
    const rates = competitors.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [n, { read, file, isProcess }] of competitors.entries()) {
        const idle = isProcess ? read(nothing).seconds : 0;
        const start = process.cpuUsage();
        const answer = await read(file);
        const taken = isProcess ? answer.seconds - idle : seconds(start);
        rates[n].push(packets / Math.max(taken, 1e-3));
      }
      progress(`captures, ${bytes} B: round ${round + 1} of ${rounds}`);
    }
    const rows = competitors.map(
      ({ name }, n) =>
        `| ${name} | ${millions(median(rates[n]))} | ${n === 0 ? '' : ratioText(rates[0], rates[n])} |`,
    );
    for (const [n, { name }] of competitors.entries()) {
      if (goals[name] === undefined) continue;
      const measure = `pcap reading vs ${name}, ${bytes} B`;
      figures.push(figure(measure, ratios(rates[0], rates[n]), { goal: goals[name] }));
    }
    sections.push(`${packets.toLocaleString('en')} packets of ${bytes} B:

| reader | packets per CPU second, median | podwire is faster by (least to most) |
| --- | --- | --- |
${rows.join('\n')}
`);
  }
  const names = missing.map(({ name }) => name).join(', ');
  const markdown = `## Reading captures

Processor time, user and system; the start of a process is taken off.
All competitors counted the same packets and bytes before.

${sections.join('\n')}${names === '' ? '' : `\nNot on this machine: ${names}.\n`}`;
  return { markdown, figures };
}

async function checkCount({ name, read, file }, packets, bytes) {
  const found = await read(file);
  if (found.packets !== undefined && found.packets !== packets) {
    throw new Error(`${name}: ${found.packets} packets, not ${packets}`);
  }
  if (found.bytes !== undefined && found.bytes !== packets * bytes) {
    throw new Error(`${name}: ${found.bytes} bytes, not ${packets * bytes}`);
  }
}
