/**
 * The devices of nodes, pods and what surrounds them, with the MTUs that Felix
 * derives and the queues and flags that `ip link` shows.
 */
import type { DeviceAddress, DevicePlan } from '../plan/plan.ts';
import { type InterfaceAddress, type Ip4, lastOf, networkOf, parseIp4 } from '../wire/address.ts';
import { usesEncapsulation } from './blocks.ts';
import type { CalicoNode } from './calico-node.ts';
import type { Encapsulation, IpPool } from './ip-pool.ts';
import { HOST_VETH_MAC, IPIP_DEVICE, VXLAN_DEVICE, vtepMac } from './names.ts';
import type { Nic } from './nic.ts';
import type { Attachment } from './underlay.ts';
import { type Workload, workloadDevice, workloadMac } from './workload.ts';

/** Felix defaults (config_params.go VXLANVNI, VXLANPort). */
const VNI = 4096;
const VXLAN_PORT = 4789;

/** Bytes that an encapsulation adds to an IP packet (int_dataplane.go). */
const OVERHEAD: { readonly [E in Encapsulation]: number } = { none: 0, ipip: 20, vxlan: 50 };

/** Felix MTUIfacePattern's default. */
const UPLINK = /^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)/;
/** What Felix takes where no link matches (findHostMTU). */
const FALLBACK_MTU = 1460;

const uplinks = (nics: readonly Nic[]): Nic[] => nics.filter(({ device }) => UPLINK.test(device));

/** Does Felix see the MTU of the underlay at all? */
export const hasUplink = (nics: readonly Nic[]): boolean => uplinks(nics).length > 0;

/** The smallest MTU of the links that Felix takes for uplinks. */
const hostMtu = (nics: readonly Nic[]): number =>
  hasUplink(nics) ? Math.min(...uplinks(nics).map(({ mtu }) => mtu)) : FALLBACK_MTU;

/** Both ends of a pod's veth: room for every encapsulation in use (determinePodMTU). */
export function podMtu(nics: readonly Nic[], pools: readonly IpPool[]): number {
  return hostMtu(nics) - Math.max(0, ...pools.map(({ encapsulation }) => OVERHEAD[encapsulation]));
}

/** A device before it has its index, which follows from its place in the list. */
export type Unnumbered = Omit<DevicePlan, 'index'>;

const plain = {
  up: true,
  addresses: [],
  proxyArp: false,
  queueLength: 0,
  qdisc: 'noqueue',
  checksumOffload: false,
} as const;

export const loopback: Unnumbered = {
  ...plain,
  name: 'lo',
  kind: 'loopback',
  mtu: 65536,
  addresses: [{ address: parseIp4('127.0.0.1'), length: 8, scope: 'host' }],
  queueLength: 1000,
};

export const nicDevice = ({ device, mac, mtu, address }: Nic): Unnumbered => ({
  ...plain,
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

/** The tunnel devices of a node; Felix makes vxlan.calico once the node has a VTEP address. */
export function tunnelDevices(
  node: CalicoNode,
  { own, parent, nics }: Attachment,
  pools: readonly IpPool[],
  addresses: { readonly ipip: Ip4 | undefined; readonly vxlan: Ip4 | undefined },
): Unnumbered[] {
  const devices: Unnumbered[] = [];
  const mtu = hostMtu(nics);
  if (addresses.vxlan !== undefined) {
    devices.push({
      ...plain,
      name: VXLAN_DEVICE,
      kind: 'vxlan',
      mac: node.vxlanMac?.value ?? vtepMac(node.name),
      mtu: mtu - OVERHEAD.vxlan,
      addresses: [single(addresses.vxlan)],
      vxlan: { vni: VNI, port: VXLAN_PORT, local: own.address, parent: parent.device },
    });
  }
  if (usesEncapsulation(pools, 'ipip')) {
    devices.push({
      ...plain,
      name: IPIP_DEVICE,
      kind: 'ipip',
      mtu: mtu - OVERHEAD.ipip,
      addresses: addresses.ipip === undefined ? [] : [single(addresses.ipip)],
      queueLength: 1000,
    });
  }
  return devices;
}

/** The pod's device; its node's end is `hostVeth`. */
export const POD_DEVICE = 'eth0';

export const hostVeth = (pod: Workload, mtu: number): Unnumbered => ({
  ...plain,
  name: workloadDevice(pod),
  kind: 'veth',
  mac: HOST_VETH_MAC,
  mtu,
  proxyArp: true,
  peer: { namespace: pod.key, device: POD_DEVICE },
});

export const podVeth = (pod: Workload, mtu: number, address: Ip4): Unnumbered => ({
  ...plain,
  name: POD_DEVICE,
  kind: 'veth',
  mac: workloadMac(pod),
  mtu,
  addresses: [single(address)],
  peer: { namespace: pod.node.value, device: workloadDevice(pod) },
});
