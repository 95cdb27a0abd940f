/**
 * The `host-local` plugin instead of Calico's IPAM: a node's block is the pod CIDR that
 * Kubernetes gave it, its IPIP tunnel has the first address (libcalico-go's
 * getIPIPTunnelAddress), and pods have those from the second on, as the plugin keeps the
 * first for a gateway and the last for broadcasts.
 */
import type { Ip4 } from '../wire/address.ts';
import type { CalicoNode } from './calico-node.ts';
import type { Field } from './field.ts';
import type { BlockClaim } from './ipam-block.ts';
import type { IpamConfig } from './ipam-config.ts';

/** Does the CNI configuration in a `calico-config` ConfigMap name the plugin? */
export function isHostLocal(configMap: Field): boolean {
  const text = configMap
    .entry('data')
    .entry('cni_network_config')
    .optional((f) => f.text());
  return text !== undefined && /"type" *: *"host-local"/.test(text);
}

/** More than any node runs pods. */
const MOST_PODS = 4096;

/** The blocks that pod CIDRs are. */
export const podCidrClaims = (nodes: Iterable<CalicoNode>): BlockClaim[] =>
  [...nodes].flatMap(({ name, podCidr }) => {
    if (podCidr === undefined) return [];
    const { value: cidr, at } = podCidr;
    const pods = Math.min(2 ** (32 - cidr.length) - 3, MOST_PODS);
    const unallocated = Array.from({ length: pods }, (_, i) => i + 2);
    return [{ cidr, node: name, lends: false, allocations: [], unallocated, at }];
  });

/** The plugin knows no second block and nothing to borrow. */
export const onlyPodCidrs = (ipam: IpamConfig): IpamConfig => ({
  ...ipam,
  autoAllocateBlocks: false,
  strictAffinity: true,
});

/** The node with the tunnel address that follows from its pod CIDR, unless it has one. */
export function withPodCidrTunnel(node: CalicoNode): CalicoNode {
  if (node.podCidr === undefined || node.ipipAddress !== undefined) return node;
  const { value, at } = node.podCidr;
  return { ...node, ipipAddress: { value: ((value.address + 1) | 0) as Ip4, at } };
}
