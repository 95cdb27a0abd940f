/**
 * Underlay: podwire's own resource, the network between the nodes. One segment is
 * one L2 broadcast domain; routers join segments, hosts are outside the cluster.
 */
import {
  type InterfaceAddress,
  type Ip4,
  type Mac,
  type Prefix,
  parsePrefix,
  tryIp4,
  tryPrefix,
} from '../wire/address.ts';
import { type BgpRouter, readBgpRouter } from './bgp-router.ts';
import { type Field, type Given, given } from './field.ts';

export interface Member {
  readonly name: string;
  readonly device: string | undefined;
  readonly mac: Mac | undefined;
  readonly address: Given<InterfaceAddress> | undefined;
  /** False: the interface is down. */
  readonly up: boolean;
  readonly at: Field;
}

export interface Segment {
  readonly name: string;
  readonly mtu: number;
  readonly members: readonly Member[];
  /** Default gateway of the nodes on this segment. */
  readonly gateway: Given<Ip4> | undefined;
  readonly at: Field;
}

export interface StaticRoute {
  readonly destination: Prefix;
  readonly via: Ip4;
  readonly at: Field;
}

/** A namespace that is neither a node nor a pod. */
export interface Outsider {
  readonly name: string;
  readonly role: 'router' | 'host';
  readonly routes: readonly StaticRoute[];
  /** Absent where nothing is said of BGP. */
  readonly bgp?: BgpRouter | undefined;
  readonly at: Field;
}

export interface Underlay {
  readonly segments: readonly Segment[];
  readonly outsiders: readonly Outsider[];
  readonly srcDstCheck: boolean;
  readonly at: Field;
}

export const DEFAULT_ROUTE: Prefix = parsePrefix('0.0.0.0/0');

/** Smallest link MTU: a 68-byte packet (RFC 791 section 3.2) inside VXLAN. */
const MIN_MTU = 118;

export function readUnderlay(resource: Field): Underlay {
  const spec = resource.entry('spec');
  const gateways = new Map(spec.entry('defaultGateway').entries());
  const segments = spec
    .entry('segments')
    .items()
    .map((field) => readSegment(field, gateways));
  const names = new Set(segments.map(({ name }) => name));
  for (const [name, at] of gateways) {
    if (!names.has(name)) throw at.conflict('the name of a segment as key', `"${name}"`);
  }
  return {
    segments,
    outsiders: [
      ...spec.entry('routers').items().map(readRouter),
      ...spec.entry('hosts').items().map(readHost),
    ],
    srcDstCheck: spec.entry('srcDstCheck').optional((f) => f.boolean()) ?? false,
    at: resource,
  };
}

function readSegment(at: Field, gateways: ReadonlyMap<string, Field>): Segment {
  const name = at.entry('name').name();
  const gateway = gateways.get(name);
  return {
    name,
    mtu: at.entry('mtu').optional((f) => f.integer(MIN_MTU, 65535)) ?? 1500,
    members: at.entry('members').items().map(readMember),
    gateway: gateway && given(gateway, (f) => f.ip4()),
    at,
  };
}

const readMember = (at: Field): Member => ({
  name: at.entry('name').name(),
  device: at.entry('interface').optional((f) => f.deviceName()),
  mac: at.entry('mac').optional((f) => f.mac()),
  address: given(at.entry('address'), (f) => f.interfaceAddress()),
  up: at.entry('up').optional((f) => f.boolean()) ?? true,
  at,
});

const readRouter = (at: Field): Outsider => ({
  name: at.entry('name').name(),
  role: 'router',
  routes: at.entry('routes').items().map(readRoute),
  bgp: readBgpRouter(at.entry('bgp')),
  at,
});

function readHost(at: Field): Outsider {
  const gateway = given(at.entry('gateway'), (f) => f.ip4());
  return {
    name: at.entry('name').name(),
    role: 'host',
    routes: gateway ? [{ destination: DEFAULT_ROUTE, via: gateway.value, at: gateway.at }] : [],
    bgp: readBgpRouter(at.entry('bgp')),
    at,
  };
}

/** `10.9.0.0/16 via 192.168.33.57` or `default via …`. */
function readRoute(at: Field): StaticRoute {
  const expected = 'PREFIX via ADDRESS';
  const [to, word, gateway, ...rest] = at.text(expected).trim().split(/\s+/);
  const destination = to === 'default' ? DEFAULT_ROUTE : tryPrefix(to ?? '');
  const via = tryIp4(gateway ?? '');
  if (destination === undefined || word !== 'via' || via === undefined || rest.length > 0) {
    throw at.refuse(expected);
  }
  return { destination, via, at };
}
