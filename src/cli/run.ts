/** `podwire run`: scenarios regenerated, compared with what a real cluster gave. */
import { closeSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import {
  type Cluster,
  formatSteps,
  loadCluster,
  PodwireError,
  readManifests,
  readScenarios,
  runScenario,
  type Scenario,
  type ScenarioResult,
} from '../index.ts';
import { type KeyLogFlags, keyLogOption, writeKeyLog } from './keylog.ts';
import { print, printBytes, tell } from './terminal.ts';

interface Flags extends KeyLogFlags {
  readonly out: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

interface Outcome {
  readonly scenario: Scenario;
  readonly file: string;
  readonly result: ScenarioResult;
  readonly cluster: Cluster;
}

export function addRun(program: Command): void {
  program
    .command('run')
    .description('send the exchanges of scenarios through their clusters and write the captures')
    .argument('<folder...>', 'folders with a cluster and a Scenario')
    .option('-o, --out <dir>', 'where the captures go; - for one capture on standard output', 'out')
    .addOption(keyLogOption())
    .option('--json', 'the outcome as JSON')
    .option('-q, --quiet', 'only the summary')
    .addHelpText('after', NOTES)
    .action((folders: string[], flags: Flags) => {
      process.exitCode = run(folders, flags);
    });
}

const NOTES = `
Exit code: 0 every capture equals the real one where its digest is known, 1 one does not.

A scenario whose file is called .pcapng gives a pcapng.

Examples:
  podwire run fixtures/calico-ipip fixtures/calico-vxlan --out out
  podwire run fixtures/calico-vxlan -q -o - | tcpdump -nr -`;

function run(folders: readonly string[], flags: Flags): number {
  const piped = flags.out === '-';
  const say = piped ? tell : print;
  let left = piped ? 1 : Number.POSITIVE_INFINITY;
  if (!piped) mkdirSync(flags.out, { recursive: true });
  const outcomes = folders.flatMap((folder) => {
    const files = readManifests(folder);
    const scenarios = readScenarios(files);
    if (scenarios.length === 0) {
      throw new PodwireError('ERR_CONFIG_VALUE', 'expected a Scenario, found none', {
        source: folder,
      });
    }
    return scenarios.map((scenario) => {
      if (left-- === 0) {
        throw new PodwireError('ERR_USAGE', '--out -: expected one Scenario, found more');
      }
      const outcome = regenerate(folder, scenario, flags.out);
      if (flags.json !== true && flags.quiet !== true) explainFirst(outcome, say);
      return outcome;
    });
  });
  writeKeyLog(
    outcomes.map(({ cluster }) => cluster),
    flags,
  );
  if (flags.json === true) {
    const answer = outcomes.map(({ scenario, file, result }) => ({
      name: scenario.name,
      file,
      ...result,
    }));
    say(`${JSON.stringify(answer, null, 2)}\n`);
  } else say(outcomes.map(summary).join(''));
  return outcomes.some(({ result }) => result.equal === false) ? 1 : 0;
}

function regenerate(folder: string, scenario: Scenario, out: string): Outcome {
  const cluster = loadCluster(folder);
  if (out === '-') {
    return { scenario, file: out, result: runScenario(cluster, scenario, printBytes), cluster };
  }
  const file = join(out, scenario.capture.file);
  const partial = `${file}.partial`;
  const fd = openSync(partial, 'w');
  try {
    const result = runScenario(cluster, scenario, (chunk) => {
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
    });
    renameSync(partial, file);
    return { scenario, file, result, cluster };
  } finally {
    closeSync(fd);
  }
}

function explainFirst({ scenario, result }: Outcome, say: (text: string) => void): void {
  say(`${scenario.name}: the first packet, hop by hop\n\n${formatSteps(result.steps)}\n\n`);
}

function summary({ scenario, file, result }: Outcome): string {
  const verdict =
    result.equal === undefined
      ? 'no digest to compare with'
      : result.equal
        ? 'equal to the real capture, byte for byte'
        : `NOT equal to the real capture (expected ${scenario.capture.sha256})`;
  return `${file}  ${result.frames} packets, ${result.bytes} bytes\n  sha256 ${result.sha256}\n  ${verdict}\n`;
}
