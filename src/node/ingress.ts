/** A frame arrives on a device: __netif_receive_skb_core and eth_type_trans. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import * as ethernet from '../wire/ethernet.ts';
import { isForPort } from './bridge.ts';
import { type Device, DeviceKind } from './device.ts';
import { dropped } from './drop-packet.ts';
import type { Node } from './node.ts';
import { End, type Next, Room } from './room.ts';
import { tap } from './tap.ts';

/** Notes: A the frame type. */
export function ingress(node: Node, p: Packet): Next {
  const device = node.devices[p.input]!;
  if (!device.running) return dropped(p, Drop.DeviceDown);
  tap(node, device, p, false);
  if (node.silent) return End.Delivered;
  p.output = -1;
  p.route = -1;
  p.frameType = FrameType.Host;
  if (!device.ethernet) return Room.IpInput;

  const short = ethernet.check(bytes, p.data, p.tail);
  if (short !== Drop.None) return dropped(p, short);
  if (device.master >= 0 && !isForPort(p.data)) return Room.BridgeIn;
  p.frameType = frameType(device, p.data);
  // eth_type_trans has asked the port before the bridge is.
  if (p.frameType === FrameType.OtherHost && device.kind === DeviceKind.Bridge && p.port >= 0) {
    p.frameType = frameType(node.devices[p.port]!, p.data);
  }
  p.noteA = p.frameType;
  if (p.frameType === FrameType.OtherHost) return dropped(p, Drop.OtherHost);
  if (ethernet.isTag(ethernet.type(bytes, p.data))) {
    const wrong = untag(p);
    if (wrong !== Drop.None) return dropped(p, wrong);
  }
  const type = ethernet.type(bytes, p.data);
  if (type !== ethernet.TYPE_IPV4 && type !== ethernet.TYPE_ARP) {
    return dropped(p, Drop.EthernetType);
  }
  p.pull(ethernet.HEADER_LEN);
  return type === ethernet.TYPE_ARP ? Room.Arp : Room.IpInput;
}

/** What skb_vlan_untag asks for behind the link header. */
const TAGGED_LEN = ethernet.HEADER_LEN + ethernet.TAG_LEN + 2;

/**
 * Tags come off that only give a priority. No device here is a VLAN's, so what is of one is
 * somebody else's: check_vlan_id of __netif_receive_skb_core. The MACs are lost.
 */
function untag(p: Packet): Drop {
  while (ethernet.isTag(ethernet.type(bytes, p.data))) {
    if (p.length < TAGGED_LEN) return Drop.EthernetShort;
    if (ethernet.vlan(bytes, p.data) !== 0) return Drop.VlanUnknown;
    p.pull(ethernet.TAG_LEN);
  }
  return Drop.None;
}

function frameType(device: Device, at: number): FrameType {
  if (
    ethernet.destinationLow(bytes, at) === device.macLow &&
    ethernet.destinationHigh(bytes, at) === device.macHigh
  ) {
    return FrameType.Host;
  }
  if (!ethernet.isGroup(bytes, at)) return FrameType.OtherHost;
  return ethernet.isBroadcast(bytes, at) ? FrameType.Broadcast : FrameType.Multicast;
}
