/** `podwire show` and `podwire exec`: the tables as the real commands print them. */
import type { Command } from 'commander';
import { clusterOf } from './options.ts';
import { print } from './terminal.ts';

/** What `show` lists, in the order a person asks for it. */
const LISTINGS = [
  ['ip', 'addr'],
  ['ip', 'rule'],
  ['ip', 'route'],
  ['ip', 'neigh'],
  ['bridge', 'fdb', 'show'],
];

export function addTables(program: Command): void {
  program
    .command('show')
    .description('all tables of a node or pod')
    .argument('<cluster>', 'YAML file, folder of YAML files, or -')
    .argument('<node>', 'a node, router or host; a pod as namespace/pod')
    .addHelpText('after', '\nExample:\n  podwire show fixtures/calico-ipip k8s-node1')
    .action((path: string, name: string) => {
      const cluster = clusterOf(path);
      const blocks = LISTINGS.map((argv) => `# ${argv.join(' ')}\n${cluster.exec(name, argv)}`);
      print(blocks.join('\n'));
    });

  program
    .command('exec')
    .description('what a command prints on a node or in a pod')
    .argument('<cluster>', 'YAML file, folder of YAML files, or -')
    .argument('<node>', 'a node, router or host; a pod as namespace/pod')
    .argument('<command...>', 'after --: ip route, ip neigh, bridge fdb show, arp -an, route -n …')
    .addHelpText(
      'after',
      '\nExample:\n  podwire exec fixtures/calico-vxlan k8s-node1 -- ip -d link show vxlan.calico',
    )
    .action((path: string, name: string, argv: string[]) => {
      print(clusterOf(path).exec(name, argv));
    });
}
