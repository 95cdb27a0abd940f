/**
 * A WireGuard device in its namespace: the protocol is wireguard/'s, here are its
 * clock, its timers, and the packets that it makes itself (the kernel's socket.c).
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Moment } from '../packet/moment.ts';
import type { Packet } from '../packet/packet.ts';
import { RouteKind } from '../tables/routes.ts';
import type { Bytes } from '../wire/bytes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import { WireguardDevice } from '../wireguard/device.ts';
import type { Peer } from '../wireguard/peer.ts';
import type { WireguardDeviceOptions, WireguardSink } from '../wireguard/settings.ts';
import type { Device } from './device.ts';
import { leaveOuterChecksum } from './l4-checksum.ts';
import { enterTunnel } from './nesting.ts';
import type { Node } from './node.ts';
import { Room } from './room.ts';
import { routeSource } from './source.ts';

/** In front of a message of WireGuard. */
export const OUTER_LEN: number = ipv4.HEADER_LEN + udp.HEADER_LEN;
/** net.ipv4.ip_default_ttl */
const TTL = 64;
/**
 * Microseconds. After so long without a packet of anybody's keepalives pause until the
 * next: captures may lie years apart, and every second of them would be gone through.
 */
const PAUSE = 3600e6;

export interface TunnelOptions extends Omit<WireguardDeviceOptions<Packet>, 'sink'> {
  /** Keepalives go on however long nobody sends anything. */
  readonly tireless?: boolean;
}

/** Takes a message to the outside; why it cannot, or `None`. Valid during the call only. */
export type Relay = (message: Bytes, start: number, end: number) => Drop;

/** The tunnels of a namespace by position of their devices; one is made when it is first asked for. */
export interface Tunnels {
  /** `undefined` for a device of which nobody knows port and peers. */
  of(position: number): WireguardTunnel | undefined;
  /** Only what was made already: a listing needs no keys. */
  started(position: number): WireguardTunnel | undefined;
  /** Puts one in the place of what was there; null for one that is made when it is asked for. */
  put(position: number, tunnel: WireguardTunnel | null): void;
}

export class WireguardTunnel implements WireguardSink<Packet> {
  readonly protocol: WireguardDevice<Packet>;
  /** By a sender's address: who takes its messages, where a real device has the place of this one. */
  readonly relays = new Map<number, Relay>();
  private readonly tireless: boolean;
  private readonly node: Node;
  private readonly device: Device;
  /** Own addresses that peers sent to: answers come from there (struct endpoint, src4). */
  private readonly sources = new Map<Peer<Packet>, number>();
  /** While a message is received: who sent it, and to which own address. */
  private asker = 0;
  private asked = 0;
  /** Microseconds since the epoch: when the earliest timer was armed for. */
  private armed = Number.POSITIVE_INFINITY;
  /** Microseconds since the epoch: when a packet was last sealed or opened. */
  private used = 0;
  /** Microseconds between keepalives to peers, while they pause. */
  private readonly paused = new Map<Peer<Packet>, number>();

  constructor(node: Node, device: Device, options: TunnelOptions) {
    this.node = node;
    this.device = device;
    this.tireless = options.tireless ?? false;
    this.protocol = new WireguardDevice<Packet>({ ...options, sink: this });
  }

  /** The interface comes up. */
  start(): void {
    this.use();
    this.protocol.start(this.node.world.now);
    this.arm();
  }

  /** The interface goes down: keys and packets that wait are gone, peers stay. */
  stop(): void {
    this.protocol.close();
  }

  /** As `WireguardDevice.seal`, for the packet that goes out by this device. */
  seal(p: Packet, mtu: number): number {
    this.use();
    const end = this.protocol.seal(p, bytes, p.data, p.tail, mtu, this.node.world.now);
    this.arm();
    return end;
  }

  /** As `WireguardDevice.receive`, for the UDP payload at `bytes[start, end)` under the header at `l3`. */
  receive(l3: number, start: number, end: number): number {
    const from = ipv4.source(bytes, l3);
    const relay = this.relays.get(from);
    if (relay !== undefined) return 0 - relay(bytes, start, end);
    const port = udp.sourcePort(bytes, start - udp.HEADER_LEN);
    this.asker = from;
    this.asked = ipv4.destination(bytes, l3);
    const result = this.protocol.receive(bytes, start, end, from, port, this.node.world.now);
    if (result > 0) this.use();
    const peer = this.protocol.target;
    if (result >= 0 && peer !== null) this.sources.set(peer, this.asked);
    this.asked = 0;
    this.arm();
    return result;
  }

  transmit(
    message: Bytes,
    start: number,
    end: number,
    address: number,
    port: number,
    tos: number,
  ): void {
    const { world } = this.node;
    const e = world.create(end - start);
    if (e === null) return;
    message.copy(bytes, e.data, start, end);
    e.output = this.device.position;
    const known = this.asked !== 0 && address === this.asker ? this.asked : 0;
    const room = this.wrap(e, address, port, tos, known) ? Room.Route : Room.WireguardOut;
    world.enqueue(this.node, e, room);
  }

  resume(p: Packet): void {
    this.node.world.enqueue(this.node, p, Room.WireguardOut);
  }

  lose(p: Packet, why: Drop): void {
    p.drop = why;
    this.node.world.enqueue(this.node, p, Room.WireguardOut);
  }

  /** Puts UDP and IPv4 in front of a message to `peer`; false, and `drop` set, where no route leads there. */
  wrapFor(peer: Peer<Packet>, p: Packet, tos: number): boolean {
    const known = this.sources.get(peer) ?? 0;
    return this.wrap(p, peer.endpointAddress, peer.endpointPort, tos, known);
  }

  /** send4() of socket.c: never DF, the mark of the device, TTL as of any own packet. */
  private wrap(p: Packet, to: number, port: number, tos: number, known: number): boolean {
    const { node, device } = this;
    const from = this.source(to, known);
    if (from === 0) {
      p.drop = Drop.RouteMissing;
      return false;
    }
    const length = p.length + OUTER_LEN;
    const at = p.push(OUTER_LEN);
    const udpAt = at + ipv4.HEADER_LEN;
    const id = node.identify(from, to, ipv4.PROTO_UDP);
    ipv4.emit(bytes, at, tos, length, id, 0, TTL, ipv4.PROTO_UDP, from, to);
    udp.emit(bytes, udpAt, device.port, port, length - ipv4.HEADER_LEN);
    leaveOuterChecksum(p, at, udpAt);
    p.l3 = at;
    enterTunnel(p, device.position);
    p.mark = device.mark;
    return true;
  }

  /** The own address to send from: the one the peer knows, while it is still there, else the route's. */
  private source(to: number, known: number): number {
    const { node, device } = this;
    if (known !== 0 && node.local.find(known) >= 0) return known;
    const way = node.lookup(to, device.mark);
    if (way < 0) return 0;
    const kind = node.routes.kind(way);
    if (kind === RouteKind.Local) return to;
    return kind === RouteKind.Unicast ? routeSource(node, way, to) : 0;
  }

  private use(): void {
    this.used = micros(this.node.world.now);
    if (this.paused.size === 0) return;
    for (const [peer, interval] of this.paused) peer.persistentKeepalive = interval;
    this.paused.clear();
  }

  private pause(): void {
    for (const peer of this.protocol.peers) {
      if (peer.persistentKeepalive === 0) continue;
      this.paused.set(peer, peer.persistentKeepalive);
      peer.persistentKeepalive = 0;
    }
  }

  /** One timer of the cluster at a time, for the earliest of the device's. */
  private arm(): void {
    const next = this.protocol.nextTimer();
    if (next === null) return;
    const due = micros(next);
    if (due >= this.armed) return;
    this.armed = due;
    const { world } = this.node;
    world.arm(Math.max(0, (due - micros(world.now)) / 1000), () => this.wake(due));
  }

  private wake(due: number): void {
    // An earlier timer has been armed since, and has served.
    if (this.armed !== due) return;
    this.armed = Number.POSITIVE_INFINITY;
    if (due - this.used > PAUSE && !this.tireless) this.pause();
    this.protocol.tick(this.node.world.now);
    this.arm();
  }
}

const micros = ({ seconds, nanoseconds }: Moment): number =>
  seconds * 1e6 + Math.ceil(nanoseconds / 1000);
