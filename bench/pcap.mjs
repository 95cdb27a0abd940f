/**
 * Reading captures, ours and others': how many packets go through a reader that counts
 * them and their bytes in a second of processor time. Tools are processes: their time on
 * a capture without packets is taken off.
 */
import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CaptureWriter, openCapture } from '../dist/index.js';
import { Competitor, serve } from './competitor.mjs';
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

/** What a parser in a process of its own reads: 40 MB of records, V8's compilation among it. */
const FRESH_BYTES = 40_000_000;
/** Passes in one round of which the middle one counts, where a process that has begun is measured. */
const PASSES = 5;
const SELF = fileURLToPath(import.meta.url);

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

/** As whoever types it: the start of the process counts. */
const capinfosWhole = tool(
  'capinfos',
  (file) => ['-c', file],
  () => ({}),
);

function pcapParser(file) {
  const { parse } = createRequire(import.meta.url)('pcap-parser');
  return new Promise((done, failed) => {
    let packets = 0;
    let bytes = 0;
    parse(typeof file === 'string' ? file : createReadStream(file.path, { end: file.end }))
      .on('packet', ({ data }) => {
        packets++;
        bytes += data.length;
      })
      .on('error', failed)
      .on('end', () => done({ packets, bytes }));
  });
}

/** Packets a second of processor time, in a process that has just begun and reads a part of the file. */
async function freshPcapParser(file, bytes) {
  const fresh = new Competitor(process.execPath, [SELF, '--worker', file]);
  const found = await fresh.ask(
    'parse',
    24 + Math.floor(FRESH_BYTES / (16 + bytes)) * (16 + bytes),
  );
  fresh.close();
  return found;
}

function work(file) {
  serve({
    parse: async (length) => {
      const start = process.cpuUsage();
      const { packets } = await pcapParser({ path: file, end: Number(length) - 1 });
      return packets / seconds(start);
    },
  });
}

/** The same question as the goals were found by: who has begun beside who begins. */
const STARTED = {
  capinfos: {
    name: 'capinfos -c, its start too',
    rate: (file, _, packets) => packets / capinfosWhole(file).seconds,
  },
  'pcap-parser': { name: 'pcap-parser, a new process', rate: freshPcapParser },
};

/** Of several passes the middle one, packets a second. */
function oursStarted(file, packets) {
  const rates = Array.from({ length: PASSES }, () => {
    const start = process.cpuUsage();
    ours(file);
    return packets / seconds(start);
  });
  return median(rates);
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
    const started = { ours: [], theirs: here.map(() => []) };
    for (let round = 0; round < rounds; round++) {
      started.ours.push(oursStarted(plain, packets));
      for (const [n, { name }] of here.entries()) {
        if (STARTED[name]) started.theirs[n].push(await STARTED[name].rate(plain, bytes, packets));
      }
      progress(`captures, ${bytes} B, new processes: round ${round + 1} of ${rounds}`);
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
    const startedRows = [
      `| podwire, pcap, a process that has begun | ${millions(median(started.ours))} | |`,
    ];
    for (const [n, { name }] of here.entries()) {
      if (STARTED[name] === undefined) continue;
      const theirs = started.theirs[n];
      const text = ratioText(started.ours, theirs);
      startedRows.push(`| ${STARTED[name].name} | ${millions(median(theirs))} | ${text} |`);
      const measure = `pcap reading vs ${STARTED[name].name}, ${bytes} B`;
      figures.push(figure(measure, ratios(started.ours, theirs), { goal: goals[name] }));
    }
    sections.push(`${packets.toLocaleString('en')} packets of ${bytes} B:

| reader | packets per CPU second, median | podwire is faster by (least to most) |
| --- | --- | --- |
${[...rows, ...startedRows].join('\n')}
`);
  }
  const names = missing.map(({ name }) => name).join(', ');
  const markdown = `## Reading captures

Processor time, user and system; the start of a process is taken off, but for the last rows of each table: they ask as
the goals did, which were found with a reader in a process that has begun (the middle of ${PASSES} passes) beside tools and a
parser that begin. All competitors counted the same packets and bytes before.

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

if (process.argv[2] === '--worker') work(process.argv[3]);
