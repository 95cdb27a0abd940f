/** What calicoctl knows of a cluster beyond the tables of its nodes. */
import type { InterfaceAddress, Ip4, Prefix } from '../wire/address.ts';

/** What calicoctl knows beyond the tables: pools, nodes, blocks, BGP sessions. */
export interface Inventory {
  /** Release whose behaviour and formats are modelled: `v3.28`. */
  readonly release: string;
  /** Full version of the cluster's Calico, `v3.28.1`; absent where nobody said. */
  readonly version?: string;
  /** Of ClusterInformation: `k8s,bgp,kubeadm,kdd`. */
  readonly clusterType?: string;
  /** Of the calicoctl on the nodes. */
  readonly gitCommit?: string;
  /** Of nodes without a number of their own; absent means 64512. */
  readonly asNumber?: number;
  /** What Kubernetes was started with. */
  readonly ranges?: { readonly pods?: Prefix; readonly services?: Prefix };
  readonly pools: readonly PoolFacts[];
  readonly nodes: readonly NodeFacts[];
  readonly blocks: readonly BlockFacts[];
  /** What configures Felix and BGP, in name order. */
  readonly resources?: readonly ResourceFacts[];
  /** As it is stored: 0 blocks is Calico's own limit. */
  readonly ipam?: {
    readonly strictAffinity: boolean;
    readonly autoAllocateBlocks: boolean;
    readonly maxBlocksPerHost: number;
  };
  readonly sessions: readonly BgpSession[];
}

/** A resource as it was read, for printing it back. */
export interface ResourceFacts {
  readonly kind: 'FelixConfiguration' | 'BGPConfiguration' | 'BGPPeer';
  readonly name: string;
  readonly manifest: unknown;
}

export interface PoolFacts {
  readonly name: string;
  readonly cidr: Prefix;
  readonly blockSize: number;
  readonly ipipMode: 'Always' | 'CrossSubnet' | 'Never';
  readonly vxlanMode: 'Always' | 'CrossSubnet' | 'Never';
  readonly natOutgoing: boolean;
  readonly disabled: boolean;
  readonly disableBgpExport: boolean;
  readonly nodeSelector: string;
  readonly assignmentMode: 'Automatic' | 'Manual';
  /** The resource as it was read, for printing it back. */
  readonly manifest?: unknown;
}

export interface NodeFacts {
  readonly name: string;
  /** Absent where the cluster's number is inherited. */
  readonly asNumber?: number;
  /** `spec.bgp.ipv4Address`, with its mask. */
  readonly address?: InterfaceAddress;
  readonly ipipTunnel?: Ip4;
  readonly vxlanTunnel?: Ip4;
  readonly wireguardTunnel?: Ip4;
  /** Base64 of 32 bytes. */
  readonly wireguardPublicKey?: string;
  /** The resource as it was read, for printing it back. */
  readonly manifest?: unknown;
}

export interface BlockFacts {
  readonly cidr: Prefix;
  /** Pool it lies in; absent outside every pool. */
  readonly pool?: string;
  /** Node it is affine to. */
  readonly node?: string;
  readonly allocations: readonly BlockAllocation[];
}

export interface BlockAllocation {
  readonly address: Ip4;
  /** Node that uses it. */
  readonly node: string;
  /** `namespace/pod`, or ipipTunnelAddress, vxlanTunnelAddress, wireguardTunnelAddress. */
  readonly use: string;
}

/** One end of a BGP session, as `calicoctl node status` lists it. */
export interface BgpSession {
  /** Whose list it stands in. */
  readonly node: string;
  readonly peer: Ip4;
  readonly kind: 'node-to-node mesh' | 'global' | 'node specific';
  readonly state: 'up' | 'start' | 'down';
  /** `Established`, `Active` … */
  readonly info: string;
}
