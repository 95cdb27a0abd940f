/** The oracle's topologies as YAML, and its tables: a real kernel's output, kept outside the project. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(process.cwd(), '../shared/oracle/out');

export const oracleThere = existsSync(ROOT);
if (!oracleThere) console.warn(`SKIPPED: the oracle's tables are not at ${ROOT}`);

interface Scenario {
  readonly mode: 'direct' | 'ipip' | 'vxlan';
  readonly crossSubnet: boolean;
  readonly podMtu: number;
  readonly pool: string;
  readonly nodes: Record<string, OracleNode>;
  readonly pods: Record<string, { node: string; ip: string; cali: string; mac: string }>;
  readonly topology: {
    readonly namespaces: Record<
      string,
      { interfaces: Record<string, { mac: string; address?: string; segment?: string }> }
    >;
    readonly segments: Record<string, [namespace: string, device: string][]>;
  };
}

interface OracleNode {
  readonly hostname: string;
  readonly ip: string;
  readonly block: string;
  readonly tunl: string;
  readonly vtep: string;
}

export const readScenario = (name: string): Scenario =>
  JSON.parse(readFileSync(join(ROOT, name, 'scenario.json'), 'utf8')) as Scenario;

/** The cluster as a user would describe it. JSON is YAML. */
export function scenarioYaml({ mode, crossSubnet, pool, nodes, pods, topology }: Scenario): string {
  const when = crossSubnet ? 'CrossSubnet' : 'Always';
  const nameOf = (namespace: string) => nodes[namespace]?.hostname ?? namespace;
  const resources: unknown[] = [
    {
      apiVersion: 'projectcalico.org/v3',
      kind: 'IPPool',
      metadata: { name: 'default-ipv4-ippool' },
      spec: {
        cidr: pool,
        ipipMode: mode === 'ipip' ? when : 'Never',
        vxlanMode: mode === 'vxlan' ? when : 'Never',
      },
    },
    ...Object.values(nodes).flatMap((node) => [
      {
        apiVersion: 'projectcalico.org/v3',
        kind: 'Node',
        metadata: { name: node.hostname },
        spec: {
          bgp: { ipv4Address: `${node.ip}/24`, ipv4IPIPTunnelAddr: node.tunl },
          ipv4VXLANTunnelAddr: node.vtep,
        },
      },
      {
        apiVersion: 'crd.projectcalico.org/v1',
        kind: 'IPAMBlock',
        metadata: { name: node.block.replace(/[./]/g, '-') },
        spec: { cidr: node.block, affinity: `host:${node.hostname}`, deleted: false },
      },
    ]),
    ...Object.entries(pods).map(([name, pod]) => ({
      apiVersion: 'projectcalico.org/v3',
      kind: 'WorkloadEndpoint',
      metadata: { name: `${name}-eth0`, namespace: 'default' },
      spec: {
        node: nameOf(pod.node),
        pod: name,
        interfaceName: pod.cali,
        ipNetworks: [`${pod.ip}/32`],
      },
    })),
    {
      apiVersion: 'podwire/v1',
      kind: 'Underlay',
      metadata: { name: 'oracle' },
      spec: {
        segments: Object.entries(topology.segments).map(([name, members]) => ({
          name,
          members: members.map(([namespace, device]) => {
            const { mac, address } = topology.namespaces[namespace]!.interfaces[device]!;
            return { name: nameOf(namespace), interface: device, mac, address };
          }),
        })),
        routers: [{ name: 'gw' }],
        defaultGateway: Object.fromEntries(
          Object.keys(topology.segments).map((name) => {
            const { interfaces } = topology.namespaces['gw']!;
            const nic = Object.values(interfaces).find(({ segment }) => segment === name);
            return [name, nic!.address!.split('/')[0]];
          }),
        ),
      },
    },
  ];
  return resources.map((resource) => JSON.stringify(resource, null, 1)).join('\n---\n');
}

/** The lines of one command in one namespace. */
export function tableLines(name: string, namespace: string, command: string): string[] {
  const text = readFileSync(join(ROOT, name, 'tables.before.txt'), 'utf8');
  const section = text.split(/^##### namespace /m).find((s) => s.startsWith(`${namespace}\n`));
  const body = section?.split(/^# /m).find((part) => part.startsWith(`${command}\n`));
  if (body === undefined) throw new Error(`no "${command}" of ${namespace} in ${name}`);
  return body
    .split('\n')
    .slice(1)
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');
}
