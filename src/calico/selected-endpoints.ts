/**
 * Endpoints of services that the input does not list: Kubernetes' controller makes them of the
 * pods that a service selects (endpointslice reconciler, FindPort of pkg/api/v1/pod).
 */
import type { Ip4 } from '../wire/address.ts';
import type { Manifest } from './manifest.ts';
import { compareNames, listNames } from './names.ts';
import type {
  Service,
  ServiceEndpoint,
  ServiceEndpoints,
  ServicePort,
} from './service-resource.ts';
import type { Workload } from './workload.ts';

/** The resources with these endpoints among them. A service that selects no pod has none. */
export function withSelectedEndpoints(
  manifest: Manifest,
  addresses: ReadonlyMap<string, Ip4>,
  assumptions: string[],
): Manifest {
  const { bgp, workloads } = manifest;
  const listed = new Set(bgp.endpoints.map(({ service }) => service));
  const selecting = [...bgp.services].filter(
    ([key, { selector }]) => selector.size > 0 && !listed.has(key),
  );
  if (selecting.length === 0) return manifest;
  const byLabel = podsByLabel(workloads);
  const made = selecting.flatMap(([key, service]): ServiceEndpoints[] => {
    const pods = selected(key, service, byLabel);
    return pods.length === 0 ? [] : [endpointsOf(key, service, pods, addresses)];
  });
  if (made.length === 0) return manifest;
  const names = made.map(({ service }) => service).sort(compareNames);
  assumptions.push(
    `without EndpointSlice or Endpoints in the input, so each has the pods that it selects: ${listNames(names)}`,
  );
  return { ...manifest, bgp: { ...bgp, endpoints: [...bgp.endpoints, ...made] } };
}

const labelKey = (namespace: string, label: string, value: string): string =>
  `${namespace}/${label}=${value}`;

function podsByLabel(pods: readonly Workload[]): ReadonlyMap<string, readonly Workload[]> {
  const index = new Map<string, Workload[]>();
  for (const pod of pods) {
    for (const [label, value] of pod.labels) {
      const key = labelKey(pod.namespace, label, value);
      const others = index.get(key);
      if (others === undefined) index.set(key, [pod]);
      else others.push(pod);
    }
  }
  return index;
}

/** The pods that have every label; the rarest is asked first. */
function selected(
  key: string,
  { selector }: Service,
  byLabel: ReadonlyMap<string, readonly Workload[]>,
): readonly Workload[] {
  const namespace = key.slice(0, key.indexOf('/'));
  const lists = [...selector].map(
    ([label, value]) => byLabel.get(labelKey(namespace, label, value)) ?? [],
  );
  const rarest = lists.reduce((a, b) => (b.length < a.length ? b : a));
  return rarest.filter(({ labels }) =>
    [...selector].every(([label, value]) => labels.get(label) === value),
  );
}

function endpointsOf(
  service: string,
  { ports, takesUnready }: Service,
  pods: readonly Workload[],
  addresses: ReadonlyMap<string, Ip4>,
): ServiceEndpoints {
  const ready = takesUnready ? pods : pods.filter((pod) => pod.ready);
  const of = (some: readonly Workload[]): readonly ServiceEndpoint[] =>
    ports.flatMap((port) => some.flatMap((pod) => endpointOf(port, pod, addresses) ?? []));
  return {
    kind: 'EndpointSlice',
    service,
    nodes: ready.map(({ node }) => node.value),
    endpoints: of(ready),
    members: of(pods),
  };
}

const NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const;

/** None where the service's port has a name that no container of the pod knows. */
function endpointOf(
  { name, protocol, target }: ServicePort,
  { key, node, ports }: Workload,
  addresses: ReadonlyMap<string, Ip4>,
): ServiceEndpoint | undefined {
  const port =
    typeof target === 'number'
      ? target
      : ports.find((one) => one.name === target && one.protocol === NUMBERS[protocol])?.port;
  if (port === undefined) return undefined;
  const place = { node: node.value, forZones: [], forNodes: [] };
  return { name, protocol, port, address: addresses.get(key)!, ready: true, ...place };
}
