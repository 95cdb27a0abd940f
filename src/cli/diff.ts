/** `podwire diff`: what changes in every node's tables from one cluster to another. */
import type { Command } from 'commander';
import { formatDiff, PodwireError, readManifests, walkDiff } from '../index.ts';
import { type PlanFlags, planOf, releaseOption, setOption } from './options.ts';
import { print } from './terminal.ts';

interface Flags extends PlanFlags {
  readonly set: readonly string[];
  readonly json?: boolean;
}

export function addDiff(program: Command): void {
  program
    .command('diff')
    .description('what changes in the tables of every node and pod')
    .argument('<cluster>', 'YAML file, folder of YAML files, or -')
    .argument('[other]', 'the cluster to compare with; without it the same one, edited by --set')
    .addOption(setOption())
    .addOption(releaseOption())
    .option('--json', 'the difference as JSON')
    .addHelpText('after', NOTES)
    .action((before: string, after: string | undefined, flags: Flags) => {
      process.exitCode = diff(before, after, flags);
    });
}

const NOTES = `
Lines are those of the commands named above them: - before, + after.
Exit code: 0 no difference, 1 some.

Examples:
  podwire diff fixtures/calico-ipip fixtures/calico-vxlan
  podwire diff fixtures/calico-ipip --set ippool/default-ipv4-ippool.ipipMode=Never`;

function diff(before: string, after: string | undefined, flags: Flags): number {
  const { set, json, release } = flags;
  if (after === undefined && set.length === 0) {
    throw new PodwireError('ERR_USAGE', 'diff: expected a second cluster or --set, found neither');
  }
  // Standard input is there to be read once.
  const files = readManifests(before);
  const others = after === undefined ? files : readManifests(after);
  let count = 0;
  for (const namespace of walkDiff(
    planOf(files, release === undefined ? {} : { release }),
    planOf(others, flags),
  )) {
    if (json === true) {
      const text = JSON.stringify(namespace, null, 2).replace(/^/gm, '    ');
      print(`${count === 0 ? '{\n  "namespaces": [\n' : ',\n'}${text}`);
    } else print(`${count === 0 ? '' : '\n'}${formatDiff({ namespaces: [namespace] })}\n`);
    count++;
  }
  if (json === true) print(count === 0 ? '{\n  "namespaces": []\n}\n' : '\n  ]\n}\n');
  return count === 0 ? 0 : 1;
}
