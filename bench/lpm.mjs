/**
 * Longest-prefix match against DPDK and npm packages: a million routes as of the Internet,
 * and a node among 5,000. All must agree on the sum of their answers before anything is
 * timed. DPDK's program is built where `pkg-config libdpdk` finds it. `--lpm-build` also
 * times rte_lpm's own build of a million routes, which takes minutes.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { BlockList } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fib, formatIp4, sampleAddresses, sampleRoutes } from '../dist/index.js';
import { Competitor, serve } from './competitor.mjs';
import { absent, figure, ratios } from './figures.mjs';
import { hasPackage, median, progress, shown, spread } from './tool.mjs';

const ROUND_MS = 80;
const QUICK_MS = 20;
/** Of routes, in a round. */
const UPDATES = 200_000;
const STREAMS = ['uniform', 'routed', 'zipf'];
const ADDRESSES = 2 ** 20;
const SEED = 20_240_501;
/** Addresses looked up one by one in a call. */
const SLICE = 1024;
/** Addresses as text for packages that take text. */
const TEXTS = 2 ** 16;

const SELF = fileURLToPath(import.meta.url);
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

/** It is measured where somebody installed it. */
const PACKAGE_NOT_DECLARED = 'ip-set';

const podwire = (form) => async (routes) => {
  const fib = new Fib({ form });
  fib.load(routes);
  fib.memory();
  return { numbers: (address) => fib.lookup(address), fib };
};

/** Competitors by name: how to build one, and how it answers an address. */
const makers = {
  podwire: podwire('fast'),
  'podwire compact': podwire('compact'),
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
  async 'ip-set'(routes) {
    const { default: IpSet } = await import(PACKAGE_NOT_DECLARED);
    const set = new IpSet();
    eachRoute(routes, (address, length) => length > 0 && set.add(prefixText(address, length)));
    return { texts: (text) => Number(set.contains(text)) };
  },
  async 'net.BlockList'(routes) {
    const list = new BlockList();
    eachRoute(
      routes,
      (address, length) => length > 0 && list.addSubnet(formatIp4(address), length),
    );
    return { texts: (text) => Number(list.check(text)), slow: true };
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

/**
 * Many short calls, as from a program: what loops a million times in its first call stays with
 * what V8 knew of it then.
 */
function inSlices(slice, first) {
  let sum = 0;
  for (let from = first; from < first + ADDRESSES; from += SLICE) sum += slice(from, from + SLICE);
  return [ADDRESSES, sum];
}

async function work(name, folder) {
  const routes = readRoutes(folder);
  const start = cpu();
  const built = await makers[name](routes);
  const firstBuild = cpu() - start;
  const { fib } = built;
  let held = 0;
  /** Of all streams, one after the other. */
  const addresses = new Int32Array(STREAMS.length * ADDRESSES);
  for (const [i, of] of STREAMS.entries()) addresses.set(words(folder, of), i * ADDRESSES);
  const streams = new Map();
  const stream = (of) => {
    if (!streams.has(of)) {
      const first = STREAMS.indexOf(of) * ADDRESSES;
      const own = addresses.subarray(first, first + ADDRESSES);
      const texts = built.numbers === undefined ? [...own.subarray(0, TEXTS)].map(formatIp4) : [];
      streams.set(of, { first, own, texts, values: new Int32Array(ADDRESSES) });
    }
    return streams.get(of);
  };
  // As a program that has one table and one array of addresses: V8 knows where the array is, as
  // the compiler of the C does. The end is no constant of the module, which would be checked at
  // each turn.
  const single = (from, to) => {
    let sum = 0;
    for (let i = from; i < to; i++) sum += fib.lookup(addresses[i]);
    return sum;
  };
  // Right as long as no route changes.
  const taken = (from, to) => {
    const { lookup } = fib;
    let sum = 0;
    for (let i = from; i < to; i++) sum += lookup(addresses[i]);
    return sum;
  };
  // The same where nobody knows before which array it will be.
  const lookUpAll = (some, from, to) => {
    let sum = 0;
    for (let i = from; i < to; i++) sum += fib.lookup(some[i]);
    return sum;
  };
  /** One pass over some addresses: how many, and the sum of the answers. */
  const passes = {
    single: ({ first }) => inSlices(single, first),
    taken: ({ first }) => inSlices(taken, first),
    any: ({ own }) => inSlices((from, to) => lookUpAll(own, from, to), 0),
    batch: ({ own, values }) => {
      fib.lookupBatch(own, values);
      return [ADDRESSES, values];
    },
    texts: ({ texts }, count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += built.texts(texts[i]);
      return [count, sum];
    },
  };
  const answer = {
    first: () => firstBuild,
    build: async () => {
      const start = cpu();
      await makers[name](routes);
      return cpu() - start;
    },
    memory: () => fib.memory(),
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
      // A sum that nobody reads might never be added up.
      if (Number.isNaN(held)) throw new Error('an answer is no number');
      return done / (now - start) / 1e6;
    },
    churn: (_, count) => {
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
      const { own } = stream(of);
      let sum = 0;
      for (let i = 0; i < Number(count); i++) {
        const value = fib.lookup(own[i]);
        sum += kind === 'values' ? value : Number(value !== Number(kind));
      }
      return sum;
    },
  };
  serve(answer);
}

// --- The conductor.

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

/** By table: packages that go through all routes for each address, and are left out of large ones. */
const LINEAR = new Set(['ipaddr.js', 'net.BlockList']);
/** Only tell whether any prefix matches. */
const MEMBERSHIP = new Set(['net.BlockList', 'ip-set']);
const BUILT_IN = new Set(['net.BlockList']);

/** Writes the routes and addresses of a table for all competitors. */
function writeTable(table, folder) {
  const routes = sampleRoutes(table, SEED);
  const columns = Int32Array.from(
    { length: routes.addresses.length * 3 },
    (_, i) => [routes.addresses, routes.lengths, routes.values][i % 3][Math.floor(i / 3)],
  );
  writeFileSync(join(folder, 'routes.u32'), columns);
  for (const stream of STREAMS) {
    const addresses = sampleAddresses(routes, stream, ADDRESSES, SEED + 1);
    writeFileSync(join(folder, `${stream}.u32`), addresses);
  }
  return routes;
}

/** Why a package takes no part with that table, or undefined. */
function whyNot(name, table, quick) {
  if (!BUILT_IN.has(name) && !hasPackage(name)) return 'not installed';
  if (LINEAR.has(name) && (quick || table === 'bgp')) return 'takes too long';
  return undefined;
}

/** All competitors for a table, each with its routes, and the seconds that their first builds took. */
async function gather(table, folder, routes, { quick, program }) {
  const worker = (name) => new Competitor(process.execPath, [SELF, '--worker', name, folder]);
  const fast = worker('podwire');
  const ways = [
    { name: 'podwire lookup', at: fast, way: 'single' },
    { name: 'podwire lookup, taken out once', at: fast, way: 'taken' },
    { name: 'podwire lookup, any array', at: fast, way: 'any' },
    { name: 'podwire lookupBatch', at: fast, way: 'batch' },
  ];
  const builds = { podwire: await fast.ask('first') };
  // Small tables have but one form.
  const compact = table === 'bgp' ? worker('podwire compact') : undefined;
  if (compact !== undefined) {
    builds['podwire compact'] = await compact.ask('first');
    ways.push({ name: 'podwire compact, lookup', at: compact, way: 'single' });
    ways.push({ name: 'podwire compact, lookupBatch', at: compact, way: 'batch' });
  }
  const native = program && new Competitor(program, [folder]);
  const missing = native === undefined ? [{ name: 'DPDK', why: 'not installed' }] : [];
  if (native !== undefined) {
    builds.rte_fib = await native.ask('build', 'fib');
    if (isLpmBuilt(table)) builds.rte_lpm = await native.ask('build', 'lpm');
    else await native.ask('build', 'filled');
    ways.unshift({ name: 'rte_lpm one by one', at: native, way: 'lpm' });
    ways.push({ name: 'rte_lpm bulk', at: native, way: 'lpm-bulk' });
    ways.push({ name: 'rte_fib bulk', at: native, way: 'fib' });
  }
  const fallback = routes.values[routes.lengths.indexOf(0)];
  for (const name of Object.keys(makers).filter((maker) => !maker.startsWith('podwire'))) {
    const why = whyNot(name, table, quick);
    if (why !== undefined) {
      missing.push({ name, why });
      continue;
    }
    const peer = worker(name);
    builds[name] = await peer.ask('first');
    const kind = MEMBERSHIP.has(name) ? fallback : 'values';
    ways.push({ name, at: peer, way: 'texts', count: LINEAR.has(name) ? 256 : TEXTS, kind });
  }
  return { own: fast, compact, native, builder: worker('podwire'), ways, builds, missing };
}

/** Why the ratios to packages are less than on a node's table. */
const LARGE = `Random addresses meet no cache in a table of this size: podwire then goes at the speed of memory, as rte_lpm does, and
as any table of 33 MiB would. Packages, most of whose time goes into text and objects, lose less by that, so that podwire
is fewer times as fast as they are.
`;

const isLpmBuilt = (table) => table !== 'bgp' || process.argv.includes('--lpm-build');

async function checkAnswers(table, { own, ways }) {
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
}

/** Million lookups per second by name, stream and round. */
async function measureLookups(table, { ways }, rounds, quick) {
  const rates = new Map(ways.map(({ name }) => [name, STREAMS.map(() => [])]));
  for (let round = 0; round <= rounds; round++) {
    progress(`${table}: round ${round} of ${rounds}`);
    for (const [i, stream] of STREAMS.entries()) {
      for (const { name, at, way } of ways) {
        const rate = await at.ask('rate', way, stream, quick ? QUICK_MS : ROUND_MS);
        if (round > 0) rates.get(name)[i].push(rate);
      }
    }
  }
  return rates;
}

/** Builds and updates per CPU second, round by round; the first builds are not among them. */
async function measureChanges(table, { builder, native }, rounds) {
  const found = { build: { podwire: [], rte_fib: [] }, churn: { podwire: [], rte_fib: [] } };
  await builder.ask('build');
  await builder.ask('churn', 'own', UPDATES);
  for (let round = 0; round < rounds; round++) {
    progress(`${table}, changes: round ${round + 1} of ${rounds}`);
    found.build.podwire.push(1 / (await builder.ask('build')));
    if (native !== undefined) found.build.rte_fib.push(1 / (await native.ask('build', 'fib')));
    found.churn.podwire.push(await builder.ask('churn', 'own', UPDATES));
    if (native !== undefined) {
      found.churn.rte_fib.push(await native.ask('churn', 'fib', UPDATES));
    }
  }
  return found;
}

async function compare(table, { rounds, quick, folder, program }) {
  const routes = writeTable(table, folder);
  const field = await gather(table, folder, routes, { quick, program });
  await checkAnswers(table, field);
  const rates = await measureLookups(table, field, rounds, quick);
  const changes = await measureChanges(table, field, rounds);
  const bytes = await field.own.ask('memory');
  const compactBytes = await field.compact?.ask('memory');
  for (const { at } of [...field.ways, { at: field.builder }]) at.close();
  return {
    markdown: section(table, routes.addresses.length, bytes, field, rates, changes),
    figures: figuresOf(table, bytes, compactBytes, field, rates, changes),
  };
}

const GOALS = {
  calico: {
    title: 'node FIB',
    lookups: [
      { way: 'podwire lookup', peer: 'rte_lpm one by one', stream: 'routed', goal: 0.9 },
      { way: 'podwire lookup', peer: 'rte_lpm one by one', stream: 'uniform', goal: 7 },
    ],
    memory: { goal: 40, unit: 'KiB', bytes: 2 ** 10 },
    changes: {},
  },
  bgp: {
    title: '1M routes',
    lookups: [
      { way: 'podwire lookupBatch', peer: 'rte_lpm one by one', goal: 1 },
      { way: 'podwire lookup', peer: 'rte_lpm one by one', goal: 0.8 },
    ],
    memory: { goal: 33, unit: 'MiB', bytes: 2 ** 20 },
    changes: { build: 4, churn: 2.5 },
  },
};
/** They take addresses as text, podwire as numbers. */
const PACKAGES = [
  { way: 'podwire lookup', peer: 'longest-prefix-match', goal: 200 },
  { way: 'podwire lookup', peer: 'mmdb-lib', goal: 100 },
];

/** The round's ratios on that stream, or on the one where they are worst. */
function worst(ours, theirs, wanted) {
  const all = STREAMS.map((stream, i) => ({ stream, values: ratios(ours[i], theirs[i]) }));
  return all
    .filter(({ stream }) => wanted === undefined || stream === wanted)
    .sort((a, b) => median(a.values) - median(b.values))[0];
}

function figuresOf(table, bytes, compactBytes, { native, missing }, rates, changes) {
  const { title, lookups, memory, changes: goals } = GOALS[table];
  const compared = [...lookups, ...PACKAGES].map(({ way, peer, stream: wanted, goal }) => {
    const measure = `${title}, ${way} vs ${peer}`;
    const theirs = rates.get(peer);
    if (theirs === undefined) return absent(measure, 'not installed');
    const { stream, values } = worst(rates.get(way), theirs, wanted);
    return figure(`${measure}, ${stream}${wanted === undefined ? ' (worst)' : ''}`, values, {
      goal,
    });
  });
  const others = missing
    .filter(({ name }) => name !== 'DPDK' && PACKAGES.every(({ peer }) => peer !== name))
    .map(({ name, why }) => absent(`${title}, podwire lookup vs ${name}`, why));
  const changed = Object.entries(goals).map(([kind, goal]) =>
    native === undefined
      ? absent(`${title}, ${kind} vs rte_fib`, 'DPDK is not installed')
      : figure(
          `${title}, ${kind} vs rte_fib`,
          ratios(changes[kind].podwire, changes[kind].rte_fib),
          { goal },
        ),
  );
  if (compactBytes !== undefined) {
    const limit = { goal: 5, unit: 'MiB', atMost: true };
    others.push(figure(`${title}, compact, memory`, [compactBytes / 2 ** 20], limit));
  }
  const { goal, unit, bytes: size } = memory;
  const held = figure(`${title}, memory`, [bytes / size], { goal, unit, atMost: true });
  return [...compared, ...others, ...changed, held];
}

function section(table, count, bytes, { ways, builds, missing }, rates, changes) {
  const reference = ways[0].name;
  const rows = ways.map(({ name, way }) => {
    const cells = rates.get(name).map((all) => spread(all, way === 'texts' ? 3 : 1));
    const beside = rates
      .get(name)
      .map((all, i) => spread(ratios(all, rates.get(reference)[i]), way === 'texts' ? 4 : 2));
    return `| ${name} | ${cells.join(' | ')} | ${beside.join(' | ')} |`;
  });
  const first = Object.entries(builds).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  const later = ([name, all]) => `${name} ${shown(median(all))}`;
  const updates = Object.entries(changes.churn).filter(([, all]) => all.length > 0);
  const absentees = missing.map(({ name, why }) => `${name} (${why})`).join(', ');
  return `### ${table}: ${count.toLocaleString('en')} routes, ${(bytes / 1024).toFixed(0)} KiB in podwire

| | uniform | routed | zipf | ratio uniform | ratio routed | ratio zipf |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

Ratios are to ${reference}, round by round. First build, CPU seconds: ${first.join(', ')}.
Withdraw and announce, updates per CPU second: ${updates.map(later).join(', ')}.
${isLpmBuilt(table) ? '' : "rte_lpm's table of this size was filled without its list of rules, for lookups alone.\n"}${table === 'bgp' ? LARGE : ''}${absentees === '' ? '' : `Not measured: ${absentees}.\n`}`;
}

export async function bench({ rounds, quick, folder }) {
  const program = buildDpdk(folder);
  const parts = [];
  for (const table of quick ? ['calico'] : ['calico', 'bgp']) {
    parts.push(await compare(table, { rounds, quick, folder, program }));
  }
  const markdown = `## Longest-prefix match

Million lookups per second of CPU time: median and range. npm packages take addresses as text, podwire and DPDK as
numbers; net.BlockList and ip-set only tell whether any prefix matches. DPDK runs without huge pages. Routes come unsorted.
A program has one table and one array of addresses, as the C has; "any array" is a function that is given the array, for
which V8 checks and reads it anew at each turn.

${parts.map((part) => part.markdown).join('\n')}`;
  return { markdown, figures: parts.flatMap((part) => part.figures) };
}

if (process.argv[2] === '--worker') await work(...process.argv.slice(3));
