/**
 * The devices of nodes, pods and what surrounds them, with the queues and flags that
 * `ip link` shows.
 */
import type { DeviceAddress, DevicePlan, WireguardSettings } from '../plan/plan.ts';
import { type InterfaceAddress, type Ip4, lastOf, networkOf, parseIp4 } from '../wire/address.ts';
import { usesEncapsulation } from './blocks.ts';
import type { CalicoNode } from './calico-node.ts';
import type { FelixSettings } from './felix-configuration.ts';
import type { IpPool } from './ip-pool.ts';
import type { Mtus } from './mtu.ts';
import { HOST_VETH_MAC, IPIP_DEVICE, VXLAN_DEVICE, vtepMac } from './names.ts';
import type { Nic } from './nic.ts';
import type { Attachment } from './underlay.ts';
import { type Workload, workloadMac } from './workload.ts';

/** Felix defaults (config_params.go VXLANVNI, VXLANPort). */
const VNI = 4096;
const VXLAN_PORT = 4789;

/** A device before it has its index, which follows from its place in the list. */
export type Unnumbered = Omit<DevicePlan, 'index'>;

const NONE: readonly never[] = [];

const plain = {
  up: true,
  addresses: NONE,
  proxyArp: false,
  queueLength: 0,
  qdisc: 'noqueue',
  checksumOffload: false,
} as const;

export const loopback: DevicePlan = {
  ...plain,
  name: 'lo',
  index: 1,
  kind: 'loopback',
  mtu: 65536,
  addresses: [{ address: parseIp4('127.0.0.1'), length: 8, scope: 'host' }],
  queueLength: 1000,
};

export const nicDevice = ({ device, mac, mtu, address, up = true }: Nic): Unnumbered => ({
  ...plain,
  up,
  name: device,
  kind: 'nic',
  mac,
  mtu,
  addresses: [withBroadcast(address)],
  queueLength: 1000,
  qdisc: 'fq_codel',
});

/** /31 and /32 have no broadcast address (RFC 3021). */
function withBroadcast(address: InterfaceAddress): DeviceAddress {
  const global = { ...address, scope: 'global' } as const;
  return address.length > 30 ? global : { ...global, broadcast: lastOf(networkOf(address)) };
}

const single = (address: Ip4): DeviceAddress => ({ address, length: 32, scope: 'global' });

/** What the tunnel devices of one node follow from. */
export interface TunnelInput {
  readonly node: CalicoNode;
  readonly at: Attachment;
  readonly pools: readonly IpPool[];
  readonly felix: FelixSettings;
  readonly mtus: Mtus;
  readonly ipip: Ip4 | undefined;
  readonly vxlan: Ip4 | undefined;
  /** Absent on a node that does not encrypt. */
  readonly wireguard:
    | {
        readonly name: string;
        readonly address: Ip4 | undefined;
        readonly settings: WireguardSettings;
      }
    | undefined;
}

/** The tunnel devices of a node; Felix makes vxlan.calico once the node has a VTEP address. */
export function tunnelDevices(input: TunnelInput): Unnumbered[] {
  const { node, at, felix, mtus, wireguard } = input;
  const devices: Unnumbered[] = [];
  if (input.vxlan !== undefined) {
    devices.push({
      ...plain,
      name: VXLAN_DEVICE,
      kind: 'vxlan',
      mac: node.vxlanMac?.value ?? vtepMac(node.name),
      mtu: mtus.vxlan,
      addresses: [single(input.vxlan)],
      vxlan: {
        vni: felix.vxlanVNI ?? VNI,
        port: felix.vxlanPort ?? VXLAN_PORT,
        local: at.own.address,
        parent: at.parent.device,
      },
    });
  }
  if (usesEncapsulation(input.pools, 'ipip')) {
    devices.push({
      ...plain,
      name: IPIP_DEVICE,
      kind: 'ipip',
      mtu: mtus.ipip,
      addresses: input.ipip === undefined ? [] : [single(input.ipip)],
      queueLength: 1000,
    });
  }
  if (wireguard !== undefined) {
    devices.push({
      ...plain,
      name: wireguard.name,
      kind: 'wireguard',
      mtu: mtus.wireguard,
      addresses: wireguard.address === undefined ? [] : [single(wireguard.address)],
      wireguard: wireguard.settings,
      queueLength: 1000,
      // device.c, WG_NETDEV_FEATURES: sums and segments are made when it encrypts.
      checksumOffload: true,
    });
  }
  return devices;
}

/** The pod's device; its node's end is `hostVeth`. */
export const POD_DEVICE = 'eth0';

// Written out, as there are two for each of 100,000 pods: an object that is made by
// spreading another one is slower to make and twice as large.

/** `index`: what it is when nobody states one. */
export const hostVeth = (pod: Workload, mtu: number, index: number): DevicePlan => ({
  name: pod.device,
  index,
  kind: 'veth',
  mac: HOST_VETH_MAC,
  mtu,
  up: true,
  addresses: NONE,
  proxyArp: true,
  rpFilter: 1,
  routeLocalnet: true,
  peer: { namespace: pod.key, device: POD_DEVICE },
  queueLength: 0,
  qdisc: 'noqueue',
  checksumOffload: false,
});

/** `index`: what it is when nobody states one. */
export const podVeth = (pod: Workload, mtu: number, address: Ip4, index: number): DevicePlan => ({
  name: POD_DEVICE,
  index,
  kind: 'veth',
  mac: workloadMac(pod),
  mtu,
  up: true,
  addresses: [single(address)],
  proxyArp: false,
  peer: { namespace: pod.node.value, device: pod.device },
  queueLength: 0,
  qdisc: 'noqueue',
  checksumOffload: false,
});
