/** `podwire lint`: what is allowed and wrong all the same. */
import type { Command } from 'commander';
import { lintPlan, readManifests } from '../index.ts';
import { type PlanFlags, planOf, releaseOption, setOption } from './options.ts';
import { print, printJson } from './terminal.ts';

interface Flags extends PlanFlags {
  readonly json?: boolean;
}

export function addLint(program: Command): void {
  program
    .command('lint')
    .description('faults that drop packets only sometimes, or far away: MTUs, routers, fabrics')
    .argument('<cluster>', 'YAML file, folder of YAML files, or -')
    .addOption(setOption())
    .addOption(releaseOption())
    .option('--json', 'the findings as JSON')
    .addHelpText('after', NOTES)
    .action((path: string, flags: Flags) => {
      process.exitCode = lint(path, flags);
    });
}

const NOTES = `
Exit code: 0 nothing found, 1 something.

Example:
  podwire lint fixtures/calico-ipip`;

function lint(path: string, flags: Flags): number {
  const findings = lintPlan(planOf(readManifests(path), flags));
  if (flags.json === true) printJson(findings);
  else print(findings.map(({ node, rule, message }) => `${node}: ${rule}: ${message}\n`).join(''));
  return findings.length === 0 ? 0 : 1;
}
