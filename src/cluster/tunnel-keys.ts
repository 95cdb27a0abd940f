/**
 * The keys that a cluster's WireGuard devices work with. A plan may know only public
 * halves, as listings do: the devices then use others, and every peer knows them.
 */
import type { Device } from '../node/device.ts';
import { mix } from '../node/flow-hash.ts';
import type { Node } from '../node/node.ts';
import { type TunnelOptions, type Tunnels, WireguardTunnel } from '../node/wireguard-tunnel.ts';
import type { Moment } from '../packet/moment.ts';
import type { ClusterPlan, WireguardPeerPlan } from '../plan/plan.ts';
import type { Ip4 } from '../wire/address.ts';
import { deriveKey, type PrivateKey } from '../wireguard/key.ts';
import { UnsafeSeededRandom } from '../wireguard/random.ts';
import type { HandshakeSecrets, WireguardPeerOptions } from '../wireguard/settings.ts';

export class KeyRing {
  private readonly plan: ClusterPlan;
  private readonly seed: number;
  private standIns: ReadonlyMap<string, PrivateKey> | null = null;
  readonly #handshakes: HandshakeSecrets[] = [];

  constructor(plan: ClusterPlan, seed: number) {
    this.plan = plan;
    this.seed = seed;
  }

  /**
   * Secrets of every handshake so far, in order: who has them can read all that was
   * sent. `formatKeyLog` makes lines of them that Wireshark reads (wg.keylog_file).
   */
  get handshakes(): readonly HandshakeSecrets[] {
    return this.#handshakes;
  }

  /** The tunnels of a namespace. */
  tunnels(node: Node): Tunnels {
    const made = new Map<number, WireguardTunnel>();
    return {
      started: (position) => made.get(position),
      of: (position) => {
        const started = made.get(position);
        if (started !== undefined) return started;
        const device = node.devices[position]!;
        const options = this.options(node, device);
        if (options === undefined) return undefined;
        const tunnel = new WireguardTunnel(node, device, options);
        made.set(position, tunnel);
        return tunnel;
      },
      put: (position, tunnel) => {
        if (tunnel === null) made.delete(position);
        else made.set(position, tunnel);
      },
    };
  }

  /**
   * What a device's tunnel is made of; `undefined` for one without settings. `real` is
   * the published key of a peer for which no other key may stand in.
   */
  options(node: Node, device: Device, real?: string): TunnelOptions | undefined {
    const settings = device.plan.wireguard;
    if (settings === undefined) return undefined;
    const name = `${node.name} ${device.name}`;
    return {
      privateKey: this.known().get(settings.publicKey)!,
      peers: distinct(settings.peers).map((peer) =>
        peer.publicKey === real
          ? { ...this.peer(peer), publicKey: bytesOf(real) }
          : this.peer(peer),
      ),
      random: new UnsafeSeededRandom(mix(this.seed, node.position + 1), name),
      keyLog: (secrets) => this.#handshakes.push(secrets),
      // An emulation must be repeatable, and nothing that it sends leaves the process.
      unsafePredictable: true,
    };
  }

  /** A peer as the tunnel knows it now: where it is, and what went between the two. */
  live(tunnel: WireguardTunnel, listed: WireguardPeerPlan, now: Moment): WireguardPeerPlan {
    const { protocol } = tunnel;
    const used = this.peer(listed).publicKey;
    const peer = protocol.peer(used) ?? protocol.peer(bytesOf(listed.publicKey));
    if (peer === undefined) return listed;
    const at = peer.lastHandshake;
    const handshake =
      at === null ? {} : { handshake: { at: at.seconds, ago: now.seconds - at.seconds } };
    const { endpointAddress, endpointPort, rxBytes, txBytes } = peer;
    return {
      ...listed,
      endpoint: { address: endpointAddress as Ip4, port: endpointPort },
      traffic: { ...handshake, received: rxBytes, sent: txBytes },
    };
  }

  private peer(listed: WireguardPeerPlan): WireguardPeerOptions {
    const { publicKey, endpoint, allowedIps, persistentKeepalive = 0 } = listed;
    const bytes = this.known().get(publicKey)?.publicKey ?? bytesOf(publicKey);
    return { publicKey: bytes, endpoint, allowedIps, persistentKeepalive };
  }

  /** Private keys by the public ones that listings show. */
  private known(): ReadonlyMap<string, PrivateKey> {
    this.standIns ??= new Map(
      this.plan.namespaces.flatMap(({ name, devices }) =>
        devices.flatMap(({ name: device, wireguard }) =>
          wireguard === undefined
            ? []
            : [
                [
                  wireguard.publicKey,
                  wireguard.privateKey ?? deriveKey(this.seed, `${name} ${device}`),
                ] as const,
              ],
        ),
      ),
    );
    return this.standIns;
  }
}

/** Whatever a plan has for a key: 32 bytes. */
const bytesOf = (publicKey: string): Buffer => Buffer.alloc(32, Buffer.from(publicKey, 'base64'));

/** The kernel has one peer a key: what is said of it again counts instead. */
const distinct = (peers: readonly WireguardPeerPlan[]): WireguardPeerPlan[] => [
  ...new Map(peers.map((peer) => [peer.publicKey, peer])).values(),
];
