/** `podwire bench lpm`: lookups per second on this machine. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import {
  Fib,
  type FibColumns,
  PodwireError,
  type SampleStream,
  sampleAddresses,
  sampleRoutes,
} from '../index.ts';
import { barChart } from './bar-chart.ts';
import { integer } from './options.ts';
import { readRouteList } from './route-list.ts';
import { print, printJson, tell } from './terminal.ts';

interface Flags {
  readonly table: string;
  readonly stream?: SampleStream;
  readonly rounds: number;
  readonly plot?: string;
  readonly json?: boolean;
}

const STREAMS: readonly SampleStream[] = ['uniform', 'routed', 'zipf'];
const ADDRESSES = 2 ** 20;
const SEED = 20_240_501;
/** Of each way in each round. */
const ROUND_MS = 80;

export function addBench(program: Command): void {
  const bench = program.command('bench').description('speed on this machine');
  bench
    .command('lpm')
    .description('longest-prefix matches per second')
    .option(
      '--table <table>',
      'bgp, calico, or a file with a prefix at the start of each line',
      'bgp',
    )
    .addOption(
      new Option('--stream <stream>', 'addresses to look up; all three by default').choices(
        STREAMS,
      ),
    )
    .option('--rounds <count>', 'interleaved rounds', integer(1, 1000), 9)
    .option('--plot <file>', 'an SVG of the medians')
    .option('--json', 'as JSON')
    .addHelpText('after', NOTES)
    .action(benchLpm);
}

const NOTES = `
Tables: bgp is a million routes, calico those of a node among 5,000. Streams: uniform is
any address, routed lies in a random route, zipf is 100,000 flows of very unequal size.

Example:
  podwire bench lpm --table calico --stream routed --plot lpm.svg`;

interface Way {
  readonly name: string;
  readonly run: () => void;
  readonly rates: number[];
}

function benchLpm({ table, stream, rounds, plot, json }: Flags): void {
  const routes: FibColumns =
    table === 'bgp' || table === 'calico'
      ? sampleRoutes(table, SEED)
      : readRouteList(readFileSync(table, 'utf8'), table);
  const built = process.hrtime.bigint();
  const fib = new Fib();
  fib.load(routes);
  const bytes = fib.memory();
  const buildMs = Number(process.hrtime.bigint() - built) / 1e6;

  const ways = (stream === undefined ? STREAMS : [stream]).flatMap((name) =>
    waysOf(fib, routes, name),
  );
  for (let round = 0; round <= rounds; round++) {
    for (const [i, { run, rates }] of ways.entries()) {
      const rate = measure(run);
      // The first round warms up.
      if (round > 0) rates.push(rate);
      progress((round * ways.length + i + 1) / ((rounds + 1) * ways.length));
    }
  }
  progress(undefined);

  const rows = ways.map(({ name, rates }) => {
    const sorted = [...rates].sort((a, b) => a - b);
    return { name, median: sorted[sorted.length >> 1]!, least: sorted[0]!, most: sorted.at(-1)! };
  });
  const title = `${fib.size} routes in ${(bytes / 1024).toFixed(0)} KiB, built in ${buildMs.toFixed(0)} ms`;
  if (plot !== undefined) {
    writeFileSync(plot, barChart(title, 'million lookups per second', rows));
  }
  if (json === true)
    printJson({ routes: fib.size, bytes, buildMs, rounds, lookupsPerSecond: rows });
  else {
    const lines = rows.map(({ name, median, least, most }) => {
      const range = `${shown(least)} to ${shown(most)}`;
      return `${name.padEnd(18)}${shown(median).padStart(8)}   ${range}\n`;
    });
    print(
      `${title}\nmillion lookups per second, median and range of ${rounds} rounds\n\n${lines.join('')}`,
    );
  }
}

function waysOf(fib: Fib, routes: FibColumns, stream: SampleStream): Way[] {
  const addresses = sampleAddresses(routes, stream, ADDRESSES, SEED + 1);
  const values = new Int32Array(ADDRESSES);
  const single = (): number => {
    let sum = 0;
    for (let i = 0; i < ADDRESSES; i++) sum += fib.lookup(addresses[i]!);
    return sum;
  };
  fib.lookupBatch(addresses, values);
  const sum = values.reduce((all, value) => all + value, 0);
  if (single() !== sum) throw new PodwireError('ERR_USAGE', 'single and batch lookups disagree');
  return [
    { name: `${stream}, lookup`, run: single, rates: [] },
    { name: `${stream}, batch`, run: () => fib.lookupBatch(addresses, values), rates: [] },
  ];
}

/** Million lookups per second. */
function measure(run: () => void): number {
  const start = process.hrtime.bigint();
  let now = start;
  let done = 0;
  for (
    const end = start + BigInt(ROUND_MS) * 1_000_000n;
    now < end;
    now = process.hrtime.bigint()
  ) {
    run();
    done += ADDRESSES;
  }
  return (done * 1e3) / Number(now - start);
}

const shown = (value: number): string => value.toFixed(1);

/** A bar on a terminal; `undefined` wipes it. */
function progress(part: number | undefined): void {
  if (!process.stderr.isTTY) return;
  const cells = 30;
  const full = Math.round((part ?? 0) * cells);
  tell(
    part === undefined
      ? '\r\x1b[K'
      : `\r[${'='.repeat(full).padEnd(cells)}] ${Math.round(part * 100)} %`,
  );
}
