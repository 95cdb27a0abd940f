/**
 * What Calico derives from names. Three of the values that look random in a dump
 * are digests: whoever knows the names knows the VTEP MACs and the veth names.
 */
import { createHash } from 'node:crypto';
import { joinMac, type Mac } from '../wire/address.ts';

/** Host end of every pod's veth pair (CNI dataplane_linux.go, DoNetworking). */
export const HOST_VETH_MAC = 0xeeeeeeeeeeee as Mac;

const sha1 = (text: string): Buffer => createHash('sha1').update(text, 'utf8').digest();

/** Names of the tunnel devices (felix dataplanedefs). */
export const VXLAN_DEVICE = 'vxlan.calico';
export const IPIP_DEVICE = 'tunl0';

/** MAC of vxlan.calico: `66:` and five bytes of SHA-1 (Felix vtepMACForHost). */
export function vtepMac(nodeName: string): Mac {
  const digest = sha1(nodeName);
  return joinMac(0x6600 | digest[0]!, digest.readInt32BE(1));
}

/** Name of a pod's veth on its node (Calico VethNameForWorkload); always 15 characters. */
export const vethName = (namespace: string, pod: string): string =>
  `cali${sha1(`${namespace}.${pod}`).toString('hex').slice(0, 11)}`;

/**
 * MAC of a pod's eth0. On a real node the kernel draws it at random; here it
 * follows from the name, in the same range: locally administered, unicast.
 */
export const podMac = (namespace: string, pod: string): Mac =>
  localMac(`pod ${namespace}/${pod} eth0`);

/** MAC of a NIC that no Underlay names; derived as `podMac` is. */
export const nicMac = (namespace: string, device: string): Mac =>
  localMac(`nic ${namespace} ${device}`);

function localMac(seed: string): Mac {
  const digest = sha1(seed);
  const first = (digest[0]! & 0xfc) | 0x02;
  return joinMac((first << 8) | digest[1]!, digest.readInt32BE(2));
}

/** Text order by UTF-16 code unit: the same on every machine, unlike localeCompare. */
export const compareNames = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** `a, b, c` with at most five names, for a one-line message. */
export const listNames = (names: readonly string[]): string =>
  names.length <= 5
    ? names.join(', ')
    : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
