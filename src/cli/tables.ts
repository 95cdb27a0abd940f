/** `podwire show` and `podwire exec`: the tables as the real commands print them. */
import type { Command } from 'commander';
import type { NamespacePlan } from '../index.ts';
import { type ClusterFlags, clusterOf, releaseOption, setOption } from './options.ts';
import { print } from './terminal.ts';

/** What `show` lists, in the order a person asks for it. */
const LISTINGS: readonly string[][] = [
  ['ip', 'addr'],
  ['ip', 'rule'],
  ['ip', 'route'],
  ['ip', 'neigh'],
  ['bridge', 'fdb', 'show'],
];

const EXAMPLES = `
Commands: ip [-4 -d -j -p -o -br] route|addr|link|neigh|rule, ip route get ADDRESS, bridge [-j] fdb,
bridge link, arp -an, arp -n, route -n, wg show, iptables-save, iptables -S, ipset save,
cat /var/lib/calico/mtu, calicoctl get ippool|node|wep|networkpolicy|profile|tier …
[-o wide|yaml|json] [-A], calicoctl node status, calicoctl ipam show|check, calicoctl version.

Examples:
  podwire exec fixtures/calico-vxlan k8s-node1 -- ip -d link show vxlan.calico
  podwire exec fixtures/calico-ipip k8s-node1 -- calicoctl get ippool -o wide
  podwire exec fixtures/calico-ipip k8s-node1 --set ippool/default-ipv4-ippool.ipipMode=Never \\
    -- ip route`;

export function addTables(program: Command): void {
  program
    .command('show')
    .description('all tables of a node or pod')
    .argument('<cluster>', 'YAML file, folder of YAML files, or -')
    .argument('<node>', 'a node, router or host; a pod as namespace/pod')
    .addOption(setOption())
    .addOption(releaseOption())
    .addHelpText('after', '\nExample:\n  podwire show fixtures/calico-ipip k8s-node1')
    .action((path: string, name: string, flags: ClusterFlags) => {
      const cluster = clusterOf(path, flags);
      const blocks = [...LISTINGS, ...furtherListings(cluster.tables(name))].map(
        (argv) => `# ${argv.join(' ')}\n${cluster.exec(name, argv)}`,
      );
      print(blocks.join('\n'));
    });

  program
    .command('exec')
    .description('what a command prints on a node or in a pod')
    .argument('<cluster>', 'YAML file, folder of YAML files, or -')
    .argument('<node>', 'a node, router or host; a pod as namespace/pod')
    .argument('<command...>', 'after --: ip route, bridge fdb show, calicoctl node status …')
    .addOption(setOption())
    .addOption(releaseOption())
    .option('--since <time>', 'SINCE of `calicoctl node status`, as 16:38:32 or a date')
    .addHelpText('after', EXAMPLES)
    .action((path: string, name: string, argv: string[], flags: ClusterFlags & Since) => {
      const { since } = flags;
      const told = since === undefined ? undefined : () => since;
      print(clusterOf(path, flags).exec(name, argv, told));
    });
}

interface Since {
  readonly since?: string;
}

/** What only some namespaces have: tables that rules of their own ask, and WireGuard. */
function furtherListings({ rules = [], devices }: NamespacePlan): string[][] {
  const tables = new Set(rules.flatMap(({ table }) => (typeof table === 'number' ? [table] : [])));
  return [
    ...[...tables].map((table) => ['ip', 'route', 'show', 'table', String(table)]),
    ...(devices.some(({ wireguard }) => wireguard !== undefined) ? [['wg', 'show']] : []),
  ];
}
