/**
 * Devices of a running cluster as its captures show them, where no table does: the MAC of
 * a pod that nobody dumped, and whether checksums and long packets were left to devices.
 */
import { tcpState, udpState } from '../frame/checksum-state.ts';
import type { ClusterPlan, DevicePlan, NamespacePlan } from '../plan/plan.ts';
import { type Mac, macAt } from '../wire/address.ts';
import * as arp from '../wire/arp.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import { heard, type LabCapture } from './lab.ts';
import type { Recording } from './recording.ts';

/** The plan, whose pods and hosts send what was captured and nothing else. */
export function asCaptured(plan: ClusterPlan, captures: readonly LabCapture[]): ClusterPlan {
  const { recordings, frames } = heard(plan.namespaces, captures);
  const isSeen = (test: (b: Buffer) => boolean): boolean =>
    recordings.some((recording) => recording.some(({ bytes }) => test(bytes)));
  const ports = plan.namespaces.flatMap(({ devices }) =>
    devices.flatMap(({ vxlan }) => vxlan?.port ?? []),
  );
  const inTunnels = isSeen((b) => isUnfinishedInside(b, ports));
  const offload = inTunnels || isSeen((b) => isUnfinished(b, 0));
  const ofDevice = (namespace: NamespacePlan, device: DevicePlan): DevicePlan => {
    const recording = frames(namespace.name, device.name);
    const told = recording === undefined ? undefined : shownMac(recording, namespace, device);
    return {
      ...device,
      ...(told === undefined ? {} : { mac: told }),
      // Felix switches them off on its VXLAN device, where kernels are broken (ChecksumOffloadBroken).
      checksumOffload:
        device.kind === 'wireguard' || (device.kind === 'vxlan' ? inTunnels : offload),
      receiveOffload: offload,
    };
  };
  return {
    ...plan,
    namespaces: plan.namespaces.map((namespace) => ({
      ...namespace,
      ...(namespace.role === 'pod' || namespace.role === 'host' ? { silent: true } : {}),
      devices: namespace.devices.map((device) => ofDevice(namespace, device)),
    })),
  };
}

/** A pod's MAC is not in its node's tables, or was; another's only where its frames show none of the listed. */
function shownMac(
  recording: Recording,
  { role }: NamespacePlan,
  device: DevicePlan,
): Mac | undefined {
  if (device.mac === undefined) return undefined;
  const isShown = (b: Buffer): boolean =>
    b.length >= ethernet.HEADER_LEN && (macAt(b, 0) === device.mac || macAt(b, 6) === device.mac);
  if (role !== 'pod' && recording.some(({ bytes }) => isShown(bytes))) return undefined;
  return senderMac(recording, device);
}

/** The MAC that sends from an address of the device: the other end of the cable may have captured it. */
function senderMac(recording: Recording, { addresses }: DevicePlan): Mac | undefined {
  const own = new Set<number>(addresses.map(({ address }) => address));
  const sent = recording.find(({ bytes }) => own.has(senderOf(bytes)));
  return sent && macAt(sent.bytes, ethernet.field.source);
}

/** The address that sends an Ethernet frame; 0 where it says none. */
function senderOf(b: Buffer): number {
  const at = ethernet.HEADER_LEN;
  if (b.length < at) return 0;
  if (ethernet.type(b, 0) === ethernet.TYPE_ARP) {
    return b.length < at + arp.LEN ? 0 : arp.senderIp(b, at);
  }
  const isPacket = ethernet.type(b, 0) === ethernet.TYPE_IPV4 && ipv4.check(b, at, b.length) === 0;
  return isPacket ? ipv4.source(b, at) : 0;
}

/** Whether VXLAN carries such a frame. */
function isUnfinishedInside(b: Buffer, ports: readonly number[]): boolean {
  const at = ethernet.HEADER_LEN;
  if (b.length < at || ipv4.check(b, at, b.length) !== 0) return false;
  const l4 = at + ipv4.headerLength(b, at);
  if (ipv4.protocol(b, at) !== ipv4.PROTO_UDP || udp.check(b, l4, b.length) !== 0) return false;
  const inner = l4 + udp.HEADER_LEN + vxlan.HEADER_LEN;
  return ports.includes(udp.destinationPort(b, l4)) && isUnfinished(b, inner);
}

/** Whether the Ethernet frame at `start` is as its sender hands it to hardware that completes checksums. */
function isUnfinished(b: Buffer, start: number): boolean {
  const at = start + ethernet.HEADER_LEN;
  if (b.length < at || ethernet.type(b, start) !== ethernet.TYPE_IPV4) return false;
  if (ipv4.check(b, at, b.length) !== 0 || ipv4.isFragment(b, at)) return false;
  const l4 = at + ipv4.headerLength(b, at);
  const end = at + ipv4.totalLength(b, at);
  switch (ipv4.protocol(b, at)) {
    case ipv4.PROTO_TCP:
      return tcp.check(b, l4, end) === 0 && tcpState(b, l4, end - l4, at, true) === 'partial';
    case ipv4.PROTO_UDP:
      return udp.check(b, l4, end) === 0 && udpState(b, l4, at, true) === 'partial';
    default:
      return false;
  }
}
