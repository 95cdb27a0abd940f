/** `calicoctl get workloadendpoint`: pods with the host ends of their veths. */
import type { EndpointFacts, Inventory, NamespacePlan } from '../plan/plan.ts';
import { formatMac, formatPrefix, type Mac } from '../wire/address.ts';

/** A pod as far as its own devices tell. */
export interface Endpoint {
  readonly namespace: string;
  readonly pod: string;
  readonly node: string;
  /** Of the endpoint, as conversion/workload_endpoint.go puts it together. */
  readonly name: string;
  /** `ADDRESS/32` */
  readonly networks: readonly string[];
  /** On the node. */
  readonly device: string;
  readonly mac: Mac | undefined;
}

export const endpointsOf = (namespaces: readonly NamespacePlan[]): Endpoint[] =>
  namespaces.flatMap(({ name, role, node = '', devices }) => {
    const eth0 = devices.find(({ peer }) => peer?.namespace === node);
    if (role !== 'pod' || eth0 === undefined) return [];
    const slash = name.indexOf('/');
    const pod = name.slice(slash + 1);
    return [
      {
        namespace: name.slice(0, slash),
        pod,
        node,
        name: `${escaped(node)}-k8s-${escaped(pod)}-eth0`,
        networks: eth0.addresses.map((address) => formatPrefix(address)),
        device: eth0.peer?.device ?? '',
        mac: eth0.mac,
      },
    ];
  });

/** One dash stands between the parts of a name, two are one in a part. */
const escaped = (part: string): string => part.replaceAll('-', '--');

type Told = (endpoint: Endpoint) => EndpointFacts | undefined;

function toldBy({ endpoints = [] }: Inventory): Told {
  const told = new Map(endpoints.map((facts) => [facts.pod, facts]));
  return ({ namespace, pod }) => told.get(`${namespace}/${pod}`);
}

/** Title line and rows; `places` puts the namespaces in front. */
export function endpointRows(
  endpoints: readonly Endpoint[],
  inventory: Inventory,
  wide: boolean,
  places: boolean,
): string[][] {
  const told = toldBy(wide ? inventory : { ...inventory, endpoints: [] });
  const front = places ? ['NAMESPACE'] : [];
  const titles = ['WORKLOAD', 'NODE', 'NETWORKS', 'INTERFACE'];
  return [
    [...front, ...(wide ? ['NAME', ...titles, 'PROFILES', 'NATS'] : titles)],
    ...endpoints.map((endpoint) => {
      const { namespace, name, pod, node, networks, device } = endpoint;
      const cells = [pod, node, networks.join(), device];
      const profiles = told(endpoint)?.profiles.join() ?? '';
      return [...(places ? [namespace] : []), ...(wide ? [name, ...cells, profiles, ''] : cells)];
    }),
  ];
}

/** What the cluster's own resource would say, without what only a runtime knows. */
export function endpointResources(
  endpoints: readonly Endpoint[],
  inventory: Inventory,
): readonly unknown[] {
  const told = toldBy(inventory);
  return endpoints.map((endpoint) => {
    const { namespace, name, pod, node, networks, device, mac } = endpoint;
    const { account, profiles, labels } = told(endpoint) ?? {};
    return {
      apiVersion: 'projectcalico.org/v3',
      kind: 'WorkloadEndpoint',
      metadata: { ...(labels === undefined ? {} : { labels }), name, namespace },
      spec: {
        endpoint: 'eth0',
        interfaceName: device,
        ipNetworks: networks,
        ...(mac === undefined ? {} : { mac: formatMac(mac) }),
        node,
        orchestrator: 'k8s',
        pod,
        ...(profiles === undefined ? {} : { profiles }),
        ...(account === undefined ? {} : { serviceAccountName: account }),
      },
    };
  });
}
