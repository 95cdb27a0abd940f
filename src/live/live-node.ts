/**
 * A node of an emulated cluster and a real WireGuard device, which has the place of one
 * of the other nodes. Between the two lies the emulated underlay, so that captures on
 * pods, wireguard.cali and NICs show everything, and the last step is a UDP socket.
 *
 *   pod ─ wireguard.cali ─ NIC ══ emulated underlay ══ NIC of the peer's node
 *                                                             │ messages, as bytes
 *                                   socket of this process ───┴─── real WireGuard device
 *
 * The rest of the cluster is as it was: other nodes still talk with the emulated one.
 */
import type { Socket } from 'node:dgram';
import type { Witness } from '../cluster/account.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Port } from '../cluster/names.ts';
import { Drop } from '../drop.ts';
import { found, PodwireError } from '../errors.ts';
import { DeviceKind } from '../node/device.ts';
import { WireguardTunnel } from '../node/wireguard-tunnel.ts';
import { bytes } from '../packet/arena.ts';
import { isBefore } from '../packet/moment.ts';
import type { WireguardPeerPlan } from '../plan/plan.ts';
import { formatIp4, parseIp4 } from '../wire/address.ts';
import * as wireguard from '../wire/wireguard.ts';
import type { PrivateKey } from '../wireguard/key.ts';
import type { Peer } from '../wireguard/peer.ts';
import type { RandomSource } from '../wireguard/random.ts';
import type { WireguardPeerOptions } from '../wireguard/settings.ts';
import { systemRandom } from './live-tunnel.ts';
import { RealClock } from './real-clock.ts';
import { bindSocket, type SocketOptions } from './udp-socket.ts';

type Endpoint = NonNullable<WireguardPeerOptions['endpoint']>;

export interface LiveNodeOptions extends SocketOptions {
  readonly cluster: Cluster;
  /** The node whose pods talk with the world. */
  readonly node: string;
  /** The node whose place the real device has; its published key is the real one's. */
  readonly peer: string;
  /** Where the real device listens. Without, it has to speak first. */
  readonly endpoint?: Endpoint;
  /** Milliseconds of Unix time; the cluster's time from now on. */
  readonly clock: () => number;
  /** The node's own key; the cluster's by default, which may follow from its seed. */
  readonly privateKey?: PrivateKey;
  /** The operating system's randomness by default. */
  readonly random?: RandomSource;
  /** A whole IPv4 packet reached a socket of a namespace, `default/web` or `node1`. */
  readonly deliver?: (name: string, packet: Buffer) => void;
  /** A packet or a message was dropped, where and why. */
  readonly drop?: (name: string, why: Drop) => void;
}

export class LiveNode {
  readonly #options: LiveNodeOptions;
  private readonly cluster: Cluster;
  private readonly socket: Socket;
  private readonly clock: RealClock;
  private readonly own: Port;
  private readonly tunnel: WireguardTunnel;
  private readonly peer: Peer<unknown>;
  /** The emulated device whose place the real one has, and where it sees ours. */
  private readonly theirs: WireguardTunnel;
  private readonly source: Endpoint;
  /** Of the real device: as given, then where it was last heard from. */
  private endpoint: Endpoint | undefined;
  /** Who sent the datagram that is being received. */
  private asker: Endpoint | undefined;
  private outbox: { readonly message: Buffer; readonly to: Endpoint | undefined }[] = [];
  private told: (() => void)[] = [];
  private closed = false;

  private constructor(
    options: LiveNodeOptions,
    { own, other, peer, source }: Pair,
    socket: Socket,
  ) {
    const { cluster, privateKey, random = systemRandom } = options;
    this.#options = options;
    this.cluster = cluster;
    this.socket = socket;
    this.clock = new RealClock(options.clock);
    this.endpoint = options.endpoint;
    this.own = own;
    this.source = source;
    this.theirs = other.node.wireguard!.of(other.device.position)!;
    this.tunnel = new WireguardTunnel(own.node, own.device, {
      ...cluster.keys.options(own.node, own.device, peer.publicKey)!,
      ...(privateKey === undefined ? {} : { privateKey }),
      random,
      unsafePredictable: false,
      tireless: true,
    });
    const real = this.tunnel.protocol.peer(Buffer.from(peer.publicKey, 'base64'));
    if (real === undefined) {
      throw new PodwireError('ERR_USAGE', 'privateKey: expected another key than the peer has');
    }
    this.peer = real;
  }

  /**
   * Binds a socket and puts the real device into its place. Rejects with ERR_NAME for an
   * unknown node, ERR_USAGE for two that do not encrypt to each other, that are connected
   * already, for a socket that cannot be had, or a clock behind the cluster's time.
   */
  static async open(options: LiveNodeOptions): Promise<LiveNode> {
    pairOf(options);
    const socket = await bindSocket(options);
    try {
      // What was true may have changed meanwhile.
      const live = new LiveNode(options, pairOf(options), socket);
      live.start();
      return live;
    } catch (cause) {
      socket.close();
      throw cause;
    }
  }

  /** The UDP port that the real device sends to. */
  get port(): number {
    return this.socket.address().port;
  }

  /** The key that the real device has to know this node by: 32 bytes. */
  get publicKey(): Buffer {
    return this.tunnel.protocol.privateKey.publicKey;
  }

  /** Sends an IPv4 packet from a pod or node. Throws ERR_NAME and ERR_FRAME as `Cluster` does. */
  send(from: string, packet: Buffer): void {
    if (this.closed) return;
    const node = this.cluster.names.find(from);
    this.serve(() => this.cluster.originate(node, packet));
  }

  /** Closes the socket, forgets the keys, and gives the place back to the emulated device. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.serve(() => this.tunnel.protocol.close());
    this.clock.wake(null, () => {});
    this.theirs.relays.delete(this.source.address);
    this.place(null);
    this.socket.close();
  }

  private start(): void {
    const now = this.clock.now();
    if (isBefore(now, this.cluster.now)) {
      const behind = this.cluster.now.seconds - now.seconds;
      const message = `clock: expected the cluster's time or later, found ${behind} s before`;
      throw new PodwireError('ERR_USAGE', message);
    }
    this.place(this.tunnel);
    this.theirs.relays.set(this.source.address, (b, start, end) => this.post(b, start, end));
    this.socket.on('message', (datagram, { address, port }) =>
      this.receive(datagram, { address: parseIp4(address), port }),
    );
    this.serve(() => this.tunnel.start());
  }

  private place(tunnel: WireguardTunnel | null): void {
    const { node, device } = this.own;
    node.wireguard!.put(device.position, tunnel);
    node.change();
  }

  /** A message of ours came to the NIC of the peer's node. */
  private post(b: Buffer, start: number, end: number): Drop {
    const { asker } = this;
    if (this.endpoint === undefined && asker === undefined) return Drop.WireguardNoEndpoint;
    // Goes to whoever asked, while all else goes to where the peer is known to be.
    const isCookie = b[start] === wireguard.COOKIE_REPLY;
    const message = Buffer.from(b.subarray(start, end));
    this.outbox.push({ message, to: isCookie ? asker : undefined });
    return Drop.None;
  }

  private receive(datagram: Buffer, from: Endpoint): void {
    if (this.closed) return;
    const { cluster, peer, theirs, source } = this;
    const before = peer.rxBytes;
    this.asker = from;
    this.serve(() => {
      theirs.transmit(datagram, 0, datagram.length, source.address, source.port, 0);
      cluster.advance(cluster.now);
      // Only what is authentic moves it.
      if (peer.rxBytes !== before) this.endpoint = from;
      this.asker = undefined;
    });
  }

  /** Does something at the present time of the clock, then sends and tells what came of it. */
  private serve(action: () => void): void {
    const { cluster } = this;
    const before = cluster.witness;
    cluster.witness = this.watching(before);
    try {
      cluster.advance(this.clock.now());
      action();
      cluster.advance(cluster.now);
    } finally {
      cluster.witness = before;
    }
    for (const { message, to = this.endpoint } of this.outbox.splice(0)) {
      if (to !== undefined) this.socket.send(message, to.port, formatIp4(to.address), () => {});
    }
    this.clock.wake(cluster.timers.first?.when ?? null, () => this.serve(() => {}));
    for (const tell of this.told.splice(0)) tell();
  }

  private watching(before: Witness | null): Witness {
    const { deliver, drop } = this.#options;
    return {
      delivered: (node, p) => {
        before?.delivered(node, p);
        if (deliver === undefined) return;
        const packet = Buffer.from(bytes.subarray(p.l3, p.tail));
        this.told.push(() => deliver(node.name, packet));
      },
      dropped: (node, p) => {
        before?.dropped(node, p);
        const why = p.drop;
        if (drop !== undefined) this.told.push(() => drop(node.name, why));
      },
    };
  }
}

/** Two ends that encrypt to each other, each with what the other's listing says of it. */
interface Pair {
  readonly own: Port;
  readonly other: Port;
  readonly peer: WireguardPeerPlan;
  /** Where the peer sees the own end. */
  readonly source: Endpoint;
}

function pairOf({ cluster, node, peer: peerName }: LiveNodeOptions): Pair {
  const own = encrypting(cluster, node);
  const other = encrypting(cluster, peerName);
  const peer = listed(own, other);
  const { endpoint: source } = listed(other, own);
  if (other.node.wireguard?.started(other.device.position)?.relays.has(source.address)) {
    throw new PodwireError('ERR_USAGE', `${node}: expected no real ${peerName} yet, found one`);
  }
  return { own, other, peer, source };
}

function encrypting(cluster: Cluster, name: string): Port {
  const node = cluster.names.find(name);
  const device = node.devices.find(
    ({ kind, plan }) => kind === DeviceKind.Wireguard && plan.wireguard !== undefined,
  );
  if (device !== undefined) return { node, device };
  throw new PodwireError('ERR_USAGE', `expected a node that encrypts, found ${found(name)}`);
}

function listed({ node, device }: Port, other: Port): WireguardPeerPlan {
  const { publicKey } = other.device.plan.wireguard!;
  const peer = device.plan.wireguard!.peers.find((one) => one.publicKey === publicKey);
  if (peer !== undefined) return peer;
  const message = `${node.name}: expected a peer, found ${found(other.node.name)}, which is none`;
  throw new PodwireError('ERR_USAGE', message);
}
