/** Service, EndpointSlice and Endpoints, as far as BGP advertises them. */
import { type Ip4, tryIp4 } from '../wire/address.ts';
import type { Field } from './field.ts';

export interface Service {
  readonly clusterIps: readonly Ip4[];
  readonly externalIps: readonly Ip4[];
  readonly loadBalancerIps: readonly Ip4[];
  /** externalTrafficPolicy Local: only nodes with a ready endpoint take its traffic. */
  readonly local: boolean;
  readonly at: Field;
}

/** Nodes with a ready endpoint of one service. */
export interface ServiceEndpoints {
  /** `namespace/name` */
  readonly service: string;
  readonly nodes: readonly string[];
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
    at: resource,
  };
}

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
  const ready = resource
    .entry('endpoints')
    .items()
    // An unknown readiness counts as ready (EndpointConditions).
    .filter(
      (at) =>
        at
          .entry('conditions')
          .entry('ready')
          .optional((f) => f.boolean()) ?? true,
    );
  return { service: `${namespace}/${name.name()}`, nodes: nodesOf(ready) };
}

export const readEndpoints = (
  namespace: string,
  name: string,
  resource: Field,
): ServiceEndpoints => ({
  service: `${namespace}/${name}`,
  nodes: nodesOf(
    resource
      .entry('subsets')
      .items()
      .flatMap((subset) => subset.entry('addresses').items()),
  ),
});

const nodesOf = (endpoints: readonly Field[]): string[] =>
  endpoints.flatMap((at) => at.entry('nodeName').optional((f) => f.text()) ?? []);
