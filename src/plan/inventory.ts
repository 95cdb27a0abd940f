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
  /** What configures Felix, BGP and policy; each kind in name order. */
  readonly resources?: readonly ResourceFacts[];
  /** Of the pods. */
  readonly endpoints?: readonly EndpointFacts[];
  /** As it is stored: 0 blocks is Calico's own limit. */
  readonly ipam?: {
    readonly strictAffinity: boolean;
    readonly autoAllocateBlocks: boolean;
    readonly maxBlocksPerHost: number;
  };
  readonly sessions: readonly BgpSession[];
}

export type ResourceKind =
  | 'FelixConfiguration'
  | 'BGPConfiguration'
  | 'BGPPeer'
  | 'NetworkPolicy'
  | 'GlobalNetworkPolicy'
  | 'NetworkSet'
  | 'GlobalNetworkSet'
  | 'HostEndpoint'
  | 'Tier'
  | 'Profile';

/** A resource as it was read, for printing it back. */
export interface ResourceFacts {
  readonly kind: ResourceKind;
  /** Of NetworkPolicy and NetworkSet. */
  readonly namespace?: string;
  /** As calicoctl calls it. */
  readonly name: string;
  readonly manifest: unknown;
}

/** What a WorkloadEndpoint says beyond its pod's devices. */
export interface EndpointFacts {
  /** `namespace/pod` */
  readonly pod: string;
  readonly profiles: readonly string[];
  /** Service account, where it names one. */
  readonly account?: string;
  readonly labels: { readonly [key: string]: string };
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
  /** `16:38:32`, or a date; where a listing told. */
  readonly since?: string;
}
