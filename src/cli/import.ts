/** `podwire import`: a cluster from what commands printed on its nodes. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { formatImport, type Import, importDumps, readDumps } from '../index.ts';
import { print, printJson, tell } from './terminal.ts';

interface Flags {
  readonly out?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function addImport(program: Command): void {
  program
    .command('import')
    .description('a cluster from pasted output of ip, bridge, arp, route, wg and calicoctl')
    .argument('<dir>', 'a folder with a folder or file per node, one file, or -')
    .option('-o, --out <file>', 'write the cluster here, not to standard output')
    .option('--force', 'overwrite that file')
    .option('--json', 'namespaces, cables, assumed and missing facts as JSON on standard output')
    .addHelpText('after', NOTES)
    .action((path: string, flags: Flags) => importPath(path, flags));
}

const NOTES = `
Files: NODE/ip-route.txt, NODE.txt, NODE-ip-route.txt, NAMESPACE/POD/ip-addr.txt, or one file
in which prompts (root@node1:~# ip route) or "##### namespace NODE" say where a command ran.
What was assumed and what is missing is listed on standard error. Best for each node:
  ip -d link; ip addr; ip route show table all; ip neigh; ip rule; bridge fdb show

Example:
  podwire import dumps -o cluster.yaml && podwire trace cluster.yaml --from a --to b`;

function importPath(path: string, flags: Flags): void {
  const result = importDumps(readDumps(path));
  report(result);
  const yaml = formatImport(result);
  if (flags.out !== undefined) {
    writeFileSync(flags.out, yaml, { flag: flags.force === true ? 'w' : 'wx' });
  }
  if (flags.json === true) printJson(summary(result));
  else if (flags.out === undefined) print(yaml);
}

function report({ plan, assumed, missing }: Import): void {
  if (plan.ignored.length > 0) tell(`podwire: not used: ${plan.ignored.join(', ')}\n`);
  for (const text of assumed) tell(`podwire: assumed: ${text}\n`);
  for (const { text } of missing) tell(`podwire: missing: ${text}\n`);
}

function summary({ plan, assumed, missing }: Import): object {
  return {
    namespaces: plan.namespaces.map(({ name, role, node, devices, routes, neighbours, fdb }) => ({
      name,
      role,
      ...(node === undefined ? {} : { node }),
      devices: devices.map((device) => device.name),
      routes: routes.length,
      neighbours: neighbours.length,
      fdb: fdb.length,
    })),
    segments: plan.segments,
    assumed,
    missing,
    ignored: plan.ignored,
  };
}
