/** Service, EndpointSlice and Endpoints, as far as BGP and kube-proxy use them. */
import { type Ip4, type Prefix, tryIp4 } from '../wire/address.ts';
import type { Field } from './field.ts';
import { readLabels, readNets } from './network-set.ts';
import type { Labels } from './selector.ts';

export interface Service {
  readonly clusterIps: readonly Ip4[];
  readonly externalIps: readonly Ip4[];
  readonly loadBalancerIps: readonly Ip4[];
  /** Of type LoadBalancer. */
  readonly balanced: boolean;
  /** externalTrafficPolicy Local: only nodes with a ready endpoint take its traffic. */
  readonly local: boolean;
  /** internalTrafficPolicy Local: a node uses its own endpoints only. */
  readonly internalLocal: boolean;
  /** sessionAffinity ClientIP: for how many seconds a client keeps its endpoint. */
  readonly affinity: number | undefined;
  /** Who may ask a load balancer's address; empty: anybody. */
  readonly sourceRanges: readonly Prefix[];
  /** healthCheckNodePort */
  readonly healthPort: number | undefined;
  /** No address of its own: its name means its pods, or another name. */
  readonly addressless: 'headless' | 'ExternalName' | undefined;
  readonly ports: readonly ServicePort[];
  /** Labels of its pods; empty where its endpoints are somebody's own. */
  readonly selector: Labels;
  /** publishNotReadyAddresses: every pod counts as ready. */
  readonly takesUnready: boolean;
  readonly at: Field;
}

export interface ServicePort extends PortKey {
  readonly port: number;
  /** Of the pods: a number, or the name of a port of a container. */
  readonly target: number | string;
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
  /** Slices are what kube-proxy reads; Endpoints say the same with less. */
  readonly kind: 'EndpointSlice' | 'Endpoints';
  /** `namespace/name` */
  readonly service: string;
  /** Nodes with a ready endpoint. */
  readonly nodes: readonly string[];
  readonly endpoints: readonly ServiceEndpoint[];
  /** All that are listed, ready or not: what policies take for the service. */
  readonly members: readonly ServiceEndpoint[];
}

export interface ServiceEndpoint extends PortKey {
  readonly address: Ip4;
  readonly port: number;
  /** Node that it runs on, where it is said. */
  readonly node: string | undefined;
  /** Zones and nodes that hints give it to. */
  readonly forZones: readonly string[];
  readonly forNodes: readonly string[];
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
    balanced: spec.entry('type').optional((f) => f.text()) === 'LoadBalancer',
    local: spec.entry('externalTrafficPolicy').optional((f) => f.text()) === 'Local',
    internalLocal: spec.entry('internalTrafficPolicy').optional((f) => f.text()) === 'Local',
    affinity: affinityOf(spec),
    sourceRanges: readNets(spec.entry('loadBalancerSourceRanges')) ?? [],
    healthPort: spec.entry('healthCheckNodePort').optional((f) => f.integer(0, 65535)) || undefined,
    addressless: addresslessOf(spec),
    ports: spec.entry('ports').items().map(readPort),
    selector: readLabels(spec.entry('selector')),
    takesUnready: spec.entry('publishNotReadyAddresses').optional((f) => f.boolean()) ?? false,
    at: resource.emptied(),
  };
}

function readPort(at: Field): ServicePort {
  const port = at.entry('port').integer(1, 65535);
  const target = at
    .entry('targetPort')
    .optional((f) => (typeof f.plain() === 'number' ? f.integer(0, 65535) : f.text()));
  return {
    ...portKey(at),
    port,
    // 0 is what nobody has set (FindPort of pkg/api/v1/pod).
    target: target || port,
    nodePort: at.entry('nodePort').optional((f) => f.integer(0, 65535)) || undefined,
  };
}

/** Three hours, if nothing else is said (DefaultClientIPServiceAffinitySeconds). */
const AFFINITY_SECONDS = 10_800;

function affinityOf(spec: Field): number | undefined {
  if (spec.entry('sessionAffinity').optional((f) => f.text()) !== 'ClientIP') return undefined;
  const seconds = spec.entry('sessionAffinityConfig').entry('clientIP').entry('timeoutSeconds');
  return seconds.optional((f) => f.integer(1, 86_400)) ?? AFFINITY_SECONDS;
}

function addresslessOf(spec: Field): Service['addressless'] {
  if (spec.entry('type').optional((f) => f.text()) === 'ExternalName') return 'ExternalName';
  return spec.entry('clusterIP').optional((f) => f.text()) === 'None' ? 'headless' : undefined;
}

/** Can this port be reached from outside the cluster? */
export const isExternal = (
  { externalIps, loadBalancerIps }: Service,
  { nodePort }: ServicePort,
): boolean => nodePort !== undefined || externalIps.length > 0 || loadBalancerIps.length > 0;

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
  const located = (from: readonly Field[]): Located[] => from.flatMap(locate);
  return {
    kind: 'EndpointSlice',
    service: `${namespace}/${name.name()}`,
    nodes: nodesOf(ready),
    endpoints: [
      ...endpointsOf(located(ready), ports, true),
      ...endpointsOf(located(draining), ports, false),
    ],
    members: endpointsOf(located(listed), ports, true),
  };
}

export function readEndpoints(namespace: string, name: string, resource: Field): ServiceEndpoints {
  const subsets = resource.entry('subsets').items();
  const listed = (key: 'addresses' | 'notReadyAddresses'): ServiceEndpoint[] =>
    subsets.flatMap((at) =>
      endpointsOf(
        at
          .entry(key)
          .items()
          .map((one) => ({ at: one.entry('ip'), ...ANYWHERE, node: nodeOf(one) })),
        at.entry('ports').items(),
        true,
      ),
    );
  const endpoints = listed('addresses');
  return {
    kind: 'Endpoints',
    service: `${namespace}/${name}`,
    nodes: nodesOf(subsets.flatMap((at) => at.entry('addresses').items())),
    endpoints,
    members: [...endpoints, ...listed('notReadyAddresses')],
  };
}

const ANYWHERE = { forZones: [], forNodes: [] } as const;

const nodeOf = (at: Field): string | undefined => at.entry('nodeName').optional((f) => f.text());

/** An address, with what is said of where it is and whom it is for. */
interface Located extends Pick<ServiceEndpoint, 'node' | 'forZones' | 'forNodes'> {
  readonly at: Field;
}

function locate(endpoint: Field): Located[] {
  const hints = endpoint.entry('hints');
  const names = (key: string): string[] =>
    hints
      .entry(key)
      .items()
      .map((f) => f.entry('name').text());
  const place = {
    node: nodeOf(endpoint),
    forZones: names('forZones'),
    forNodes: names('forNodes'),
  };
  return endpoint
    .entry('addresses')
    .items()
    .map((at) => ({ at, ...place }));
}

/** Each address with each port that has a number. */
const endpointsOf = (
  located: readonly Located[],
  ports: readonly Field[],
  ready: boolean,
): ServiceEndpoint[] =>
  ports.flatMap((at) => {
    const port = at.entry('port').optional((f) => f.integer(1, 65535));
    if (port === undefined) return [];
    const key = portKey(at);
    return located.flatMap(({ at: own, ...place }) =>
      anIp4(own).map((address) => ({ ...key, ...place, address, port, ready })),
    );
  });

const nodesOf = (endpoints: readonly Field[]): string[] =>
  endpoints.flatMap((at) => nodeOf(at) ?? []);
