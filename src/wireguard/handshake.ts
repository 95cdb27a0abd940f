/**
 * Noise_IKpsk2 as WireGuard uses it (whitepaper sections 5.4.2, 5.4.3 and 5.4.5), both
 * roles, with the states of the kernel's struct noise_handshake.
 *
 *   initiator                                responder
 *   Zeroed ──initiate──► InitiationSent
 *                             │  148 bytes ─────────► openInitiation, adopt: InitiationConsumed
 *                             │                              │ respond
 *                             │ ◄───────── 92 bytes   ResponseSent
 *   ResponseConsumed ◄─ finish
 *
 * `session` then gives the keys of either end and zeroes the handshake. A message
 * that fails leaves everything as it was.
 */
import type { Moment } from '../packet/moment.ts';
import type { Bytes } from '../wire/bytes.ts';
import * as wireguard from '../wire/wireguard.ts';
import { KEY_LEN, type PrivateKey } from './key.ts';
import { NoiseState } from './noise.ts';
import { putTai64n, TAI64N_LEN } from './tai64n.ts';

export const HandshakeState = {
  Zeroed: 0,
  InitiationSent: 1,
  InitiationConsumed: 2,
  ResponseSent: 3,
  ResponseConsumed: 4,
} as const;
type HandshakeState = (typeof HandshakeState)[keyof typeof HandshakeState];

/** What one end knows of the other before any message. */
export interface Remote {
  readonly publicKey: Buffer;
  /** 32 bytes; zeros where none is set. */
  presharedKey: Buffer;
  /** Static-static agreement; absent where the remote key is of low order. */
  staticShared: Buffer | undefined;
}

/** An initiation whose sender is known, but not yet whether it is fresh. */
export interface OpenInitiation {
  readonly noise: NoiseState;
  readonly remoteStatic: Buffer;
  readonly remoteEphemeral: Buffer;
  readonly sender: number;
}

/** Keys that a handshake agreed on; whoever takes them owns them. */
export interface SessionKeys {
  readonly send: Buffer;
  readonly receive: Buffer;
  readonly initiator: boolean;
  readonly localIndex: number;
  readonly remoteIndex: number;
}

const nothing = Buffer.alloc(0);
const { initiation, response } = wireguard;

/** Decrypts who sent an initiation; `undefined` where it is not for this key, or forged. */
export function openInitiation(
  local: PrivateKey,
  b: Bytes,
  at: number,
): OpenInitiation | undefined {
  const noise = new NoiseState(local.publicKey);
  const remoteEphemeral = Buffer.from(slice(b, at + initiation.ephemeral, KEY_LEN));
  noise.mixHash(remoteEphemeral);
  noise.mixChain(remoteEphemeral);
  if (!noise.mixShared(local.agree(remoteEphemeral))) return undefined;
  const sealed = slice(b, at + initiation.encryptedStatic, KEY_LEN + wireguard.TAG_LEN);
  const remoteStatic = noise.open(sealed);
  if (remoteStatic === undefined) return undefined;
  return { noise, remoteStatic, remoteEphemeral, sender: wireguard.sender(b, at) };
}

/** The time stamp of an opened initiation, 12 bytes; `undefined` where it does not authenticate. */
export function openTimestamp(
  open: OpenInitiation,
  remote: Remote,
  b: Bytes,
  at: number,
): Buffer | undefined {
  if (!open.noise.mixShared(remote.staticShared)) return undefined;
  const sealed = slice(b, at + initiation.encryptedTimestamp, TAI64N_LEN + wireguard.TAG_LEN);
  return open.noise.open(sealed);
}

export class Handshake {
  state: HandshakeState = HandshakeState.Zeroed;
  localIndex = 0;
  private remoteIndex = 0;
  #noise: NoiseState | null = null;
  private ephemeral: PrivateKey | null = null;
  private remoteEphemeral: Buffer = nothing;
  readonly #remote: Remote;

  constructor(remote: Remote) {
    this.#remote = remote;
  }

  /** Writes an initiation without its MACs. False where no agreement with this peer is possible. */
  initiate(
    local: PrivateKey,
    ephemeral: PrivateKey,
    index: number,
    now: Moment,
    b: Bytes,
    at: number,
  ): boolean {
    const remote = this.#remote;
    const noise = new NoiseState(remote.publicKey);
    const shared = ephemeral.agree(remote.publicKey);
    if (shared === undefined || remote.staticShared === undefined) return false;
    noise.mixHash(ephemeral.publicKey);
    noise.mixChain(ephemeral.publicKey);
    noise.mixShared(shared);
    b.writeUInt32LE(wireguard.INITIATION, at);
    b.writeUInt32LE(index, at + initiation.sender);
    ephemeral.publicKey.copy(b, at + initiation.ephemeral);
    noise.seal(local.publicKey).copy(b, at + initiation.encryptedStatic);
    noise.mixShared(remote.staticShared);
    const stamp = Buffer.alloc(TAI64N_LEN);
    putTai64n(stamp, 0, now);
    noise.seal(stamp).copy(b, at + initiation.encryptedTimestamp);
    this.replace(HandshakeState.InitiationSent, noise, ephemeral);
    this.localIndex = index;
    return true;
  }

  /** Takes an initiation that was opened, authenticated and found fresh. */
  adopt(open: OpenInitiation): void {
    this.replace(HandshakeState.InitiationConsumed, open.noise, null);
    this.remoteEphemeral = open.remoteEphemeral;
    this.remoteIndex = open.sender;
    this.localIndex = 0;
  }

  /** Writes the response to the initiation adopted last, without its MACs. */
  respond(ephemeral: PrivateKey, index: number, b: Bytes, at: number): boolean {
    const { remoteEphemeral } = this;
    const noise = this.#noise;
    const remote = this.#remote;
    if (this.state !== HandshakeState.InitiationConsumed || noise === null) return false;
    const toEphemeral = ephemeral.agree(remoteEphemeral);
    const toStatic = ephemeral.agree(remote.publicKey);
    if (toEphemeral === undefined || toStatic === undefined) return false;
    noise.mixHash(ephemeral.publicKey);
    noise.mixChain(ephemeral.publicKey);
    noise.mixChain(toEphemeral);
    noise.mixChain(toStatic);
    noise.mixPreshared(remote.presharedKey);
    b.writeUInt32LE(wireguard.RESPONSE, at);
    b.writeUInt32LE(index, at + response.sender);
    b.writeUInt32LE(this.remoteIndex, at + response.receiver);
    ephemeral.publicKey.copy(b, at + response.ephemeral);
    noise.seal(nothing).copy(b, at + response.encryptedNothing);
    this.localIndex = index;
    this.state = HandshakeState.ResponseSent;
    return true;
  }

  /** Consumes the response to the initiation sent last. */
  finish(local: PrivateKey, b: Bytes, at: number): boolean {
    const { ephemeral } = this;
    const remote = this.#remote;
    if (this.state !== HandshakeState.InitiationSent || ephemeral === null) return false;
    const noise = this.#noise!.clone();
    const theirs = slice(b, at + response.ephemeral, KEY_LEN);
    const toEphemeral = ephemeral.agree(theirs);
    const toStatic = local.agree(theirs);
    if (toEphemeral === undefined || toStatic === undefined) return false;
    noise.mixHash(theirs);
    noise.mixChain(theirs);
    noise.mixChain(toEphemeral);
    noise.mixChain(toStatic);
    noise.mixPreshared(remote.presharedKey);
    if (noise.open(slice(b, at + response.encryptedNothing, wireguard.TAG_LEN)) === undefined) {
      noise.forget();
      return false;
    }
    this.replace(HandshakeState.ResponseConsumed, noise, null);
    this.remoteIndex = wireguard.sender(b, at);
    return true;
  }

  /** The keys of a finished handshake, which is zeroed; `undefined` before that. */
  session(): SessionKeys | undefined {
    const initiator = this.state === HandshakeState.ResponseConsumed;
    if (!initiator && this.state !== HandshakeState.ResponseSent) return undefined;
    const [first, second] = this.#noise!.split();
    const { localIndex, remoteIndex } = this;
    this.clear();
    return {
      send: initiator ? first : second,
      receive: initiator ? second : first,
      initiator,
      localIndex,
      remoteIndex,
    };
  }

  /** Zeroes what is secret; the greatest time stamp seen is kept elsewhere. */
  clear(): void {
    this.replace(HandshakeState.Zeroed, null, null);
    this.remoteEphemeral = nothing;
    this.localIndex = 0;
    this.remoteIndex = 0;
  }

  private replace(
    state: HandshakeState,
    noise: NoiseState | null,
    ephemeral: PrivateKey | null,
  ): void {
    if (this.#noise !== noise) this.#noise?.forget();
    if (this.ephemeral !== ephemeral) this.ephemeral?.forget();
    this.#noise = noise;
    this.ephemeral = ephemeral;
    this.state = state;
  }
}

const slice = (b: Bytes, at: number, length: number): Buffer => b.subarray(at, at + length);
