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
  /** Only kept so that nobody else gets it. */
  readonly wireguardAddress: Given<Ip4> | undefined;
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
    at: resource,
  };
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
