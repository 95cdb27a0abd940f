/**
 * Node, in both shapes: calicoctl's (`spec.bgp`, `spec.ipv4VXLANTunnelAddr`) and
 * kubectl's (annotations). The two may describe one node together.
 */
import {
  formatMac,
  formatPrefix,
  type InterfaceAddress,
  type Ip4,
  type Mac,
  type Prefix,
} from '../wire/address.ts';
import { type Field, type Given, given } from './field.ts';
import type { Labels } from './selector.ts';

export interface CalicoNode {
  readonly name: string;
  readonly labels: Labels;
  /** Address and mask as Felix and BIRD know them: the mask decides CrossSubnet. */
  readonly address: Given<InterfaceAddress> | undefined;
  readonly ipipAddress: Given<Ip4> | undefined;
  readonly vxlanAddress: Given<Ip4> | undefined;
  readonly vxlanMac: Given<Mac> | undefined;
  readonly wireguardAddress: Given<Ip4> | undefined;
  /** Base64 of 32 bytes, as published. */
  readonly wireguardKey: Given<string> | undefined;
  /** It says that it has none: a kernel without WireGuard. */
  readonly wireguardUnable: boolean;
  /** Absent where the cluster's number is inherited. */
  readonly asNumber: Given<number> | undefined;
  /** Makes the node a route reflector, outside the mesh. */
  readonly clusterId: Given<string> | undefined;
  /** What Kubernetes set aside for its pods; matters to host-local IPAM alone. */
  readonly podCidr: Given<Prefix> | undefined;
  readonly at: Field;
}

/** Reads either shape, or a mixture. */
export function readNode(name: string, resource: Field): CalicoNode {
  const spec = resource.entry('spec');
  const bgp = spec.entry('bgp');
  const metadata = resource.entry('metadata');
  const annotations = metadata.entry('annotations');

  const either = <T>(
    inSpec: Field,
    annotation: string,
    read: (f: Field) => T,
    text: (value: T) => string,
  ): Given<T> | undefined => {
    const noted = annotations.entry(`projectcalico.org/${annotation}`);
    // Felix blanks an annotation that no longer holds.
    const blank = !noted.absent && noted.text() === '';
    return agree(given(inSpec, read), blank ? undefined : given(noted, read), text);
  };
  const ip4 = (f: Field) => f.ip4();
  const publicKey = resource.entry('status').entry('wireguardPublicKey');
  const isBlank = (f: Field): boolean => f.isText && f.text() === '';
  const blankKey = isBlank(publicKey);

  return {
    name,
    labels: new Map(
      metadata
        .entry('labels')
        .entries()
        .map(([key, f]) => [key, f.text()]),
    ),
    address: either(
      bgp.entry('ipv4Address'),
      'IPv4Address',
      (f) => f.interfaceAddress(),
      formatPrefix,
    ),
    ipipAddress: either(bgp.entry('ipv4IPIPTunnelAddr'), 'IPv4IPIPTunnelAddr', ip4, String),
    vxlanAddress: either(spec.entry('ipv4VXLANTunnelAddr'), 'IPv4VXLANTunnelAddr', ip4, String),
    vxlanMac: either(
      spec.entry('vxlanTunnelMACAddr'),
      'VXLANTunnelMACAddr',
      (f) => f.mac(),
      formatMac,
    ),
    wireguardAddress: either(
      spec.entry('wireguard').entry('interfaceIPv4Address'),
      'IPv4WireguardInterfaceAddr',
      ip4,
      String,
    ),
    wireguardKey: either(
      blankKey ? resource.entry('') : publicKey,
      'WireguardPublicKey',
      readKey,
      (key) => key,
    ),
    wireguardUnable: blankKey || isBlank(annotations.entry('projectcalico.org/WireguardPublicKey')),
    asNumber: either(bgp.entry('asNumber'), 'ASNumber', readAsNumber, String),
    clusterId: either(
      bgp.entry('routeReflectorClusterID'),
      'RouteReflectorClusterID',
      (f) => f.text('a cluster ID such as 244.0.0.1'),
      (id) => id,
    ),
    podCidr: podCidrOf(resource),
    at: resource,
  };
}

/** The first IPv4 range, of a size that a node may have. */
function podCidrOf(resource: Field): Given<Prefix> | undefined {
  const spec = resource.entry('spec');
  const listed = [
    spec.entry('podCIDR'),
    ...spec.entry('podCIDRs').items(),
    ...resource.entry('status').entry('podCIDRs').items(),
  ].find((at) => at.isText && !at.text().includes(':') && at.text() !== '');
  const found = listed && given(listed, (f) => f.prefix());
  const { length = 0 } = found?.value ?? {};
  return length >= 16 && length <= 28 ? found : undefined;
}

/** `64512`, or `1.10` in the dotted notation of RFC 5396. */
export function readAsNumber(at: Field): number {
  if (!at.isText) return at.integer(0, 0xffffffff);
  const expected = 'an AS number';
  const match = /^(?:(\d{1,5})\.)?(\d{1,10})$/.exec(at.text(expected));
  const high = Number(match?.[1] ?? 0);
  const low = Number(match?.[2] ?? -1);
  const limit = match?.[1] === undefined ? 0xffffffff : 0xffff;
  if (low < 0 || low > limit || high > 0xffff) throw at.refuse(expected);
  return high * 0x10000 + low;
}

/** A Curve25519 key as `wg` writes it. */
function readKey(at: Field): string {
  const expected = 'a WireGuard key, 32 bytes in base64';
  const text = at.text(expected);
  if (text.length !== 44 || Buffer.from(text, 'base64').toString('base64') !== text) {
    throw at.refuse(expected);
  }
  return text;
}

/** One node from two descriptions; refuses values that contradict each other. */
export const mergeNodes = (a: CalicoNode, b: CalicoNode): CalicoNode => ({
  name: a.name,
  labels: new Map([...a.labels, ...b.labels]),
  address: agree(a.address, b.address, formatPrefix),
  ipipAddress: agree(a.ipipAddress, b.ipipAddress, String),
  vxlanAddress: agree(a.vxlanAddress, b.vxlanAddress, String),
  vxlanMac: agree(a.vxlanMac, b.vxlanMac, formatMac),
  wireguardAddress: agree(a.wireguardAddress, b.wireguardAddress, String),
  wireguardKey: agree(a.wireguardKey, b.wireguardKey, (key) => key),
  wireguardUnable: a.wireguardUnable || b.wireguardUnable,
  asNumber: agree(a.asNumber, b.asNumber, String),
  clusterId: agree(a.clusterId, b.clusterId, (id) => id),
  podCidr: agree(a.podCidr, b.podCidr, formatPrefix),
  at: a.at,
});

function agree<T>(
  a: Given<T> | undefined,
  b: Given<T> | undefined,
  text: (value: T) => string,
): Given<T> | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (text(a.value) === text(b.value)) return a;
  throw b.at.conflict(`what ${a.at.where} says (${a.at.path})`, 'another value');
}
