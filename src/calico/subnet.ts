/** The network assumed where no Underlay describes one: the nodes' subnets and a router. */
import type { SegmentPlan } from '../plan/plan.ts';
import {
  contains,
  formatIp4,
  formatPrefix,
  type InterfaceAddress,
  type Ip4,
  lastOf,
  networkOf,
  type Prefix,
} from '../wire/address.ts';
import type { CalicoNode } from './calico-node.ts';
import type { Field } from './field.ts';
import { listNames, nicMac } from './names.ts';
import type { Network, Nic } from './nic.ts';

interface Subnet {
  readonly network: Prefix;
  readonly nodes: { readonly name: string; readonly address: InterfaceAddress; at: Field }[];
}

/** Nodes of one subnet share a segment; one router joins all subnets. */
export function deriveNetwork(nodes: readonly CalicoNode[], assumptions: string[]): Network {
  const subnets = groupBySubnet(nodes);
  const taken = new Set(nodes.map(({ name }) => name));
  let router = 'router';
  for (let n = 2; taken.has(router); n++) router = `router-${n}`;

  const of = new Map<string, Nic[]>();
  const routerNics: Nic[] = [];
  const segments = subnets.map((subnet, i): SegmentPlan => {
    const gateway = routerAddress(subnet);
    const nic = (name: string, device: string, address: InterfaceAddress): Nic => ({
      device,
      mac: nicMac(name, device),
      mtu: 1500,
      address,
      gateway: name === router ? undefined : gateway,
    });
    const length = subnet.network.length;
    routerNics.push(nic(router, `eth${i}`, { address: gateway, length }));
    for (const { name, address } of subnet.nodes) {
      of.set(name, [nic(name, 'eth0', { address: address.address, length })]);
    }
    return {
      name: formatPrefix(subnet.network),
      mtu: 1500,
      members: [
        { namespace: router, device: `eth${i}` },
        ...subnet.nodes.map(({ name }) => ({ namespace: name, device: 'eth0' })),
      ],
      srcDstCheck: false,
    };
  });
  const first = nodes[0];
  if (first === undefined) return { segments: [], of, outsiders: [] };
  of.set(router, routerNics);
  const joined = subnets.map(({ network }, i) => {
    return `${formatPrefix(network)} at ${formatIp4(routerNics[i]!.address.address)}`;
  });
  assumptions.push(
    'without an Underlay, nodes of one subnet share a segment of MTU 1500, their NICs are eth0 and their MACs follow from their names',
    `without an Underlay, one router named ${router} is the default gateway and joins all subnets: ${listNames(joined)}`,
  );
  return { segments, of, outsiders: [{ name: router, role: 'router', routes: [], at: first.at }] };
}

function groupBySubnet(nodes: readonly CalicoNode[]): Subnet[] {
  const placed = nodes.map(({ name, address, at }) => {
    if (address === undefined) {
      const field = at.entry('spec').entry('bgp').entry('ipv4Address');
      throw field.refuse('an IPv4 ADDRESS/LENGTH, or an Underlay with this node as member');
    }
    return { name, address: address.value, at: address.at };
  });
  const subnets: Subnet[] = [];
  // Widest first: nodes with other masks on the same wire fall into the widest network.
  for (const node of [...placed].sort((a, b) => a.address.length - b.address.length)) {
    const home = subnets.find(({ network }) => contains(network, node.address.address));
    if (home !== undefined) home.nodes.push(node);
    else subnets.push({ network: networkOf(node.address), nodes: [node] });
  }
  return subnets.sort((a, b) => (a.network.address >>> 0) - (b.network.address >>> 0));
}

/** The first host address that no node has. */
function routerAddress({ network, nodes }: Subnet): Ip4 {
  const used = new Set<number>(nodes.map(({ address }) => address.address));
  const last = lastOf(network) >>> 0;
  for (let next = (network.address >>> 0) + 1; next < last; next++) {
    if (!used.has(next | 0)) return (next | 0) as Ip4;
  }
  throw nodes[0]!.at.conflict(
    'room for a router in the subnet, or an Underlay',
    formatPrefix(network),
  );
}
