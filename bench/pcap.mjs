/**
 * Reading captures, ours and others': how many packets go through a reader that counts
 * them and their bytes in a second of processor time. Tools are processes: their time on
 * a capture without packets is taken off. `node bench/pcap.mjs` runs this alone.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CaptureWriter, openCapture } from '../dist/index.js';
import { hasTool, median, progress, timed } from './tool.mjs';

const ROUNDS = 9;
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

const hasPackage = (name) => {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
};

/** Markdown. Competitors that are not on the machine are named. */
export async function benchPcap({ rounds = ROUNDS } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-bench-'));
  const peers = [
    { name: 'capinfos', present: hasTool('capinfos'), read: capinfos, process: true },
    { name: 'tcpdump', present: hasTool('tcpdump'), read: tcpdump, process: true },
    { name: 'pcap-parser', present: hasPackage('pcap-parser'), read: pcapParser },
  ];
  const missing = peers.filter(({ present }) => !present).map(({ name }) => name);
  const sections = [];
  try {
    const nothing = join(folder, 'empty.pcap');
    write(nothing, 0, 64);
    for (const { bytes, packets, goals } of SIZES) {
      const plain = join(folder, `${bytes}.pcap`);
      write(plain, packets, bytes);
      const competitors = [
        { name: 'podwire, pcap', read: ours, file: plain },
        ...peers.filter(({ present }) => present).map((peer) => ({ ...peer, file: plain })),
      ];
      const blocks = join(folder, `${bytes}.pcapng`);
      write(blocks, packets, bytes);
      competitors.splice(1, 0, { name: 'podwire, pcapng', read: ours, file: blocks });
      for (const { name, read, file } of competitors) {
        const found = await read(file);
        if (found.packets !== undefined && found.packets !== packets) {
          throw new Error(`${name}: ${found.packets} packets, not ${packets}`);
        }
        if (found.bytes !== undefined && found.bytes !== packets * bytes) {
          throw new Error(`${name}: ${found.bytes} bytes, not ${packets * bytes}`);
        }
      }
      const rates = competitors.map(() => []);
      for (let round = 0; round < rounds; round++) {
        for (const [n, { read, file, process: isProcess }] of competitors.entries()) {
          const idle = isProcess ? read(nothing).seconds : 0;
          const start = process.cpuUsage();
          const answer = await read(file);
          const taken = isProcess ? answer.seconds - idle : seconds(start);
          rates[n].push(packets / Math.max(taken, 1e-6));
        }
        progress(`captures, ${bytes} B: round ${round + 1}`);
      }
      progress('');
      const rows = competitors.map(({ name }, n) => {
        const ratios = rates[0].map((rate, round) => rate / rates[n][round]).sort((a, b) => a - b);
        const spread = `${ratios[0].toFixed(1)} to ${ratios.at(-1).toFixed(1)}`;
        const goal = goals[name] === undefined ? '' : `≥ ${goals[name]}`;
        return `| ${name} | ${millions(median(rates[n]))} | ${median(ratios).toFixed(1)} | ${spread} | ${goal} |`;
      });
      sections.push(`${packets.toLocaleString('en')} packets of ${bytes} B:

| reader | packets per CPU second, median | podwire is faster by | least to most | goal |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`);
    }
  } finally {
    if (existsSync(folder)) rmSync(folder, { recursive: true });
  }
  const absent = missing.length === 0 ? '' : `\nNot on this machine: ${missing.join(', ')}.\n`;
  return `## Reading captures

Processor time, user and system. Ratios are those of ${rounds} interleaved rounds, round by round; the
start of a process is taken off.
All competitors counted the same packets and bytes before.

${sections.join('\n')}${absent}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(await benchPcap());
}
