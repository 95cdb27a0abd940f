/**
 * One peer of a device: its handshake, its sessions, the packets that wait for one,
 * and the timers between them (the kernel's noise.c, timers.c and send.c).
 */
import { Drop } from '../drop.ts';
import type { Moment } from '../packet/moment.ts';
import type { Bytes } from '../wire/bytes.ts';
import * as wireguard from '../wire/wireguard.ts';
import { CookieJar } from './cookie.ts';
import { Handshake, type OpenInitiation, openTimestamp, type Remote } from './handshake.ts';
import { formatKey, KEY_LEN, PrivateKey } from './key.ts';
import type { PeerHost } from './peer-host.ts';
import { random32 } from './random.ts';
import { HEADER_LEN, type Session } from './session.ts';
import { Sessions } from './sessions.ts';
import { TAI64N_LEN } from './tai64n.ts';
import {
  INITIATION_SPACING,
  KEEPALIVE_TIMEOUT,
  MAX_ATTEMPTS,
  MAX_STAGED,
  PeerTimers,
  REJECT_AFTER_TIME,
  REKEY_AFTER_TIME,
  REKEY_JITTER,
  REKEY_TIMEOUT,
  TimerKind,
} from './timers.ts';

const message = Buffer.alloc(wireguard.initiation.size);
const scalar = Buffer.alloc(KEY_LEN);
const NEVER = Number.NEGATIVE_INFINITY;

export class Peer<P> {
  readonly publicKey: Buffer;
  /** The same in base64, for listings. */
  readonly name: string;
  /** Where it was last heard from, or configured; port 0 where nobody knows. */
  endpointAddress = 0;
  endpointPort = 0;
  /** Bytes of WireGuard messages, as `wg show` counts them. */
  rxBytes = 0;
  txBytes = 0;
  /** When the session in use was agreed, for `latest handshake`. */
  lastHandshake: Moment | null = null;
  /** Microseconds between keepalives that are sent whatever happens; 0 for none. */
  persistentKeepalive = 0;
  private readonly host: PeerHost<P>;
  readonly #remote: Remote;
  private readonly handshake: Handshake;
  readonly cookies: CookieJar;
  private readonly timers: PeerTimers;
  private readonly sessions: Sessions;
  private staged: P[] = [];
  private readonly greatestTimestamp = Buffer.alloc(TAI64N_LEN);
  private lastInitiation = NEVER;
  private lastSent = NEVER;
  private attempts = 0;
  private lastMinute = false;
  private keepaliveAgain = false;

  constructor(host: PeerHost<P>, publicKey: Buffer, presharedKey: Buffer) {
    this.host = host;
    this.publicKey = publicKey;
    this.name = formatKey(publicKey);
    const staticShared = host.privateKey.agree(publicKey);
    this.#remote = { publicKey, presharedKey, staticShared };
    this.handshake = new Handshake(this.#remote);
    this.cookies = new CookieJar(publicKey);
    this.sessions = new Sessions((index) => host.indices.release(index));
    this.timers = new PeerTimers((due) => host.wake(due));
  }

  get presharedKey(): Buffer {
    return this.#remote.presharedKey;
  }

  get waiting(): number {
    return this.staged.length;
  }

  /** Microseconds of the earliest timer, or Infinity. */
  nextTimer(): number {
    return this.timers.next();
  }

  /** The session to send with. */
  usable(): Session | null {
    return this.sessions.usable(this.host.micros);
  }

  /** Makes room, as wg_xmit does before it adds a packet (so that one more than 128 can wait). */
  trim(): void {
    while (this.staged.length > MAX_STAGED) {
      this.host.lose(this.staged.shift()!, Drop.WireguardQueue);
    }
  }

  stage(packet: P): void {
    this.staged.push(packet);
    this.initiate(false);
  }

  /** Lets waiting packets go, or asks for a session to let them. */
  flush(): void {
    if (this.staged.length === 0) return;
    if (this.usable() === null) this.initiate(false);
    else for (const packet of this.staged.splice(0)) this.host.resume(packet);
  }

  /** An empty packet; waiting packets serve as well. */
  keepalive(): void {
    const session = this.usable();
    if (session === null) this.initiate(false);
    else if (this.staged.length > 0) this.flush();
    else {
      const end = session.seal(message, HEADER_LEN, HEADER_LEN, 0);
      this.transmit(end, 0);
      this.sent(session, end, false);
    }
  }

  /** A data message of this length was sealed. */
  sent(session: Session, length: number, data: boolean): void {
    if (data) this.txBytes += length;
    this.traversed();
    this.timers.cancel(TimerKind.Keepalive);
    if (data && !this.timers.pending(TimerKind.NewHandshake)) {
      const wait = KEEPALIVE_TIMEOUT + REKEY_TIMEOUT + this.jitter();
      this.timers.set(TimerKind.NewHandshake, this.host.micros + wait);
    }
    const old = session.initiator && this.expired(session.born, REKEY_AFTER_TIME);
    if (session.worn || old) this.initiate(false);
  }

  /** Sends an initiation, unless one went within REKEY_TIMEOUT. */
  initiate(retry: boolean): void {
    if (!retry) this.attempts = 0;
    if (!this.expired(this.lastSent, REKEY_TIMEOUT)) return;
    const { host } = this;
    const ephemeral = this.makeEphemeral();
    const before = this.handshake.localIndex;
    const index = host.indices.claim(this);
    if (!this.handshake.initiate(host.privateKey, ephemeral, index, host.now, message, 0)) {
      host.indices.release(index);
      return;
    }
    if (before !== 0) host.indices.release(before);
    host.ephemeral(this, ephemeral);
    this.lastSent = host.micros;
    this.cookies.stamp(message, 0, host.micros);
    this.traversed();
    this.timers.cancel(TimerKind.Keepalive);
    this.timers.set(TimerKind.Retransmit, host.micros + REKEY_TIMEOUT + this.jitter());
    this.transmit(wireguard.initiation.size, wireguard.HANDSHAKE_TOS);
  }

  /** An initiation that decrypts with this peer's key; what is wrong with it, or `None` and the answer is sent. */
  answer(open: OpenInitiation, b: Bytes, at: number): Drop {
    const { host } = this;
    const stamp = openTimestamp(open, this.#remote, b, at);
    if (stamp === undefined) return Drop.WireguardHandshake;
    if (stamp.compare(this.greatestTimestamp) <= 0) return Drop.WireguardTimestamp;
    if (!this.expired(this.lastInitiation, INITIATION_SPACING)) return Drop.WireguardFlood;
    stamp.copy(this.greatestTimestamp);
    this.lastInitiation = host.micros;
    this.abandon();
    this.handshake.adopt(open);
    return Drop.None;
  }

  /** The response to the initiation that `answer` took. */
  respond(): void {
    const { host } = this;
    this.lastSent = host.micros;
    const ephemeral = this.makeEphemeral();
    const index = host.indices.claim(this);
    if (!this.handshake.respond(ephemeral, index, message, 0)) {
      host.indices.release(index);
      return;
    }
    host.ephemeral(this, ephemeral);
    ephemeral.forget();
    this.cookies.stamp(message, 0, host.micros);
    this.begin();
    this.traversed();
    this.timers.cancel(TimerKind.Keepalive);
    this.transmit(wireguard.response.size, wireguard.HANDSHAKE_TOS);
  }

  /** A response to this peer's handshake. */
  confirm(b: Bytes, at: number): Drop {
    const sound = this.handshake.finish(this.host.privateKey, b, at);
    return sound ? Drop.None : Drop.WireguardHandshake;
  }

  /** After `confirm`: the session begins, and what waits goes, or a keepalive to confirm it. */
  establish(): void {
    this.begin();
    this.completed();
    this.keepalive();
  }

  /** A data message of this session authenticated. */
  received(session: Session): void {
    if (this.sessions.confirm(session)) {
      this.completed();
      this.flush();
    }
    const late = REJECT_AFTER_TIME - KEEPALIVE_TIMEOUT - REKEY_TIMEOUT;
    const { current } = this.sessions;
    if (this.lastMinute || current === null || !current.sendable || !current.initiator) return;
    if (!this.expired(current.born, late)) return;
    this.lastMinute = true;
    this.initiate(false);
  }

  /** Something authentic came. */
  heard(length: number): void {
    this.rxBytes += length;
    this.timers.cancel(TimerKind.NewHandshake);
    this.traversed();
  }

  /** A packet came, not just a keepalive: an answer is owed within KEEPALIVE_TIMEOUT. */
  owes(): void {
    if (this.timers.pending(TimerKind.Keepalive)) this.keepaliveAgain = true;
    else this.timers.set(TimerKind.Keepalive, this.host.micros + KEEPALIVE_TIMEOUT);
  }

  /** Fires the timers that are due. */
  tick(): void {
    const { timers } = this;
    const now = this.host.micros;
    if (timers.take(TimerKind.Retransmit, now)) this.retry();
    if (timers.take(TimerKind.Keepalive, now)) {
      this.keepalive();
      if (this.keepaliveAgain) {
        this.keepaliveAgain = false;
        timers.set(TimerKind.Keepalive, now + KEEPALIVE_TIMEOUT);
      }
    }
    if (timers.take(TimerKind.NewHandshake, now)) this.initiate(false);
    if (timers.take(TimerKind.Zero, now)) this.forget();
    if (timers.take(TimerKind.Persistent, now) && this.persistentKeepalive > 0) this.keepalive();
  }

  private retry(): void {
    if (this.attempts++ <= MAX_ATTEMPTS) {
      this.initiate(true);
      return;
    }
    this.timers.cancel(TimerKind.Keepalive);
    this.purge(Drop.WireguardTimeout);
    if (!this.timers.pending(TimerKind.Zero)) this.armZero();
  }

  /** Packets that wait are lost. */
  private purge(why: Drop): void {
    for (const packet of this.staged.splice(0)) this.host.lose(packet, why);
  }

  /** Zeroes the handshake and all sessions. */
  private forget(): void {
    this.abandon();
    this.sessions.forget();
  }

  private abandon(): void {
    if (this.handshake.localIndex !== 0) this.host.indices.release(this.handshake.localIndex);
    this.handshake.clear();
  }

  /** The device has another private key, or this peer another preshared one: agree anew. */
  renew(presharedKey = this.#remote.presharedKey): void {
    this.#remote.presharedKey = presharedKey;
    this.#remote.staticShared = this.host.privateKey.agree(this.publicKey);
    this.abandon();
    this.lastSent = NEVER;
    this.sessions.expire();
  }

  /** Nothing of this peer will happen any more, unless somebody asks for it anew. */
  close(): void {
    this.timers.cancelAll();
    this.lastSent = NEVER;
    this.forget();
    this.purge(Drop.WireguardGone);
  }

  private begin(): void {
    const { host } = this;
    const keys = this.handshake.session();
    if (keys === undefined) return;
    const session = this.sessions.begin(keys, host.micros);
    host.indices.bind(session.localIndex, this, session);
    this.armZero();
  }

  private armZero(): void {
    this.timers.set(TimerKind.Zero, this.host.micros + 3 * REJECT_AFTER_TIME);
  }

  private completed(): void {
    this.timers.cancel(TimerKind.Retransmit);
    this.attempts = 0;
    this.lastMinute = false;
    this.lastHandshake = this.host.now;
  }

  private traversed(): void {
    if (this.persistentKeepalive > 0) {
      this.timers.set(TimerKind.Persistent, this.host.micros + this.persistentKeepalive);
    }
  }

  private transmit(length: number, tos: number): void {
    // Nowhere to send it; the state goes on as if it were lost (wg_socket_send_skb_to_peer).
    if (this.endpointPort === 0) return;
    this.txBytes += length;
    this.host.transmit(message, 0, length, this, tos);
  }

  private makeEphemeral(): PrivateKey {
    this.host.random.fill(scalar);
    const key = new PrivateKey(scalar);
    scalar.fill(0);
    return key;
  }

  private expired(since: number, after: number): boolean {
    return this.host.micros >= since + after;
  }

  private jitter(): number {
    return random32(this.host.random) % REKEY_JITTER;
  }
}
