/**
 * Somebody else's conversation, read with the keys of its initiators: what `wg` and
 * Wireshark's key log call an ephemeral private key opens the handshake, and with it
 * every data message (whitepaper sections 5.4.2, 5.4.3 and 5.4.6).
 */
import type { Bytes } from '../wire/bytes.ts';
import * as wireguard from '../wire/wireguard.ts';
import { openInPlace } from './chacha20-poly1305.ts';
import { KEY_LEN, PrivateKey, sameBytes } from './key.ts';
import { NoiseState } from './noise.ts';
import type { HandshakeSecrets } from './settings.ts';

/** The same, ready to agree with. */
interface Secrets {
  readonly localStatic: PrivateKey;
  readonly localEphemeral: PrivateKey;
  readonly remoteStatic: Buffer;
  readonly presharedKey: Buffer;
}

/** A handshake whose response is still to come. */
interface Opened {
  readonly secrets: Secrets;
  readonly noise: NoiseState;
}

/** Of one index or key; who can write a capture can write as many as the file holds. */
const MAX_LISTED = 16;
const ZERO = Buffer.alloc(KEY_LEN);

const { initiation, response, data } = wireguard;

export class Transcript {
  private readonly secrets = new Map<string, Secrets[]>();
  /** By the index of the initiator. */
  private readonly opened = new Map<number, Opened[]>();
  /** By the index of the receiver: a conversation elsewhere may have the same one. */
  private readonly keys = new Map<number, Buffer[]>();
  /** Static keys by their bytes: thousands of handshakes may have one. */
  private readonly statics = new Map<string, PrivateKey>();

  constructor(secrets: Iterable<HandshakeSecrets>) {
    for (const one of secrets) this.trust(one);
  }

  /** One more key; what was learned before does not change. A private key of zeros opens nothing. */
  trust(secrets: HandshakeSecrets): void {
    const { localEphemeralPrivate: ephemeral, localStaticPrivate: own } = secrets;
    if (sameBytes(ephemeral, ZERO) || sameBytes(own, ZERO)) return;
    const localEphemeral = new PrivateKey(ephemeral);
    list(this.secrets, localEphemeral.publicKey.toString('hex'), {
      localStatic: this.staticKey(own),
      localEphemeral,
      remoteStatic: secrets.remoteStaticPublic,
      presharedKey: secrets.presharedKey,
    });
  }

  private staticKey(scalar: Buffer): PrivateKey {
    const name = scalar.toString('hex');
    const key = this.statics.get(name) ?? new PrivateKey(scalar);
    this.statics.set(name, key);
    return key;
  }

  /** Takes the message at `b[at, end)` into account, if it is one of a handshake. */
  learn(b: Bytes, at: number, end: number): void {
    if (wireguard.check(b, at, end) !== 0) return;
    if (wireguard.type(b, at) === wireguard.INITIATION) this.openInitiation(b, at);
    else if (wireguard.type(b, at) === wireguard.RESPONSE) this.openResponse(b, at);
  }

  /** The packet inside a data message with its padding; `undefined` where no key opens it. */
  plain(b: Bytes, at: number, end: number): Buffer | undefined {
    if (wireguard.check(b, at, end) !== 0 || wireguard.type(b, at) !== wireguard.DATA) {
      return undefined;
    }
    const [low, high] = [
      b.readUInt32LE(at + data.counterLow),
      b.readUInt32LE(at + data.counterHigh),
    ];
    for (const key of this.keys.get(wireguard.receiver(b, at)) ?? []) {
      const body = Buffer.from(b.subarray(at + data.size, end));
      if (openInPlace(key, high, low, body, 0, body.length)) {
        return body.subarray(0, body.length - wireguard.TAG_LEN);
      }
    }
    return undefined;
  }

  private openInitiation(b: Bytes, at: number): void {
    const theirs = slice(b, at + initiation.ephemeral, KEY_LEN);
    for (const secrets of this.secrets.get(theirs.toString('hex')) ?? []) {
      const { localStatic, localEphemeral, remoteStatic } = secrets;
      const noise = new NoiseState(remoteStatic);
      noise.mixHash(theirs);
      noise.mixChain(theirs);
      const sealed = slice(b, at + initiation.encryptedStatic, KEY_LEN + wireguard.TAG_LEN);
      const stamp = slice(
        b,
        at + initiation.encryptedTimestamp,
        initiation.mac1 - initiation.encryptedTimestamp,
      );
      const sound =
        noise.mixShared(localEphemeral.agree(remoteStatic)) &&
        noise.open(sealed)?.equals(localStatic.publicKey) === true &&
        noise.mixShared(localStatic.agree(remoteStatic)) &&
        noise.open(stamp) !== undefined;
      if (sound) list(this.opened, wireguard.sender(b, at), { secrets, noise });
    }
  }

  private openResponse(b: Bytes, at: number): void {
    const theirs = slice(b, at + response.ephemeral, KEY_LEN);
    for (const { secrets, noise: before } of this.opened.get(wireguard.receiver(b, at)) ?? []) {
      const noise = before.clone();
      const shared = [secrets.localEphemeral, secrets.localStatic].map((key) => key.agree(theirs));
      noise.mixHash(theirs);
      noise.mixChain(theirs);
      if (shared[0] === undefined || shared[1] === undefined) continue;
      noise.mixChain(shared[0]);
      noise.mixChain(shared[1]);
      noise.mixPreshared(secrets.presharedKey);
      const sealed = slice(b, at + response.encryptedNothing, wireguard.TAG_LEN);
      if (noise.open(sealed) === undefined) continue;
      const [toResponder, toInitiator] = noise.split();
      list(this.keys, wireguard.sender(b, at), toResponder);
      list(this.keys, wireguard.receiver(b, at), toInitiator);
    }
  }
}

const slice = (b: Bytes, at: number, length: number): Buffer => b.subarray(at, at + length);

/** Adds to a list of a map, the newest first; the oldest go. */
function list<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  map.set(key, [value, ...(map.get(key) ?? [])].slice(0, MAX_LISTED));
}
