/** The cables: veth pairs, and segments with a switch that knows every member's MAC, or learns it. */
import { Drop } from '../drop.ts';
import { isValidSource } from '../node/bridge.ts';
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import { Room } from '../node/room.ts';
import { segmentLength } from '../node/segment.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { PairIndex } from '../tables/pair-index.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';

/**
 * Links one packet may cross from one router to the next: MOST_BRIDGES where no tunnel leads,
 * and in a tunnel as many for each of the 255 hops of its TTL.
 */
const MAX_HOPS = 255 * 65;

/** MACs that a switch learns at most. */
const MAX_LEARNED = 65_536;

/** VLAN_HLEN */
const VLAN_TAG = 4;

export interface End {
  readonly node: Node;
  readonly device: Device;
}

/** Takes a frame off the sender's hands: to the other ends, or to `lose` with a reason. */
export interface Link {
  /** The only other end; null where there are several. */
  across(device: Device): End | null;
  carry(from: Node, device: Device, p: Packet, lose: (p: Packet, why: Drop) => void): void;
}

/** A frame has left one namespace and arrives in another: tunnels of the first are behind it. */
function arrive(end: End, p: Packet, lose: (p: Packet, why: Drop) => void): void {
  if (++p.hops > MAX_HOPS) {
    lose(p, Drop.HopBudget);
    return;
  }
  // is_skb_forwardable: a device takes frames up to its MTU, with room for one VLAN tag.
  if (p.segment === 0 && p.length > end.device.mtu + ethernet.HEADER_LEN + VLAN_TAG) {
    lose(p, Drop.LinkMtu);
    return;
  }
  p.input = end.device.position;
  p.output = -1;
  p.tunnel = -1;
  p.wraps = 0;
  p.mark = 0;
  p.forgetFlow();
  const { node } = end;
  const onItsWay = node.lateness?.arrival(node, p) ?? 0;
  if (onItsWay > 0) node.world.arm(onItsWay, () => node.world.enqueue(node, p, Room.Ingress));
  else node.world.enqueue(node, p, Room.Ingress);
}

export class Veth implements Link {
  private readonly a: End;
  private readonly b: End;

  constructor(a: End, b: End) {
    this.a = a;
    this.b = b;
  }

  across(device: Device): End {
    return device === this.a.device ? this.b : this.a;
  }

  carry(_from: Node, device: Device, p: Packet, lose: (p: Packet, why: Drop) => void): void {
    arrive(device === this.a.device ? this.b : this.a, p, lose);
  }
}

export class Segment implements Link {
  private readonly ends: readonly End[];
  private readonly byMac = new PairIndex();
  private readonly mtu: number;
  private readonly srcDstCheck: boolean;
  /** It learns: others than its members may be behind it, since somebody bridges, or it knows nobody yet. */
  private readonly learns: boolean;

  /** `cold`: the switch has to learn where its members are; a fabric with checks was told. */
  constructor(ends: readonly End[], mtu: number, srcDstCheck: boolean, cold: boolean) {
    const unaware = cold && !srcDstCheck;
    this.ends = ends;
    this.mtu = mtu;
    this.srcDstCheck = srcDstCheck;
    this.learns = unaware || ends.some(({ device }) => device.master >= 0);
    if (unaware) return;
    for (const [i, { device }] of ends.entries()) {
      this.byMac.set(device.macHigh, device.macLow, i);
    }
  }

  across(): null {
    return null;
  }

  carry(from: Node, device: Device, p: Packet, lose: (p: Packet, why: Drop) => void): void {
    const whole = p.length - ethernet.HEADER_LEN;
    if ((p.segment > 0 ? segmentLength(p, p.data + ethernet.HEADER_LEN) : whole) > this.mtu) {
      lose(p, Drop.LinkMtu);
      return;
    }
    if (this.learns) this.learn(device, p);
    if (ethernet.isGroup(bytes, p.data)) {
      this.flood(device, p, lose);
      return;
    }
    const at = this.byMac.get(
      ethernet.destinationHigh(bytes, p.data),
      ethernet.destinationLow(bytes, p.data),
    );
    const end = at < 0 ? undefined : this.ends[at];
    if (end === undefined && this.learns) this.flood(device, p, lose);
    else if (end === undefined) {
      // A switch floods what it has not learned; nobody will take it.
      for (const other of this.ends) if (other.device !== device) this.copyTo(other, p, lose);
      lose(p, Drop.LinkNowhere);
    } else if (end.device === device) lose(p, Drop.LinkNowhere);
    else if (this.srcDstCheck && !passes({ node: from, device }, end, p)) lose(p, Drop.SrcDstCheck);
    else arrive(end, p, lose);
  }

  /** Who is behind which member, as a switch learns it. */
  private learn(device: Device, p: Packet): void {
    const high = ethernet.sourceHigh(bytes, p.data);
    const low = ethernet.sourceLow(bytes, p.data);
    if (this.byMac.size > MAX_LEARNED || !isValidSource(high, low)) return;
    const at = this.ends.findIndex((end) => end.device === device);
    if (this.byMac.get(high, low) === at) return;
    this.byMac.set(high, low, at);
    // What went elsewhere until now, on tapes too, comes here.
    for (const { node } of this.ends) node.change();
  }

  private flood(device: Device, p: Packet, lose: (p: Packet, why: Drop) => void): void {
    const others = this.ends.filter((end) => end.device !== device);
    const last = others.pop();
    for (const end of others) this.copyTo(end, p, lose);
    if (last === undefined) lose(p, Drop.LinkNowhere);
    else arrive(last, p, lose);
  }

  private copyTo(end: End, p: Packet, lose: (p: Packet, why: Drop) => void): void {
    const twin = end.node.world.copy(end.node, p);
    if (twin !== null) arrive(end, twin, lose);
  }
}

/** A fabric knows its instances' addresses; routers are part of the fabric. */
function passes(from: End, to: End, p: Packet): boolean {
  const l3 = p.data + ethernet.HEADER_LEN;
  if (ethernet.type(bytes, p.data) !== ethernet.TYPE_IPV4) return true;
  if (p.tail - l3 < ipv4.HEADER_LEN) return true;
  return owns(from, ipv4.source(bytes, l3)) && owns(to, ipv4.destination(bytes, l3));
}

const owns = ({ node, device }: End, address: number): boolean =>
  node.plan.role === 'router' || device.addresses.includes(address);
