/** What a WireGuard device is told when it is made, and what it tells from then on. */
import type { Drop } from '../drop.ts';
import type { Ip4, Prefix } from '../wire/address.ts';
import type { Bytes } from '../wire/bytes.ts';
import type { PrivateKey } from './key.ts';
import type { RandomSource } from './random.ts';

export interface WireguardPeerOptions {
  /** 32 bytes. */
  readonly publicKey: Buffer;
  /** 32 bytes; none (zeros) where absent. */
  readonly presharedKey?: Buffer;
  readonly endpoint?: { readonly address: Ip4; readonly port: number };
  readonly allowedIps: readonly Prefix[];
  /** Seconds between keepalives that are sent whatever happens; 0 or absent for none. */
  readonly persistentKeepalive?: number;
}

/** Secrets of one handshake of this end, as a key log has them. */
export interface HandshakeSecrets {
  readonly localStaticPrivate: Buffer;
  readonly remoteStaticPublic: Buffer;
  readonly localEphemeralPrivate: Buffer;
  readonly presharedKey: Buffer;
}

/**
 * What a device tells. Nothing may be called back on the device from here but
 * `seal` from `resume`; buffers are valid during the call only.
 */
export interface WireguardSink<P> {
  /**
   * A UDP payload that the device makes by itself (handshake, cookie, keepalive):
   * message[start, end). What it makes while it seals a packet belongs behind that
   * packet on the wire.
   */
  transmit(
    message: Bytes,
    start: number,
    end: number,
    address: number,
    port: number,
    tos: number,
  ): void;
  /** A packet that waited can go: to be given to `seal` again. */
  resume(packet: P): void;
  /** A packet that waited is lost. */
  lose(packet: P, why: Drop): void;
}

export interface WireguardDeviceOptions<P> {
  readonly privateKey: PrivateKey;
  readonly peers: readonly WireguardPeerOptions[];
  readonly random: RandomSource;
  readonly sink: WireguardSink<P>;
  /** Secrets for Wireshark, whenever an ephemeral key was made. Nothing secret leaves otherwise. */
  readonly keyLog?: (secrets: HandshakeSecrets) => void;
  /** Allows a private key that was not derived from a seed together with predictable randomness. */
  readonly unsafePredictable?: boolean;
}
