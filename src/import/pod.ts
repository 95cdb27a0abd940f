/**
 * Pods that only their node's tables tell of: a route out of a cali device leads to
 * each. What is inside such a pod is what Calico's CNI always puts there.
 */
import { nicMac, vethName } from '../calico/names.ts';
import { podRoutes } from '../calico/routes.ts';
import type { DevicePlan, NamespacePlan } from '../plan/plan.ts';
import { formatIp4, type Ip4 } from '../wire/address.ts';
import type { Hints } from './hints.ts';
import type { Notes } from './notes.ts';
import { isNamespaceName } from './prompt.ts';

/** Names of pods by `node cali…`, and those that manifests name without a node. */
export interface KnownPods {
  readonly byDevice: ReadonlyMap<string, string>;
  /** `namespace/pod` */
  readonly names: readonly string[];
}

/** The local pod a route of a node leads to: its address. */
export function podAddress(node: NamespacePlan, device: string): Ip4 | undefined {
  const route = node.routes.find(
    (r) =>
      r.device === device &&
      r.destination.length === 32 &&
      r.via === undefined &&
      r.type === 'unicast' &&
      r.table === 'main',
  );
  return route?.destination.address;
}

/** The pod at the other end of a cali device that no dump shows. */
export function assumePod(
  node: NamespacePlan,
  veth: DevicePlan,
  peerIndex: number | undefined,
  known: KnownPods,
  hints: Hints,
  notes: Notes,
): NamespacePlan | undefined {
  const address = podAddress(node, veth.name);
  if (address === undefined) return undefined;
  const text = formatIp4(address);
  const name = podNameOf(node.name, veth.name, known) ?? `unknown/${text}`;
  const told = hints.macs.get(address);
  const mac = told ?? nicMac(name, 'eth0');
  const lo: DevicePlan = {
    name: 'lo',
    index: 1,
    kind: 'loopback',
    mtu: 65536,
    up: true,
    addresses: [],
    proxyArp: false,
    queueLength: 1000,
    qdisc: 'noqueue',
    checksumOffload: false,
  };
  const eth0: DevicePlan = {
    ...lo,
    name: 'eth0',
    index: peerIndex ?? 3,
    kind: 'veth',
    mac,
    mtu: veth.mtu,
    addresses: [{ address, length: 32, scope: 'global' }],
    queueLength: 0,
  };
  notes.assume(
    `${name}: the pod at ${text} behind ${node.name}'s ${veth.name} is in no dump; taken with eth0 ${text}/32, MTU ${veth.mtu}, Calico's two routes${told === undefined ? ' and a made-up MAC' : ''}`,
  );
  return {
    name,
    role: 'pod',
    node: node.name,
    forwarding: false,
    devices: [lo, eth0],
    routes: podRoutes('eth0'),
    neighbours: [],
    fdb: [],
  };
}

function podNameOf(
  node: string,
  device: string,
  { byDevice, names }: KnownPods,
): string | undefined {
  const told = byDevice.get(`${node} ${device}`);
  if (told !== undefined) return isNamespaceName(told) ? told : undefined;
  return names.find((name) => {
    const [namespace = '', pod = ''] = name.split('/');
    return vethName(namespace, pod) === device;
  });
}
