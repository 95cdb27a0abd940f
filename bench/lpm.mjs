/**
 * `npm run bench:lpm [-- TABLE…] [--no-lpm-build]`: longest-prefix match against DPDK and
 * npm packages. All must agree on the sum of their answers before anything is timed; then
 * interleaved rounds, in CPU time, each competitor in a process of its own. Results go to
 * bench/lpm.md. DPDK's program is built where `pkg-config libdpdk` finds it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { BlockList } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Fib, formatIp4, sampleAddresses, sampleRoutes } from '../dist/index.js';

const ROUNDS = 9;
const ROUND_MS = 80;
const STREAMS = ['uniform', 'routed', 'zipf'];
const ADDRESSES = 2 ** 20;
const SEED = 20_240_501;
/** Addresses looked up one by one in a call. */
const SLICE = 1024;
/** Addresses as text for packages that take text. */
const TEXTS = 2 ** 16;

const script = fileURLToPath(import.meta.url);
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
const words = (folder, name) => {
  const bytes = readFileSync(join(folder, `${name}.u32`));
  return new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};

// --- The worker: one competitor's process, which answers as the DPDK program does.

function readRoutes(folder) {
  const all = words(folder, 'routes');
  return {
    addresses: all.filter((_, i) => i % 3 === 0),
    lengths: all.filter((_, i) => i % 3 === 1),
    values: all.filter((_, i) => i % 3 === 2),
  };
}

const eachRoute = ({ addresses, lengths, values }, act) => {
  for (let i = 0; i < addresses.length; i++) act(addresses[i], lengths[i], values[i]);
};
const prefixText = (address, length) => `${formatIp4(address)}/${length}`;

/** Competitors by name: how to build one, and how it answers an address. */
const makers = {
  async podwire(routes) {
    const fib = new Fib();
    fib.load(routes);
    fib.memory();
    return { numbers: (address) => fib.lookup(address), fib };
  },
  async 'longest-prefix-match'(routes) {
    const { default: Table } = await import('longest-prefix-match');
    const fallback = routes.values[routes.lengths.indexOf(0)];
    const table = new Table();
    eachRoute(routes, (address, length, value) =>
      table.addPrefix(prefixText(address, length), value),
    );
    return {
      // It never finds a default route.
      texts: (text) => table.getMatch(`${text}/32`)[0] ?? fallback,
    };
  },
  async 'mmdb-lib'(routes) {
    const { Reader } = await import('mmdb-lib');
    const reader = new Reader(mmdb(routes));
    return { texts: (text) => reader.get(text) };
  },
  async 'ipaddr.js'(routes) {
    const { default: ipaddr } = await import('ipaddr.js');
    const ranges = [];
    eachRoute(routes, (address, length, value) =>
      ranges.push([ipaddr.parse(formatIp4(address)), length, value]),
    );
    ranges.sort((a, b) => b[1] - a[1]);
    return {
      texts: (text) => {
        const address = ipaddr.parse(text);
        return ranges.find(([range, length]) => address.match(range, length))[2];
      },
      slow: true,
    };
  },
  async 'net.BlockList'(routes) {
    const list = new BlockList();
    eachRoute(
      routes,
      (address, length) => length > 0 && list.addSubnet(formatIp4(address), length),
    );
    return { texts: (text) => Number(list.check(text)), membership: true, slow: true };
  },
};

/** A MaxMind DB of the routes, with records of 32 bits: format 2.0 of its specification. */
function mmdb(routes) {
  const order = [...routes.addresses.keys()].sort((a, b) => routes.lengths[a] - routes.lengths[b]);
  // Two records a node: a node above 0, a value below 0 as -1 - value.
  let records = new Int32Array(1 << 16);
  let nodes = 1;
  for (const i of order) {
    const { [i]: address } = routes.addresses;
    const { [i]: length } = routes.lengths;
    const leaf = -1 - routes.values[i];
    if (length === 0) records[0] = records[1] = leaf;
    for (let depth = 0, node = 0; depth < length; depth++) {
      const at = 2 * node + ((address >>> (31 - depth)) & 1);
      if (depth === length - 1) records[at] = leaf;
      else if (records[at] > 0) node = records[at];
      else {
        if (2 * nodes + 2 > records.length) {
          const wider = new Int32Array(records.length * 2);
          wider.set(records);
          records = wider;
        }
        records[2 * nodes] = records[2 * nodes + 1] = records[at];
        records[at] = node = nodes++;
      }
    }
  }
  const values = 1 + routes.values.reduce((most, value) => Math.max(most, value), 0);
  const tree = Buffer.alloc(nodes * 8);
  for (let i = 0; i < nodes * 2; i++) {
    const record = records[i];
    const found = record > 0 ? record : record === 0 ? nodes : nodes + 16 + (-1 - record) * 3;
    tree.writeUInt32BE(found, i * 4);
  }
  const data = Buffer.alloc(values * 3);
  for (let value = 0; value < values; value++) data.set([0xa2, value >> 8, value & 255], value * 3);
  const text = (s) => Buffer.from([0x40 | s.length, ...Buffer.from(s)]);
  const number = (n) => Buffer.from([0xc4, n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255]);
  const pairs = [
    [text('node_count'), number(nodes)],
    [text('record_size'), number(32)],
    [text('ip_version'), number(4)],
    [text('binary_format_major_version'), number(2)],
    [text('binary_format_minor_version'), number(0)],
    [text('build_epoch'), number(1)],
    [text('database_type'), text('routes')],
    [text('languages'), Buffer.from([0x00, 0x04])],
    [text('description'), Buffer.from([0xe0])],
  ];
  const marker = Buffer.from('abcdef4d61784d696e642e636f6d', 'hex');
  return Buffer.concat([
    tree,
    Buffer.alloc(16),
    data,
    marker,
    Buffer.from([0xe0 + pairs.length]),
    ...pairs.flat(),
  ]);
}

function work(name, folder) {
  const routes = readRoutes(folder);
  let built;
  let held;
  const streams = new Map();
  const stream = (of) => {
    if (!streams.has(of)) {
      const addresses = words(folder, of);
      const texts =
        built.numbers === undefined ? [...addresses.subarray(0, TEXTS)].map(formatIp4) : [];
      streams.set(of, { addresses, texts, values: new Int32Array(addresses.length) });
    }
    return streams.get(of);
  };
  // Many short calls, as from a program: what loops a million times in its first call stays
  // with what V8 knew of it then.
  const single = (addresses, from) => {
    const { fib } = built;
    let sum = 0;
    for (let i = from; i < from + SLICE; i++) sum += fib.lookup(addresses[i]);
    return sum;
  };
  // Right as long as no route changes.
  const taken = (addresses, from) => {
    const { lookup } = built.fib;
    let sum = 0;
    for (let i = from; i < from + SLICE; i++) sum += lookup(addresses[i]);
    return sum;
  };
  const inSlices =
    (slice) =>
    ({ addresses }) => {
      let sum = 0;
      for (let from = 0; from < addresses.length; from += SLICE) sum += slice(addresses, from);
      return [addresses.length, sum];
    };
  /** One pass over some addresses: how many, and the sum of the answers. */
  const passes = {
    single: inSlices(single),
    taken: inSlices(taken),
    batch: ({ addresses, values }) => {
      built.fib.lookupBatch(addresses, values);
      return [addresses.length, values];
    },
    texts: ({ texts }, count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += built.texts(texts[i]);
      return [count, sum];
    },
  };
  const answer = {
    build: async () => {
      const start = cpu();
      built = await makers[name](routes);
      return cpu() - start;
    },
    memory: () => built.fib.memory(),
    sum: (way, of) => {
      const count = built.slow === true ? 256 : TEXTS;
      const [, sum] = passes[way](stream(of), count);
      return typeof sum === 'number' ? sum : sum.reduce((all, value) => all + value, 0);
    },
    rate: (way, of, ms) => {
      const start = cpu();
      let done = 0;
      let now = start;
      while ((now - start) * 1e3 < ms) {
        const [count, sum] = passes[way](stream(of), built.slow === true ? 4 : 2048);
        done += count;
        held = sum;
        now = cpu();
      }
      return done / (now - start) / 1e6;
    },
    churn: (_, count) => {
      const { fib } = built;
      let state = 12345;
      const start = cpu();
      for (let i = 0; i < count; i += 2) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        const at = Math.floor((state * routes.addresses.length) / 2 ** 32);
        fib.remove(routes.addresses[at], routes.lengths[at]);
        fib.insert(routes.addresses[at], routes.lengths[at], routes.values[at]);
      }
      return count / (cpu() - start);
    },
    expected: (way, of) => {
      // What a package that takes text should give for the addresses it is asked.
      const [count, kind] = way.split(',');
      const { addresses } = stream(of);
      let sum = 0;
      for (let i = 0; i < Number(count); i++) {
        const value = built.fib.lookup(addresses[i]);
        sum += kind === 'values' ? value : Number(value !== Number(kind));
      }
      return sum;
    },
  };
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const [command, ...rest] = line.split(' ');
    process.stdout.write(`${await answer[command](...rest)}\n`);
    if (held === undefined) held = 0;
  });
}

// --- The conductor.

class Competitor {
  constructor(command, args) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async ask(...parts) {
    this.child.stdin.write(`${parts.join(' ')}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`no answer to ${parts.join(' ')}`);
    return Number(value);
  }

  close() {
    this.child.stdin.end();
  }
}

function buildDpdk(folder) {
  const flags = spawnSync('pkg-config', ['--cflags', '--libs', 'libdpdk'], { encoding: 'utf8' });
  if (flags.status !== 0) return undefined;
  const program = join(folder, 'lpm-dpdk');
  const source = fileURLToPath(new URL('lpm-dpdk.c', import.meta.url));
  const split = flags.stdout
    .trim()
    .split(/\s+/)
    .filter((flag) => !flag.startsWith('-march'));
  const args = ['-O3', '-march=native', '-w', source, '-o', program, ...split];
  return spawnSync('gcc', args, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
    ? program
    : undefined;
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const spread = (values, digits) => {
  const sorted = [...values].sort((a, b) => a - b);
  return `${median(sorted).toFixed(digits)} (${sorted[0].toFixed(digits)} to ${sorted.at(-1).toFixed(digits)})`;
};

async function compare(table, options) {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-lpm-'));
  mkdirSync(folder, { recursive: true });
  const routes = sampleRoutes(table, SEED);
  const columns = Int32Array.from(
    { length: routes.addresses.length * 3 },
    (_, i) => [routes.addresses, routes.lengths, routes.values][i % 3][Math.floor(i / 3)],
  );
  writeFileSync(join(folder, 'routes.u32'), columns);
  for (const stream of STREAMS) {
    writeFileSync(
      join(folder, `${stream}.u32`),
      sampleAddresses(routes, stream, ADDRESSES, SEED + 1),
    );
  }
  const missing = [];
  const worker = (name) => new Competitor(process.execPath, [script, '--worker', name, folder]);
  const own = worker('podwire');
  const ways = [
    { name: 'podwire lookup', at: own, way: 'single' },
    { name: 'podwire lookup, taken out once', at: own, way: 'taken' },
    { name: 'podwire lookupBatch', at: own, way: 'batch' },
  ];
  const builds = { podwire: await own.ask('build') };
  const program = buildDpdk(folder);
  const native = program && new Competitor(program, [folder]);
  if (native === undefined) missing.push('DPDK (rte_lpm, rte_fib)');
  else {
    builds.rte_fib = await native.ask('build', 'fib');
    if (options.lpm) builds.rte_lpm = await native.ask('build', 'lpm');
    else await native.ask('build', 'filled');
    ways.unshift({ name: 'rte_lpm one by one', at: native, way: 'lpm' });
    ways.push({ name: 'rte_lpm bulk', at: native, way: 'lpm-bulk' });
    ways.push({ name: 'rte_fib bulk', at: native, way: 'fib' });
  }
  const fallback = routes.values[routes.lengths.indexOf(0)];
  for (const name of Object.keys(makers).filter((maker) => maker !== 'podwire')) {
    const isLinear = name === 'ipaddr.js' || name === 'net.BlockList';
    if (table === 'bgp' && isLinear) {
      missing.push(`${name} (takes too long with a million routes)`);
      continue;
    }
    const peer = worker(name);
    builds[name] = await peer.ask('build');
    const kind = name === 'net.BlockList' ? fallback : 'values';
    ways.push({ name, at: peer, way: 'texts', count: isLinear ? 256 : TEXTS, kind });
  }

  for (const stream of STREAMS) {
    const sum = await own.ask('sum', 'single', stream);
    for (const { name, at, way, count, kind } of ways) {
      const expected =
        count === undefined ? sum : await own.ask('expected', `${count},${kind}`, stream);
      const found = await at.ask('sum', way, stream);
      if (found !== expected)
        throw new Error(`${table}, ${stream}: ${name} gives ${found}, expected ${expected}`);
    }
  }
  const reference = ways[0].name;
  const rates = new Map(ways.map(({ name }) => [name, STREAMS.map(() => [])]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, stream] of STREAMS.entries()) {
      for (const { name, at, way } of ways) {
        const rate = await at.ask('rate', way, stream, ROUND_MS);
        if (round > 0) rates.get(name)[i].push(rate);
      }
    }
    if (process.stderr.isTTY) process.stderr.write(`\r${table}: round ${round} of ${ROUNDS}`);
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const updates = { podwire: await own.ask('churn', 'own', 200_000) };
  if (native !== undefined) updates.rte_fib = await native.ask('churn', 'fib', 200_000);
  const bytes = await own.ask('memory');
  for (const { at } of ways) at.close();
  rmSync(folder, { recursive: true });

  const rows = ways.map(({ name, way }) => {
    const cells = STREAMS.map((_, i) => spread(rates.get(name)[i], way === 'texts' ? 3 : 1));
    const ratios = STREAMS.map((_, i) =>
      spread(
        rates.get(name)[i].map((rate, round) => rate / rates.get(reference)[i][round]),
        way === 'texts' ? 4 : 2,
      ),
    );
    return `| ${name} | ${cells.join(' | ')} | ${ratios.join(' | ')} |`;
  });
  const list = (of, digits) =>
    Object.entries(of)
      .map(([name, value]) => `${name} ${value.toFixed(digits)}`)
      .join(', ');
  return `## ${table}: ${routes.addresses.length} routes, ${(bytes / 1024).toFixed(0)} KiB in podwire

| | uniform | routed | zipf | ratio uniform | ratio routed | ratio zipf |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

Ratios are to ${reference}, round by round. Build, CPU seconds: ${list(builds, 2)}.
Withdraw and announce, updates per CPU second: ${list(updates, 0)}.
${options.lpm ? '' : "rte_lpm's table of this size was filled without its list of rules, for lookups alone.\n"}${missing.length === 0 ? '' : `Not measured: ${missing.join(', ')}.\n`}`;
}

const flag = process.argv.indexOf('--worker');
if (flag > 0) work(...process.argv.slice(flag + 1));
else {
  const asked = process.argv.slice(2).filter((word) => !word.startsWith('--'));
  const parts = [];
  for (const table of asked.length > 0 ? asked : ['calico', 'bgp']) {
    parts.push(
      await compare(table, { lpm: table === 'calico' || !process.argv.includes('--no-lpm-build') }),
    );
  }
  const report = `# Longest-prefix match

${cpus()[0]?.model ?? 'Unknown processor'}, Node ${process.version}. Million lookups per second of CPU time: median and range of
${ROUNDS} interleaved rounds. All gave the same answers first. npm packages take addresses as text, podwire and DPDK as
numbers; net.BlockList only tells whether any prefix matches. DPDK runs without huge pages.

${parts.join('\n')}`;
  writeFileSync(new URL('lpm.md', import.meta.url), report);
  process.stdout.write(report);
}
