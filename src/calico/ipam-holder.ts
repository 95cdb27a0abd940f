/** Who has an address already, by what the resources say. */
import { compareIp4, formatIp4, type Ip4 } from '../wire/address.ts';
import type { Statement } from './block-claims.ts';
import type { CalicoNode } from './calico-node.ts';
import type { Given } from './field.ts';
import type { BlockClaim } from './ipam-block.ts';
import type { Manifest } from './manifest.ts';
import { listNames } from './names.ts';
import type { Workload } from './workload.ts';

export const TUNNELS = ['ipip', 'vxlan', 'wireguard'] as const;
export type Tunnel = (typeof TUNNELS)[number];

/** The `type` of a tunnel address in a block's attributes (libcalico-go ipam.go). */
export const tunnelUse = (kind: Tunnel): string => `${kind}TunnelAddress`;

export interface Holder {
  /** `Node/NAME`, `Pod/NAMESPACE/NAME` or what a block says. */
  readonly label: string;
  readonly node: string;
  readonly use: string;
  /** Counted in its block; not so an address of a NIC, or one that IPAM never gave. */
  readonly inIpam: boolean;
}

/** Addresses in use. Those of pods and tunnels are not asked for again. */
export class Holders {
  readonly #byAddress = new Map<number, Holder>();
  readonly pods = new Map<string, Given<Ip4>>();
  readonly tunnels: { readonly [T in Tunnel]: Map<string, Given<Ip4>> } = {
    ipip: new Map(),
    vxlan: new Map(),
    wireguard: new Map(),
  };

  has(address: number): boolean {
    return this.#byAddress.has(address);
  }

  /** Has another pod of the same node this address? Felix copes with that: shared-address.ts. */
  sharesNode(address: Ip4, { key, node }: Workload): boolean {
    const before = this.#byAddress.get(address);
    return before?.node === node.value && before.use !== key && this.pods.has(before.use);
  }

  /** By address, those that count in a block. */
  inIpam(): (Holder & { readonly address: Ip4 })[] {
    return [...this.#byAddress]
      .filter(([, { inIpam }]) => inIpam)
      .map(([address, holder]) => ({ ...holder, address: address as Ip4 }))
      .sort((a, b) => compareIp4(a.address, b.address));
  }

  /** Refuses an address that another node or pod has. */
  hold({ value, at }: Given<Ip4>, holder: Holder): void {
    const before = this.#byAddress.get(value);
    // One node may keep an address from before a change of encapsulation.
    if (before !== undefined && before.label !== holder.label) {
      throw at.conflict(
        `an address of its own, since ${before.label} has this one`,
        formatIp4(value),
      );
    }
    if (before?.inIpam !== true || holder.inIpam) this.#byAddress.set(value, holder);
  }

  /** What a block says of an address that nobody has named yet. */
  note(address: Ip4, holder: Holder): Holder | undefined {
    const before = this.#byAddress.get(address);
    if (before === undefined) this.#byAddress.set(address, holder);
    return before;
  }
}

export const tunnelHolder = (node: string, kind: Tunnel): Holder => ({
  label: `Node/${node}`,
  node,
  use: tunnelUse(kind),
  inIpam: true,
});

export const podHolder = ({ key, node, addressing }: Workload): Holder => ({
  label: `Pod/${key}`,
  node: node.value,
  use: key,
  inIpam: addressing !== 'outside IPAM',
});

const statedTunnel = (node: CalicoNode, kind: Tunnel): Given<Ip4> | undefined =>
  ({ ipip: node.ipipAddress, vxlan: node.vxlanAddress, wireguard: node.wireguardAddress })[kind];

/** Throws ERR_CONFIG_CONFLICT for an address stated for two. */
export function statedHolders(
  { nodes, workloads }: Manifest,
  claims: readonly BlockClaim[],
  assumptions: string[],
): Holders {
  const holders = new Holders();
  for (const node of nodes) {
    if (node.address !== undefined) {
      const { value, at } = node.address;
      const label = `Node/${node.name}`;
      holders.hold(
        { value: value.address, at },
        { label, node: node.name, use: '', inIpam: false },
      );
    }
    for (const kind of TUNNELS) {
      const stated = statedTunnel(node, kind);
      if (stated === undefined) continue;
      holders.hold(stated, tunnelHolder(node.name, kind));
      holders.tunnels[kind].set(node.name, stated);
    }
  }
  const asking: Workload[] = [];
  for (const pod of workloads) {
    if (pod.addressing === 'requested') asking.push(pod);
    else if (pod.address !== undefined) {
      if (!holders.sharesNode(pod.address.value, pod)) holders.hold(pod.address, podHolder(pod));
      holders.pods.set(pod.key, pod.address);
    }
  }
  noteAllocations(holders, workloads, claims, assumptions);
  for (const pod of asking) {
    if (holders.pods.has(pod.key)) continue;
    holders.hold(pod.address!, podHolder(pod));
    holders.pods.set(pod.key, pod.address!);
  }
  return holders;
}

/** A block's allocation fills the gap where a pod or a node does not tell its address. */
function noteAllocations(
  holders: Holders,
  workloads: readonly Workload[],
  claims: readonly BlockClaim[],
  assumptions: string[],
): void {
  const pods = new Map(workloads.map((pod) => [pod.key, pod]));
  const doubtful: string[] = [];
  for (const { allocations, node: owner, at } of claims) {
    for (const { address, use, node = owner ?? '' } of allocations) {
      const pod = pods.get(use);
      const kind = TUNNELS.find((tunnel) => tunnelUse(tunnel) === use);
      const label = pod ? `Pod/${use}` : kind ? `Node/${node}` : `${use} in ${at.resource}`;
      const before = holders.note(address, { label, node, use, inIpam: true });
      if (before !== undefined) {
        const isShared = pod !== undefined && holders.pods.get(use)?.value === address;
        if (before.label !== label && !isShared) doubtful.push(`${formatIp4(address)} of ${use}`);
        continue;
      }
      const given = { value: address, at };
      if (kind !== undefined && !holders.tunnels[kind].has(node)) {
        holders.tunnels[kind].set(node, given);
      } else if (pod?.node.value === node && !holders.pods.has(use)) holders.pods.set(use, given);
    }
  }
  if (doubtful.length === 0) return;
  assumptions.push(
    `a block gives to one what a node or pod says is its own, and these were believed: ${listNames(doubtful)}`,
  );
}

/** Addresses that make a block of somebody's: those of tunnels first, then of pods. */
export function* statements(
  { nodes, workloads }: Manifest,
  holders: Holders,
): Generator<Statement> {
  for (const { name } of nodes) {
    for (const kind of ['vxlan', 'ipip', 'wireguard'] as const) {
      const stated = holders.tunnels[kind].get(name);
      if (stated !== undefined) yield { node: name, stated };
    }
  }
  for (const { key, node, addressing } of workloads) {
    const stated = holders.pods.get(key);
    if (stated !== undefined && addressing !== 'outside IPAM') yield { node: node.value, stated };
  }
}
