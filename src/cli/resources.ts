/** `podwire apply` and `podwire patch`: what calicoctl's commands of these names would change. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  type Applied,
  applyManifests,
  formatDiff,
  type ManifestFile,
  patchManifests,
  readManifests,
  walkDiff,
} from '../index.ts';
import { planOf } from './options.ts';
import { print } from './terminal.ts';

interface Flags {
  readonly out?: string;
  readonly force?: boolean;
}

interface ApplyFlags extends Flags {
  readonly filename: string;
}

interface PatchFlags extends Flags {
  readonly patch: string;
}

const OUT = ['-o, --out <file>', 'write the changed cluster here (- for stdout)'] as const;
const FORCE = ['--force', 'overwrite that file'] as const;

export function addResources(program: Command): void {
  program
    .command('apply')
    .description('put resources into a cluster, as calicoctl apply does, and show what changes')
    .argument('<cluster>', 'YAML file or folder of YAML files')
    .requiredOption('-f, --filename <file>', 'resources: a file, a folder or -')
    .option(...OUT)
    .option(...FORCE)
    .addHelpText(
      'after',
      '\nExample:\n  podwire apply fixtures/calico-ipip -f pool.yaml -o changed.yaml',
    )
    .action((path: string, flags: ApplyFlags) => {
      const before = readManifests(path);
      finish(before, applyManifests(before, readManifests(flags.filename)), flags);
    });

  program
    .command('patch')
    .description('change a resource of a cluster, as calicoctl patch does, and show what changes')
    .argument('<cluster>', 'YAML file, folder of YAML files, or -')
    .argument('<kind>', 'ippool, node, felixconfiguration …')
    .argument('<name>', 'of the resource; in a namespace NAMESPACE/NAME')
    .requiredOption('-p, --patch <json>', 'a merge patch: {"spec": {"field": value}}')
    .option('-t, --type <type>', 'merge or strategic, which are the same here')
    .option(...OUT)
    .option(...FORCE)
    .addHelpText('after', PATCH_NOTES)
    .action((path: string, kind: string, name: string, flags: PatchFlags) => {
      const before = readManifests(path);
      finish(before, patchManifests(before, { kind, name, patch: flags.patch }), flags);
    });
}

const PATCH_NOTES = `
Example:
  podwire patch fixtures/calico-ipip ippool default-ipv4-ippool -p '{"spec": {"ipipMode": "Never"}}'`;

/** A cluster that cannot be is refused before anything is written or said. */
function finish(before: readonly ManifestFile[], { files, message }: Applied, flags: Flags): void {
  const plan = planOf(files);
  if (flags.out !== undefined) {
    const yaml = files.map(({ text }) => text.replace(/\n*$/, '\n')).join('---\n');
    if (flags.out === '-') {
      print(yaml);
      return;
    }
    writeFileSync(flags.out, yaml, { flag: flags.force === true ? 'w' : 'wx' });
    print(message);
    return;
  }
  print(message);
  for (const namespace of walkDiff(planOf(before), plan)) {
    print(`\n${formatDiff({ namespaces: [namespace] })}\n`);
  }
}
