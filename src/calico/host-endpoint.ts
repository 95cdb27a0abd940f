/**
 * HostEndpoint: an interface of a node, or all of them, that policies select. Those of
 * whole nodes are made by kube-controllers where it is told so (AutoHostEndpoints).
 */
import { type Ip4, tryIp4 } from '../wire/address.ts';
import type { Addressing } from './blocks.ts';
import type { CalicoNode } from './calico-node.ts';
import type { Field } from './field.ts';
import { readLabels } from './network-set.ts';
import type { PolicyResources } from './policy-draft.ts';
import { readProtocol } from './policy-rule.ts';
import type { Labels } from './selector.ts';
import type { Fabric } from './underlay.ts';
import type { NamedPort } from './workload.ts';

export interface HostEndpoint {
  readonly name: string;
  readonly node: string;
  /** `*` is all interfaces; absent: those that hold one of the expected addresses. */
  readonly device: string | undefined;
  /** IPv4 only. What rules take for its addresses. */
  readonly expectedIps: readonly Ip4[];
  readonly labels: Labels;
  readonly profiles: readonly string[];
  readonly ports: readonly NamedPort[];
}

/** Interface name of a HostEndpoint for the whole node. */
export const EVERY_DEVICE = '*';

/** Profile that allows everything (libcalico-go resources DefaultAllowProfileName). */
export const DEFAULT_ALLOW = 'projectcalico-default-allow';

export function readHostEndpoint(name: string, resource: Field): HostEndpoint {
  const spec = resource.entry('spec');
  const at = spec.entry('interfaceName');
  const device = at.optional((f) => (f.text() === EVERY_DEVICE ? EVERY_DEVICE : f.deviceName()));
  const expected = spec.entry('expectedIPs').items();
  if (device === undefined && expected.length === 0) {
    throw at.refuse('interfaceName or expectedIPs');
  }
  return {
    name,
    node: spec.entry('node').name(),
    device,
    expectedIps: expected.flatMap(expectedIp),
    labels: readLabels(resource.entry('metadata').entry('labels')),
    profiles: spec
      .entry('profiles')
      .items()
      .map((f) => f.text()),
    ports: spec
      .entry('ports')
      .items()
      .map((f) => ({
        name: f.entry('name').text(),
        protocol: readProtocol(f.entry('protocol')),
        port: f.entry('port').integer(1, 65535),
      })),
  };
}

/** None for IPv6. */
function expectedIp(at: Field): Ip4[] {
  const text = at.text('an address');
  if (text.includes(':')) return [];
  const address = tryIp4(text);
  if (address === undefined) throw at.refuse('an address');
  return [address];
}

/** Does kube-controllers make one for each node? */
export function readAutomatic(resource: Field): boolean {
  const at = resource.entry('spec').entry('controllers').entry('node').entry('hostEndpoint');
  const made = at.entry('createDefaultHostEndpoint').optional((f) => f.text()) !== 'Disabled';
  const auto = at.entry('autoCreate').optional((f) => f.choice(['Enabled', 'Disabled']));
  return auto === 'Enabled' && made;
}

/** What kube-controllers makes of a node (hostendpoints.go generateAutoHostendpointFromNode). */
const automaticHostEndpoint = (
  { name, labels }: CalicoNode,
  addresses: readonly Ip4[],
): HostEndpoint => ({
  name: `${name}-auto-hep`,
  node: name,
  device: EVERY_DEVICE,
  expectedIps: addresses,
  labels: new Map([...labels, ['projectcalico.org/created-by', 'calico-kube-controllers']]),
  profiles: [DEFAULT_ALLOW],
  ports: [],
});

/** Where nodes and their addresses are found. */
interface Places {
  readonly fabric: Fabric;
  readonly tunnels: Addressing['tunnels'];
}

/** Those that are written, and where kube-controllers makes one of each node, the others. */
export function hostEndpoints(
  { hosts, automaticHosts }: Pick<PolicyResources, 'hosts' | 'automaticHosts'>,
  nodes: readonly CalicoNode[],
  { fabric, tunnels }: Places,
): readonly HostEndpoint[] {
  const written = new Set(hosts.map(({ name }) => name));
  const made = (automaticHosts ? nodes : []).map((node) => {
    const { name } = node;
    const held = [tunnels.ipip.get(name), tunnels.vxlan.get(name), tunnels.wireguard.get(name)];
    const addresses = [fabric.nodes.get(name)?.own.address, ...held];
    return automaticHostEndpoint(
      node,
      addresses.filter((address) => address !== undefined),
    );
  });
  return [...hosts, ...made.filter(({ name }) => !written.has(name))];
}
