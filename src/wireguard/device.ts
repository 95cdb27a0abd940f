/**
 * A WireGuard device: messages in and out of buffers, everything else through a
 * sink. It holds no socket, no clock and no randomness; all three are given.
 *
 *   seal    |  16 bytes   | packet            | up to 31 bytes |    room the caller leaves
 *           | data header | encrypted, padded | tag            |    the message, in place
 *   receive | data header | packet            | zeros    | tag |    decrypted in place
 *
 * Times are `Moment`s of any clock that never goes back; TAI64N takes it for Unix time.
 */
import { Drop } from '../drop.ts';
import { PodwireError } from '../errors.ts';
import type { Moment } from '../packet/moment.ts';
import type { Prefix } from '../wire/address.ts';
import type { Bytes } from '../wire/bytes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as wireguard from '../wire/wireguard.ts';
import { CookieChecker, MacState } from './cookie.ts';
import { openInitiation } from './handshake.ts';
import { HandshakeLoad } from './handshake-load.ts';
import { IndexTable } from './index-table.ts';
import type { PrivateKey } from './key.ts';
import type { Peer } from './peer.ts';
import type { PeerHost } from './peer-host.ts';
import { PeerTable } from './peer-table.ts';
import type { RandomSource } from './random.ts';
import { HEADER_LEN, OVERHEAD, paddingOf } from './session.ts';
import type {
  HandshakeSecrets,
  WireguardDeviceOptions,
  WireguardPeerOptions,
  WireguardSink,
} from './settings.ts';
import { REJECT_AFTER_TIME } from './timers.ts';

/** `seal` kept the packet: it waits for a session. */
export const STAGED = 0;
/** `receive` consumed the message: it carried no packet. */
export const CONSUMED = 0;

export class WireguardDevice<P> implements PeerHost<P> {
  privateKey: PrivateKey;
  readonly random: RandomSource;
  now: Moment = { seconds: 0, nanoseconds: 0 };
  micros = 0;
  /** The peer of the last `seal` or `receive`, if it had one: for its endpoint, and for a trace. */
  target: Peer<P> | null = null;
  private readonly sink: WireguardSink<P>;
  private readonly keyLog: ((secrets: HandshakeSecrets) => void) | undefined;
  private readonly table: PeerTable<P>;
  readonly indices: IndexTable<P>;
  private checker: CookieChecker;
  private running = false;
  private readonly load = new HandshakeLoad();
  private readonly reply = Buffer.alloc(wireguard.cookieReply.size);
  private earliest = Number.POSITIVE_INFINITY;

  /** Throws ERR_CONFIG_VALUE for keys of a wrong length and ERR_USAGE for an unsafe combination. */
  constructor(options: WireguardDeviceOptions<P>) {
    const { privateKey, random, unsafePredictable = false } = options;
    if (random.predictable && !privateKey.derived && !unsafePredictable) {
      const expected = 'expected randomness that cannot be foretold, or unsafePredictable';
      throw new PodwireError('ERR_USAGE', `${expected}, for a private key that was given`);
    }
    this.privateKey = privateKey;
    this.random = random;
    this.indices = new IndexTable(random);
    this.sink = options.sink;
    this.keyLog = options.keyLog;
    this.checker = new CookieChecker(privateKey.publicKey, random);
    this.table = new PeerTable(this);
    for (const peer of options.peers) this.table.set(peer);
  }

  /** In the order in which they were added. */
  get peers(): readonly Peer<P>[] {
    return [...this.table];
  }

  peer(publicKey: Uint8Array): Peer<P> | undefined {
    return this.table.get(publicKey);
  }

  /** The peer that packets to this address go to, and that may send from it. */
  lookup(address: number): Peer<P> | null {
    return this.table.lookup(address);
  }

  /** A peer's prefixes, by address. */
  allowedIps(peer: Peer<P>): readonly Prefix[] {
    return this.table.allowedIps(peer);
  }

  /**
   * Adds a peer, or changes the one with this key: the preshared key, the keepalive and
   * the allowed IPs become those given, the endpoint only if one is given. The device's
   * own key is passed over. Throws ERR_CONFIG_VALUE for keys of a wrong length.
   */
  setPeer(options: WireguardPeerOptions, at: Moment): void {
    this.enter(at);
    const peer = this.table.set(options);
    if (peer === null || !this.running) return;
    if (peer.persistentKeepalive > 0) peer.keepalive();
    peer.flush();
  }

  /** Its packets that wait are lost. */
  removePeer(peer: Peer<P>): void {
    this.table.remove(peer);
  }

  /** Every session is to be agreed anew. A peer that has the new key is removed. */
  setPrivateKey(key: PrivateKey, at: Moment): void {
    this.enter(at);
    const self = this.table.get(key.publicKey);
    if (self !== undefined) this.table.remove(self);
    this.privateKey = key;
    this.checker = new CookieChecker(key.publicKey, this.random);
    for (const peer of this.table) peer.renew();
  }

  /**
   * Encrypts the IPv4 packet b[start, end) in place, for `target`. Returns the end
   * of the message, which begins 16 bytes before `start`; `STAGED` where the device keeps
   * `packet` for the sink; minus the drop reason otherwise. `mtu` bounds the padding.
   */
  seal(packet: P, b: Bytes, start: number, end: number, mtu: number, at: Moment): number {
    this.enter(at);
    if (ipv4.check(b, start, end) !== Drop.None) return -Drop.WireguardInner;
    const peer = this.lookup(ipv4.destination(b, start));
    this.target = peer;
    if (peer === null) return -Drop.WireguardNoPeer;
    if (peer.endpointPort === 0) return -Drop.WireguardNoEndpoint;
    peer.trim();
    peer.flush();
    const session = peer.usable();
    this.target = peer;
    if (session === null) {
      peer.stage(packet);
      return STAGED;
    }
    const last = session.seal(b, start, end, paddingOf(end - start, mtu));
    peer.sent(session, last - start + HEADER_LEN, true);
    return last;
  }

  /**
   * Takes the UDP payload b[start, end) that came from an address and port. Returns
   * the end of the IPv4 packet it carried, which begins at `start` + 16, decrypted in
   * place; `CONSUMED` where it carried none; minus the drop reason otherwise.
   */
  receive(b: Bytes, start: number, end: number, address: number, port: number, at: Moment): number {
    this.enter(at);
    this.target = null;
    const fault = wireguard.check(b, start, end);
    if (fault !== Drop.None) return -fault;
    switch (wireguard.type(b, start)) {
      case wireguard.DATA:
        return this.receiveData(b, start, end, address, port);
      case wireguard.COOKIE_REPLY:
        return 0 - this.receiveCookie(b, start);
      default:
        return 0 - this.receiveHandshake(b, start, end, address, port);
    }
  }

  /** The interface comes up: persistent keepalives begin (wg_open). */
  start(at: Moment): void {
    if (this.running) return;
    this.enter(at);
    this.running = true;
    for (const peer of this.table) if (peer.persistentKeepalive > 0) peer.keepalive();
  }

  /** The interface goes down: forgets all keys and packets that wait (wg_stop); nothing is due any more. */
  close(): void {
    this.running = false;
    for (const peer of this.table) peer.close();
    this.earliest = Number.POSITIVE_INFINITY;
  }

  /** The time of the earliest timer, or null. There may turn out to be nothing to do then. */
  nextTimer(): Moment | null {
    if (this.earliest === Number.POSITIVE_INFINITY) return null;
    const seconds = Math.floor(this.earliest / 1e6);
    return { seconds, nanoseconds: (this.earliest - seconds * 1e6) * 1000 };
  }

  /** Does what is due. */
  tick(at: Moment): void {
    this.enter(at);
    if (this.earliest > this.micros) return;
    for (const peer of this.table) peer.tick();
    this.earliest = Number.POSITIVE_INFINITY;
    for (const peer of this.table) this.wake(peer.nextTimer());
  }

  transmit(message: Bytes, start: number, end: number, peer: Peer<P>, tos: number): void {
    this.sink.transmit(message, start, end, peer.endpointAddress, peer.endpointPort, tos);
  }

  resume(packet: P): void {
    this.sink.resume(packet);
  }

  lose(packet: P, why: Drop): void {
    this.sink.lose(packet, why);
  }

  ephemeral(peer: Peer<P>, key: PrivateKey): void {
    this.keyLog?.({
      localStaticPrivate: this.privateKey.reveal(),
      remoteStaticPublic: peer.publicKey,
      localEphemeralPrivate: key.reveal(),
      presharedKey: peer.presharedKey,
    });
  }

  wake(micros: number): void {
    if (micros < this.earliest) this.earliest = micros;
  }

  private enter(at: Moment): void {
    this.now = at;
    this.micros = at.seconds * 1e6 + Math.floor(at.nanoseconds / 1000);
  }

  private receiveHandshake(
    b: Bytes,
    start: number,
    end: number,
    address: number,
    port: number,
  ): Drop {
    const { micros } = this;
    if (!this.load.enter(micros)) return Drop.WireguardBacklog;
    const underLoad = this.load.underLoad(micros);
    const state = this.checker.check(b, start, address, port, underLoad, micros);
    if (state === MacState.Invalid) return Drop.WireguardMac;
    if (underLoad && state !== MacState.Cookie) {
      this.checker.reply(this.reply, 0, b, start, address, port, micros);
      this.sink.transmit(this.reply, 0, this.reply.length, address, port, wireguard.HANDSHAKE_TOS);
      return Drop.WireguardCookie;
    }
    if (underLoad && !this.load.allow(address, micros)) return Drop.WireguardRate;
    return wireguard.type(b, start) === wireguard.INITIATION
      ? this.receiveInitiation(b, start, end, address, port)
      : this.receiveResponse(b, start, end, address, port);
  }

  private receiveInitiation(
    b: Bytes,
    start: number,
    end: number,
    address: number,
    port: number,
  ): Drop {
    const open = openInitiation(this.privateKey, b, start);
    if (open === undefined) return Drop.WireguardHandshake;
    const peer = this.table.get(open.remoteStatic);
    if (peer === undefined) return Drop.WireguardStranger;
    const fault = peer.answer(open, b, start);
    if (fault !== Drop.None) return fault;
    this.target = peer;
    this.roam(peer, address, port);
    peer.respond();
    peer.heard(end - start);
    return Drop.None;
  }

  private receiveResponse(
    b: Bytes,
    start: number,
    end: number,
    address: number,
    port: number,
  ): Drop {
    const entry = this.indices.get(wireguard.receiver(b, start));
    if (entry === undefined || entry.session !== null) return Drop.WireguardIndex;
    const { peer } = entry;
    const fault = peer.confirm(b, start);
    if (fault !== Drop.None) return fault;
    this.target = peer;
    this.roam(peer, address, port);
    peer.establish();
    peer.heard(end - start);
    return Drop.None;
  }

  private receiveCookie(b: Bytes, start: number): Drop {
    const entry = this.indices.get(wireguard.receiver(b, start));
    if (entry === undefined) return Drop.WireguardIndex;
    return entry.peer.cookies.take(b, start, this.micros) ? Drop.None : Drop.WireguardCookieReply;
  }

  private receiveData(b: Bytes, start: number, end: number, address: number, port: number): number {
    const entry = this.indices.get(wireguard.receiver(b, start));
    if (entry === undefined || entry.session === null) return -Drop.WireguardIndex;
    const { peer, session } = entry;
    if (session.heard || this.micros >= session.born + REJECT_AFTER_TIME) {
      session.receivable = false;
    }
    if (!session.receivable) return -Drop.WireguardExpired;
    if (!session.open(b, start, end)) return -Drop.WireguardTag;
    // Only now: a forged message must not move the window.
    if (!session.accept(b, start)) return -Drop.WireguardReplay;
    this.roam(peer, address, port);
    peer.received(session);
    this.target = peer;
    if (end - start === OVERHEAD) {
      peer.heard(OVERHEAD);
      return CONSUMED;
    }
    peer.heard(0);
    peer.owes();
    const inner = start + HEADER_LEN;
    if (ipv4.check(b, inner, end - wireguard.TAG_LEN) !== Drop.None) return -Drop.WireguardInner;
    if (this.lookup(ipv4.source(b, inner)) !== peer) return -Drop.WireguardSource;
    peer.rxBytes += end - start;
    return inner + ipv4.totalLength(b, inner);
  }

  private roam(peer: Peer<P>, address: number, port: number): void {
    peer.endpointAddress = address;
    peer.endpointPort = port;
  }
}
