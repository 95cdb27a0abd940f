/**
 * Which endpoints of a service one node may use (Kubernetes pkg/proxy/topology.go
 * CategorizeEndpoints): ready ones, near ones where hints say so, its own under a policy
 * `Local`, and terminating ones where nothing else is left.
 */
import { formatIp4 } from '../wire/address.ts';
import { compareNames } from './names.ts';
import {
  isExternal,
  type Service,
  type ServiceEndpoint,
  type ServicePort,
} from './service-resource.ts';

/** `ADDRESS:PORT` of each, in text order. */
export interface Reachable {
  /** For traffic under the policy Cluster. */
  readonly cluster: readonly string[];
  /** For traffic under the policy Local. */
  readonly local: readonly string[];
  /** Both together. */
  readonly all: readonly string[];
  /** There is a usable endpoint on some node. */
  readonly any: boolean;
}

interface Place {
  readonly name: string;
  readonly zone: string | undefined;
}

export function reachable(
  service: Service,
  port: ServicePort,
  known: readonly ServiceEndpoint[],
  place: Place,
): Reachable {
  const own = known.filter((at) => at.name === port.name && at.protocol === port.protocol);
  const outside = isExternal(service, port);
  const usesCluster = !service.internalLocal || outside;
  const usesLocal = service.internalLocal || (service.local && outside);
  const usable = (list: readonly ServiceEndpoint[]): readonly ServiceEndpoint[] => {
    const ready = list.filter((at) => at.ready);
    return ready.length > 0 ? ready : list;
  };
  const near = nearOnes(
    own.filter((at) => at.ready),
    place,
  );
  const cluster = usesCluster ? textsOf(near.length > 0 ? near : usable(own)) : [];
  const local = usesLocal ? textsOf(usable(own.filter((at) => at.node === place.name))) : [];
  return {
    cluster,
    local,
    all: [...new Set([...cluster, ...local])].sort(compareNames),
    any: own.length > 0,
  };
}

/** Those that hints give to this node or its zone, if every endpoint has a hint of the kind. */
function nearOnes(
  ready: readonly ServiceEndpoint[],
  { name, zone }: Place,
): readonly ServiceEndpoint[] {
  const byNode = ready.filter((at) => at.forNodes.includes(name));
  if (byNode.length > 0 && ready.every((at) => at.forNodes.length > 0)) return byNode;
  if (zone === undefined || !ready.every((at) => at.forZones.length > 0)) return [];
  return ready.filter((at) => at.forZones.includes(zone));
}

const textsOf = (endpoints: readonly ServiceEndpoint[]): readonly string[] =>
  [...new Set(endpoints.map(({ address, port }) => `${formatIp4(address)}:${port}`))].sort(
    compareNames,
  );
