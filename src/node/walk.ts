/**
 * THE MAP. A packet walks through the rooms of one namespace: each room does one
 * thing and names the next, or an end. Rooms do not know each other; only this
 * file knows which function is which room.
 *
 *   link ─► Ingress ─► IpInput ─► Prerouting ─► Route ─┬─► Forward ─► ForwardFilter ─┐
 *              │                                  ▲ ▲   │                            ▼
 *              └─► Arp         born here ─────────┘ │   │  (born) ─► LocalOut ─► Output
 *                                                   │   │                            ▼
 *                                                   │   └─► Input ─► Local       Postrouting
 *                                                   │                  │             ▼
 *                        IpInput ◄── IpipIn ◄───────┼──────────────────┤          Finish
 *           (Gather, Poll) ► Ingress ◄── VxlanIn ◄──┼──────────────────┤             ▼
 *                                                   │                  ▼    Neighbour (Ethernet)
 *                                                   │              delivered         ▼
 *       (the same from WireguardIn) ◄───────────────┤                            │
 *                                                   ├── VxlanOut ◄───────────── Transmit ─► link
 *                                                   ├── IpipOut  ◄──────────────────┤
 *                                                   └── WireguardOut ◄──────────────┘
 *
 * A port of a bridge leads from Ingress by BridgeIn to Transmit or to Ingress again; a
 * bridge from Transmit by BridgeOut to Transmit.
 *
 * Prerouting, Input, ForwardFilter, LocalOut and Postrouting are netfilter's hooks;
 * a namespace without rules passes them for the price of a comparison.
 */
import type { Packet } from '../packet/packet.ts';
import { DROPPED, type TraceRing } from '../trace/ring.ts';
import { receiveArp } from './arp.ts';
import { bridgeIn, bridgeOut } from './bridge.ts';
import { forward } from './forward.ts';
import { gather, poll } from './gather.ts';
import { ingress } from './ingress.ts';
import { ipInput } from './ip-input.ts';
import { local } from './local.ts';
import { neighbour } from './neighbour.ts';
import { forwardFilter, input, localOut, postrouting, prerouting } from './netfilter.ts';
import type { Node } from './node.ts';
import { finish, output } from './output.ts';
import { End, type Next, Room } from './room.ts';
import { route } from './route.ts';
import { transmit } from './transmit.ts';
import { ipipIn, ipipOut } from './tunnel-ipip.ts';
import { vxlanIn, vxlanOut } from './tunnel-vxlan.ts';
import { wireguardIn, wireguardOut } from './tunnel-wireguard.ts';

function step(node: Node, p: Packet, room: Room): Next {
  switch (room) {
    case Room.Ingress:
      return ingress(node, p); //    ► Arp, IpInput, BridgeIn
    case Room.BridgeIn:
      return bridgeIn(node, p); //   ► Transmit (another port), or Ingress (the bridge itself)
    case Room.BridgeOut:
      return bridgeOut(node, p); //  ► Transmit
    case Room.Arp:
      return receiveArp(node, p); // ends
    case Room.IpInput:
      return ipInput(node, p); //    ► Prerouting
    case Room.Prerouting:
      return prerouting(node, p); // ► Route
    case Room.Route:
      return route(node, p); //      ► Input, Forward (transit), LocalOut (born here)
    case Room.Forward:
      return forward(node, p); //    ► ForwardFilter
    case Room.ForwardFilter:
      return forwardFilter(node, p); // ► Output
    case Room.LocalOut:
      return localOut(node, p); //   ► Output, or Route again
    case Room.Output:
      return output(node, p); //     ► Postrouting
    case Room.Postrouting:
      return postrouting(node, p); // ► Finish
    case Room.Finish:
      return finish(node, p); //     ► Neighbour, Transmit (no Ethernet)
    case Room.Neighbour:
      return neighbour(node, p); //  ► Transmit, or parked
    case Room.Transmit:
      return transmit(node, p); //   ► VxlanOut, IpipOut, WireguardOut, BridgeOut, sent, or in segments to itself
    case Room.Input:
      return input(node, p); //      ► Local
    case Room.Local:
      return local(node, p); //      ► VxlanIn, IpipIn, WireguardIn, or delivered
    case Room.VxlanOut:
      return vxlanOut(node, p); //   ► Route
    case Room.VxlanIn:
      return vxlanIn(node, p); //    ► Ingress, or Gather
    case Room.IpipOut:
      return ipipOut(node, p); //    ► Route
    case Room.IpipIn:
      return ipipIn(node, p); //     ► IpInput, or Gather
    case Room.WireguardOut:
      return wireguardOut(node, p); // ► Route, or parked until there is a session
    case Room.WireguardIn:
      return wireguardIn(node, p); // ► IpInput, or Gather
    case Room.Gather:
      return gather(node, p); //     ► Poll, or into a packet before it
    case Room.Poll:
      return poll(node, p); //       ► Ingress
    default:
      return room satisfies never;
  }
}

/** From a room to an end. Drops are counted here and nowhere else. */
export function walk(node: Node, p: Packet, from: Room): End {
  let next: Next = from;
  while (next > 0) next = step(node, p, next as Room);
  if (next === End.Dropped) lose(node, p);
  return next as End;
}

function lose(node: Node, p: Packet): void {
  node.drops[p.drop]!++;
  if (p.ct >= 0) node.netfilter?.conntrack.abandon(p.ct);
}

/** The same, writing down each room with what it found. */
export function walkTraced(node: Node, p: Packet, from: Room, ring: TraceRing): End {
  let next: Next = from;
  while (next > 0) {
    const room = next as Room;
    const input = p.input;
    p.noteA = 0;
    p.noteB = 0;
    p.noteC = 0;
    p.answer = 0;
    next = step(node, p, room);
    const told = next === End.Dropped ? DROPPED - p.drop : next;
    ring.mark(p, node.position, room, input, told);
  }
  if (next === End.Dropped) lose(node, p);
  return next as End;
}

/** Sees a packet before and after each room. */
export interface RoomWatch {
  enter(node: Node, p: Packet, room: Room): void;
  leave(node: Node, p: Packet, room: Room, next: Next): void;
}

/** The same as `walk`, with somebody watching. */
export function walkWatched(node: Node, p: Packet, from: Room, watch: RoomWatch): End {
  let next: Next = from;
  while (next > 0) {
    const room = next as Room;
    watch.enter(node, p, room);
    next = step(node, p, room);
    watch.leave(node, p, room, next);
  }
  if (next === End.Dropped) lose(node, p);
  return next as End;
}
