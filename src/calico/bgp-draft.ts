/** The resources about BGP, gathered while the files are read. */
import { type BgpConfiguration, DEFAULT_BGP, readBgpConfiguration } from './bgp-configuration.ts';
import { type BgpFilter, readBgpFilter } from './bgp-filter.ts';
import { type BgpPeer, readBgpPeer } from './bgp-peer.ts';
import type { Field } from './field.ts';
import { compareNames } from './names.ts';
import type { SessionOutage } from './outage.ts';
import type { Service, ServiceEndpoint, ServiceEndpoints } from './service-resource.ts';

/** Everything that decides which routes BGP carries, but the nodes and the underlay. */
export interface BgpResources {
  /** False where the backend is VXLAN alone. */
  readonly runs: boolean;
  readonly configuration: BgpConfiguration;
  /** As they were read, by name. */
  readonly configurations: ReadonlyMap<string, { readonly at: Field }>;
  /** In name order. */
  readonly peers: readonly BgpPeer[];
  readonly filters: ReadonlyMap<string, BgpFilter>;
  readonly services: ReadonlyMap<string, Service>;
  readonly endpoints: readonly ServiceEndpoints[];
  readonly outages: readonly SessionOutage[];
}

export class BgpDraft {
  readonly configurations = new Map<string, { readonly at: Field }>();
  readonly peers = new Map<string, BgpPeer>();
  readonly filters = new Map<string, BgpFilter>();
  readonly services = new Map<string, Service>();
  readonly endpoints: ServiceEndpoints[] = [];
  readonly outages: SessionOutage[] = [];

  addConfiguration(name: string, at: Field): void {
    once(this.configurations, name, { at });
  }

  /** False for a peer with an IPv6 address, which is left out. */
  addPeer(name: string, at: Field): boolean {
    const peer = readBgpPeer(name, at);
    if (peer !== undefined) once(this.peers, name, peer);
    return peer !== undefined;
  }

  addFilter(name: string, at: Field): void {
    once(this.filters, name, readBgpFilter(name, at));
  }

  addService(key: string, service: Service): void {
    once(this.services, key, service);
  }

  /** `runs`: does calico-node run BIRD? */
  finish(runs: boolean): BgpResources {
    const configuration = this.configurations.get('default');
    return {
      runs,
      configuration:
        configuration === undefined ? DEFAULT_BGP : readBgpConfiguration(configuration.at),
      configurations: this.configurations,
      peers: [...this.peers.values()].sort((a, b) => compareNames(a.name, b.name)),
      filters: this.filters,
      services: this.services,
      endpoints: withoutRepeats(this.endpoints),
      outages: this.outages,
    };
  }
}

/** Endpoints repeat what slices say, and know neither zones nor conditions. */
function withoutRepeats(list: readonly ServiceEndpoints[]): ServiceEndpoints[] {
  const said = new Set(
    list
      .filter(({ kind }) => kind === 'EndpointSlice')
      .flatMap(({ service, members }) => members.map(({ address }) => `${service} ${address}`)),
  );
  return list.map((one) => {
    if (one.kind === 'EndpointSlice') return one;
    const isNew = ({ address }: ServiceEndpoint): boolean => !said.has(`${one.service} ${address}`);
    return { ...one, endpoints: one.endpoints.filter(isNew), members: one.members.filter(isNew) };
  });
}

/** Refuses a second resource of one name. */
export function once<T extends { readonly at: Field }>(
  map: Map<string, T>,
  key: string,
  value: T,
): void {
  const before = map.get(key);
  if (before !== undefined) {
    throw value.at.conflict('each resource once', `another one in ${before.at.where}`);
  }
  map.set(key, value);
}
