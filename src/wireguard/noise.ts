/**
 * The symmetric state of a handshake: chaining key C, hash H and the key that the
 * next AEAD uses, named as in section 5.4 of the WireGuard whitepaper.
 */
import { derive, HASH_LEN, hash } from './blake2s.ts';
import { open, seal } from './chacha20-poly1305.ts';

const CONSTRUCTION = Buffer.from('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s');
const IDENTIFIER = Buffer.from('WireGuard v1 zx2c4 Jason@zx2c4.com');
const INITIAL_CHAIN = hash(CONSTRUCTION);
const INITIAL_HASH = hash(INITIAL_CHAIN, IDENTIFIER);
const NO_KEY = Buffer.alloc(HASH_LEN);

export class NoiseState {
  #chain: Buffer = Buffer.from(INITIAL_CHAIN);
  #digest: Buffer;
  #key: Buffer = NO_KEY;

  /** The responder's static key is known to both ends before the first message. */
  constructor(responder: Buffer) {
    this.#digest = hash(INITIAL_HASH, responder);
  }

  clone(): NoiseState {
    const copy = new NoiseState(NO_KEY);
    copy.#chain = Buffer.from(this.#chain);
    copy.#digest = this.#digest;
    copy.#key = Buffer.from(this.#key);
    return copy;
  }

  mixHash(data: Uint8Array): void {
    this.#digest = hash(this.#digest, data);
  }

  /** C only: ephemeral keys, and the agreements of the response. */
  mixChain(input: Uint8Array): void {
    const [chain] = derive(this.#chain, input, 1);
    this.#chain = chain!;
  }

  /** C and the key from an agreement; false where there was none. */
  mixShared(shared: Uint8Array | undefined): boolean {
    if (shared === undefined) return false;
    const [chain, key] = derive(this.#chain, shared, 2);
    this.#chain = chain!;
    this.#key = key!;
    return true;
  }

  /** C, H and the key from the preshared key. */
  mixPreshared(presharedKey: Uint8Array): void {
    const [chain, mixed, key] = derive(this.#chain, presharedKey, 3);
    this.#chain = chain!;
    this.mixHash(mixed!);
    this.#key = key!;
  }

  /** Every key seals one message only, so the counter is always 0. H is the associated data. */
  seal(plain: Uint8Array): Buffer {
    const sealed = seal(this.#key, plain, this.#digest);
    this.mixHash(sealed);
    return sealed;
  }

  /** `undefined` where the tag is wrong; H is then as before. */
  open(sealed: Uint8Array): Buffer | undefined {
    const plain = open(this.#key, sealed, this.#digest);
    if (plain !== undefined) this.mixHash(sealed);
    return plain;
  }

  /** Transport keys: the initiator's to send, then the responder's. */
  split(): [Buffer, Buffer] {
    const [first, second] = derive(this.#chain, Buffer.alloc(0), 2);
    return [first!, second!];
  }

  /** Zeroes what is secret. */
  forget(): void {
    this.#chain.fill(0);
    if (this.#key !== NO_KEY) this.#key.fill(0);
  }
}
