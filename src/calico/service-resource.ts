/** Service, EndpointSlice and Endpoints, as far as BGP and kube-proxy use them. */
import { type Ip4, tryIp4 } from '../wire/address.ts';
import type { Field } from './field.ts';

export interface Service {
  readonly clusterIps: readonly Ip4[];
  readonly externalIps: readonly Ip4[];
  readonly loadBalancerIps: readonly Ip4[];
  /** externalTrafficPolicy Local: only nodes with a ready endpoint take its traffic. */
  readonly local: boolean;
  /** internalTrafficPolicy Local: a node uses its own endpoints only. */
  readonly internalLocal: boolean;
  /** sessionAffinity ClientIP */
  readonly affinity: boolean;
  readonly ports: readonly ServicePort[];
  readonly at: Field;
}

export interface ServicePort extends PortKey {
  readonly port: number;
  readonly nodePort: number | undefined;
}

/** What joins a port of a service and one of its endpoints. */
export interface PortKey {
  /** Empty where the service has one port without a name. */
  readonly name: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
}

/** What one resource says about the endpoints of one service. */
export interface ServiceEndpoints {
  /** `namespace/name` */
  readonly service: string;
  /** Nodes with a ready endpoint. */
  readonly nodes: readonly string[];
  readonly endpoints: readonly ServiceEndpoint[];
}

export interface ServiceEndpoint extends PortKey {
  readonly address: Ip4;
  readonly port: number;
  /** False for one that is terminating and still serves: used where no other is left. */
  readonly ready: boolean;
}

export function readService(resource: Field): Service {
  const spec = resource.entry('spec');
  const listed = spec.entry('clusterIPs').items();
  const ingress = resource.entry('status').entry('loadBalancer').entry('ingress').items();
  return {
    clusterIps: (listed.length > 0 ? listed : [spec.entry('clusterIP')]).flatMap(anIp4),
    externalIps: spec.entry('externalIPs').items().flatMap(anIp4),
    loadBalancerIps: [
      ...ingress.flatMap((item) => anIp4(item.entry('ip'))),
      ...anIp4(spec.entry('loadBalancerIP')),
    ],
    local: spec.entry('externalTrafficPolicy').optional((f) => f.text()) === 'Local',
    internalLocal: spec.entry('internalTrafficPolicy').optional((f) => f.text()) === 'Local',
    affinity: spec.entry('sessionAffinity').optional((f) => f.text()) === 'ClientIP',
    ports: spec
      .entry('ports')
      .items()
      .map((at) => ({
        ...portKey(at),
        port: at.entry('port').integer(1, 65535),
        nodePort: at.entry('nodePort').optional((f) => f.integer(0, 65535)) || undefined,
      })),
    at: resource.emptied(),
  };
}

const portKey = (at: Field): PortKey => ({
  // Slices print the name of a single port as an empty text.
  name: at.entry('name').optional((f) => (f.text() === '' ? '' : f.name())) ?? '',
  protocol: PROTOCOL[at.entry('protocol').optional((f) => f.choice(PROTOCOLS)) ?? 'TCP'],
});

const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;
const PROTOCOL = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const;

/** `None`, host names and IPv6 addresses are not advertised. */
function anIp4(at: Field): Ip4[] {
  const address = at.absent ? undefined : tryIp4(at.text());
  return address === undefined ? [] : [address];
}

/** `undefined` for a slice that belongs to no service. */
export function readEndpointSlice(
  namespace: string,
  resource: Field,
): ServiceEndpoints | undefined {
  const name = resource.entry('metadata').entry('labels').entry('kubernetes.io/service-name');
  if (name.absent) return undefined;
  const listed = resource.entry('endpoints').items();
  const condition = (at: Field, name: string): boolean | undefined =>
    at
      .entry('conditions')
      .entry(name)
      .optional((f) => f.boolean());
  // An unknown readiness counts as ready (EndpointConditions).
  const ready = listed.filter((at) => condition(at, 'ready') ?? true);
  const draining = listed.filter(
    (at) =>
      condition(at, 'ready') === false &&
      condition(at, 'terminating') === true &&
      condition(at, 'serving') === true,
  );
  const ports = resource.entry('ports').items();
  const addresses = (from: readonly Field[]): Field[] =>
    from.flatMap((at) => at.entry('addresses').items());
  return {
    service: `${namespace}/${name.name()}`,
    nodes: nodesOf(ready),
    endpoints: [
      ...endpointsOf(addresses(ready), ports, true),
      ...endpointsOf(addresses(draining), ports, false),
    ],
  };
}

export function readEndpoints(namespace: string, name: string, resource: Field): ServiceEndpoints {
  const subsets = resource
    .entry('subsets')
    .items()
    .map((at) => ({
      addresses: at.entry('addresses').items(),
      ports: at.entry('ports').items(),
    }));
  return {
    service: `${namespace}/${name}`,
    nodes: nodesOf(subsets.flatMap(({ addresses }) => addresses)),
    endpoints: subsets.flatMap(({ addresses, ports }) =>
      endpointsOf(
        addresses.map((at) => at.entry('ip')),
        ports,
        true,
      ),
    ),
  };
}

/** Each address with each port that has a number. */
const endpointsOf = (
  addresses: readonly Field[],
  ports: readonly Field[],
  ready: boolean,
): ServiceEndpoint[] =>
  ports.flatMap((at) => {
    const port = at.entry('port').optional((f) => f.integer(1, 65535));
    if (port === undefined) return [];
    const key = portKey(at);
    return addresses.flatMap(anIp4).map((address) => ({ ...key, address, port, ready }));
  });

const nodesOf = (endpoints: readonly Field[]): string[] =>
  endpoints.flatMap((at) => at.entry('nodeName').optional((f) => f.text()) ?? []);
