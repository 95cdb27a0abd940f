/** WireGuard devices of a plan, and what went between them and their peers. */
import type { Ip4, Prefix } from '../wire/address.ts';
import type { PrivateKey } from '../wireguard/key.ts';

/** A peer of a WireGuard device, as `wg show` lists it. */
export interface WireguardPeerPlan {
  /** Base64 of 32 bytes. */
  readonly publicKey: string;
  readonly endpoint: { readonly address: Ip4; readonly port: number };
  readonly allowedIps: readonly Prefix[];
  /** Seconds between packets that keep the way open; absent for none. */
  readonly persistentKeepalive?: number;
  /** Of a tunnel that lives; a plan by itself has none. */
  readonly traffic?: PeerTraffic;
}

/** What went between a WireGuard device and a peer since the start. */
export interface PeerTraffic {
  /** When the session in use was agreed, seconds since the epoch, and how long ago that is. */
  readonly handshake?: { readonly at: number; readonly ago: number };
  /** Bytes of WireGuard messages. */
  readonly received: number;
  readonly sent: number;
}

export interface WireguardSettings {
  /** Base64 of 32 bytes. */
  readonly publicKey: string;
  /** Where it is known; another stands in for one that is not. */
  readonly privateKey?: PrivateKey;
  readonly listenPort: number;
  /** Mark of the encrypted packets, so that the rule for plain ones does not catch them. */
  readonly fwmark: number;
  readonly peers: readonly WireguardPeerPlan[];
}
