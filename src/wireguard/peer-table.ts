/** The peers of a device, by their keys and by the inner addresses they have. */
import { found, PodwireError } from '../errors.ts';
import type { Prefix } from '../wire/address.ts';
import { AllowedIps } from './allowed-ips.ts';
import { formatKey, KEY_LEN } from './key.ts';
import { Peer } from './peer.ts';
import type { PeerHost } from './peer-host.ts';
import type { WireguardPeerOptions } from './settings.ts';

/** Peers of one device (wireguard-go's MaxPeers; the kernel's is 2^20). */
const MAX_PEERS = 65536;
/** The greatest of `wg set … persistent-keepalive`. */
const MAX_KEEPALIVE = 65535;
const NO_PRESHARED_KEY = Buffer.alloc(KEY_LEN);

export class PeerTable<P> {
  private readonly byKey = new Map<string, Peer<P>>();
  private readonly allowed = new AllowedIps<Peer<P>>();
  private readonly host: PeerHost<P>;

  constructor(host: PeerHost<P>) {
    this.host = host;
  }

  /** In the order in which they were added. */
  [Symbol.iterator](): Iterator<Peer<P>> {
    return this.byKey.values();
  }

  get(publicKey: Uint8Array): Peer<P> | undefined {
    return this.byKey.get(formatKey(publicKey));
  }

  /** The peer with the longest allowed prefix that holds an inner address, or null. */
  lookup(address: number): Peer<P> | null {
    return this.allowed.lookup(address);
  }

  allowedIps(peer: Peer<P>): Prefix[] {
    return this.allowed.of(peer);
  }

  /** Adds or changes a peer; null for the device's own key, which is nobody to talk to. */
  set(options: WireguardPeerOptions): Peer<P> | null {
    const { publicKey, presharedKey, endpoint, persistentKeepalive = 0 } = options;
    const keepalive = Number.isInteger(persistentKeepalive) ? persistentKeepalive : -1;
    if (keepalive < 0 || keepalive > MAX_KEEPALIVE) {
      const expected = `expected 0 to ${MAX_KEEPALIVE} seconds between keepalives`;
      throw new PodwireError('ERR_CONFIG_VALUE', `${expected}, found ${persistentKeepalive}`);
    }
    for (const key of [publicKey, presharedKey ?? NO_PRESHARED_KEY]) {
      if (key.length === KEY_LEN) continue;
      const message = `expected a key of ${KEY_LEN} bytes, found ${key.length}`;
      throw new PodwireError('ERR_CONFIG_VALUE', message);
    }
    if (publicKey.equals(this.host.privateKey.publicKey)) return null;
    const peer = this.get(publicKey) ?? this.add(publicKey);
    if (!(presharedKey ?? NO_PRESHARED_KEY).equals(peer.presharedKey)) {
      peer.renew(Buffer.from(presharedKey ?? NO_PRESHARED_KEY));
    }
    if (endpoint !== undefined) {
      peer.endpointAddress = endpoint.address;
      peer.endpointPort = endpoint.port;
    }
    peer.persistentKeepalive = keepalive * 1e6;
    this.allowed.remove(peer);
    for (const prefix of options.allowedIps) this.allowed.insert(prefix, peer);
    return peer;
  }

  remove(peer: Peer<P>): void {
    this.allowed.remove(peer);
    this.byKey.delete(peer.name);
    peer.close();
  }

  private add(publicKey: Buffer): Peer<P> {
    if (this.byKey.size === MAX_PEERS) {
      const message = `expected at most ${MAX_PEERS} peers, found ${found(formatKey(publicKey))} too`;
      throw new PodwireError('ERR_CONFIG_VALUE', message);
    }
    const peer = new Peer<P>(this.host, Buffer.from(publicKey), NO_PRESHARED_KEY);
    this.byKey.set(peer.name, peer);
    return peer;
  }
}
