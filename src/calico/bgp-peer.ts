/** BGPPeer: sessions beyond the mesh, between nodes or with a router outside. */
import type { Ip4 } from '../wire/address.ts';
import { tryIp4 } from '../wire/address.ts';
import { readAsNumber } from './calico-node.ts';
import { type Field, type Given, given } from './field.ts';
import { parseSelector, type Selector } from './selector.ts';

export interface BgpPeer {
  readonly name: string;
  /** The nodes on this end; a peer without either is global. */
  readonly node: Given<string> | undefined;
  readonly nodeSelector: Selector | undefined;
  /** The other end: nodes, or an address. */
  readonly peerSelector: Selector | undefined;
  readonly peer: Given<Ip4> | undefined;
  readonly asNumber: number | undefined;
  /** What the nodes do with the next hop of routes they pass on. */
  readonly nextHop: 'auto' | 'self' | 'keep';
  /** Times the own AS number may stand in the path of an imported route. */
  readonly allowedLocalAs: number;
  readonly filters: readonly Given<string>[];
  readonly unmodelled: readonly string[];
  readonly at: Field;
}

const UNMODELLED = ['ttlSecurity', 'reachableBy', 'localWorkloadSelector', 'reversePeering'];

/** `undefined` for a peer with an IPv6 address. */
export function readBgpPeer(name: string, resource: Field): BgpPeer | undefined {
  const spec = resource.entry('spec');
  const address = spec.entry('peerIP');
  if (!address.absent && isIp6(address.text('an IPv4 address'))) return undefined;
  const node = given(spec.entry('node'), (f) => f.text('the name of a node'));
  const selector = spec.entry('nodeSelector');
  if (node !== undefined && !selector.absent) {
    throw selector.conflict('node or nodeSelector, not both', 'both');
  }
  const peers = spec.entry('peerSelector');
  const asNumber = spec.entry('asNumber');
  if (peers.absent === address.absent && spec.entry('localWorkloadSelector').absent) {
    throw (peers.absent ? resource : peers).conflict(
      'either peerIP or peerSelector',
      peers.absent ? 'neither' : 'both',
    );
  }
  if (!address.absent && asNumber.absent) throw asNumber.refuse('an AS number beside peerIP');
  const mode = spec
    .entry('nextHopMode')
    .optional((f) => f.choice(['Auto', 'Self', 'Keep']).toLowerCase());
  const keep = spec.entry('keepOriginalNextHop').optional((f) => f.boolean()) ?? false;
  return {
    name,
    node,
    nodeSelector: selector.absent ? undefined : parseSelector(selector),
    peerSelector: peers.absent ? undefined : parseSelector(peers),
    peer: given(address, addressAndPort),
    asNumber: asNumber.optional(readAsNumber),
    nextHop: mode === 'self' || mode === 'keep' ? mode : keep ? 'keep' : 'auto',
    allowedLocalAs: spec.entry('numAllowedLocalASNumbers').optional((f) => f.integer(0, 255)) ?? 0,
    filters: spec
      .entry('filters')
      .items()
      .map((at) => ({ value: at.name(), at })),
    unmodelled: UNMODELLED.filter((key) => !spec.entry(key).absent),
    at: resource,
  };
}

const isIp6 = (text: string): boolean => text.split(':').length > 2;

/** `192.168.33.1` or `192.168.33.1:1790`; the port decides nothing here. */
function addressAndPort(at: Field): Ip4 {
  const expected = 'an IPv4 ADDRESS or ADDRESS:PORT';
  const [address = '', port = '179', ...rest] = at.text(expected).split(':');
  const ip = tryIp4(address);
  const good = /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535;
  if (ip === undefined || !good || rest.length > 0) throw at.refuse(expected);
  return ip;
}
