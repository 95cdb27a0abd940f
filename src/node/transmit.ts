/** Onto the device: dev_queue_xmit, and each kind's ndo_start_xmit. */
import { Drop } from '../drop.ts';
import type { Packet } from '../packet/packet.ts';
import { DeviceKind } from './device.ts';
import { dropped } from './drop-packet.ts';
import { completeChecksum } from './l4-checksum.ts';
import type { Node } from './node.ts';
import { End, type Next, Room } from './room.ts';
import { segmentPacket } from './segment.ts';
import { tap } from './tap.ts';

/** What the device cannot do is done before it, and before a capture sees it: validate_xmit_skb. */
export function transmit(node: Node, p: Packet): Next {
  const device = node.devices[p.output]!;
  // noop_qdisc: before any capture.
  if (!device.running) return dropped(p, Drop.DeviceDown);
  // A veth hands everything across as it is.
  if (!device.checksumOffload && device.kind !== DeviceKind.Veth) {
    if (p.segment > 0) return segmentPacket(node, p, Room.Transmit);
    if (p.partial) completeChecksum(p);
  }
  tap(node, device, p, true);
  if (device.kind === DeviceKind.Vxlan) return Room.VxlanOut;
  if (device.kind === DeviceKind.Ipip) return Room.IpipOut;
  if (device.kind === DeviceKind.Wireguard) return Room.WireguardOut;
  if (device.kind === DeviceKind.Bridge) return Room.BridgeOut;
  return End.Sent;
}
