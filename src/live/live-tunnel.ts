/**
 * A WireGuard device on a real UDP socket, so that it can talk with any other
 * implementation. Packets in and out are whole IPv4 packets in memory: no TUN
 * device and no privilege is needed.
 */
import { randomFillSync } from 'node:crypto';
import type { RemoteInfo, Socket } from 'node:dgram';
import type { Drop } from '../drop.ts';
import { PodwireError } from '../errors.ts';
import { formatIp4, parseIp4 } from '../wire/address.ts';
import { WireguardDevice } from '../wireguard/device.ts';
import type { PrivateKey } from '../wireguard/key.ts';
import type { RandomSource } from '../wireguard/random.ts';
import { HEADER_LEN, OVERHEAD } from '../wireguard/session.ts';
import type { HandshakeSecrets, WireguardPeerOptions } from '../wireguard/settings.ts';
import { RealClock } from './real-clock.ts';
import { bindSocket, type SocketOptions } from './udp-socket.ts';

export interface LiveTunnelOptions extends SocketOptions {
  readonly privateKey: PrivateKey;
  readonly peers: readonly WireguardPeerOptions[];
  /** Milliseconds of Unix time. It may be slowed or hurried, for an experiment with timers. */
  readonly clock: () => number;
  /** A whole IPv4 packet came from a peer. */
  readonly deliver: (packet: Buffer) => void;
  /** A packet or a message was dropped. */
  readonly drop?: (why: Drop) => void;
  /** MTU of the tunnel, which bounds the padding; 1420 by default. */
  readonly mtu?: number;
  /** The operating system's randomness by default. */
  readonly random?: RandomSource;
  readonly keyLog?: (secrets: HandshakeSecrets) => void;
}

/** Zeros that padding may add. */
const PADDING = 15;
/** Longest packet that still fits a UDP datagram. */
const MAX_PACKET = 65535 - 20 - 8 - OVERHEAD - PADDING;
const DEFAULT_MTU = 1420;

/** The operating system's randomness. */
export const systemRandom: RandomSource = {
  predictable: false,
  fill: (into) => {
    randomFillSync(into);
  },
};

export class LiveTunnel {
  readonly device: WireguardDevice<Buffer>;
  readonly #options: LiveTunnelOptions;
  private readonly socket: Socket;
  private readonly clock: RealClock;
  private closed = false;
  /** While a packet is being sealed: what the device sends by itself goes behind it. */
  private held: (() => void)[] | null = null;

  private constructor(options: LiveTunnelOptions, socket: Socket) {
    this.#options = options;
    this.socket = socket;
    this.clock = new RealClock(options.clock);
    this.device = new WireguardDevice<Buffer>({
      privateKey: options.privateKey,
      peers: options.peers,
      random: options.random ?? systemRandom,
      sink: {
        transmit: (message, start, end, address, port) =>
          this.transmit(Buffer.from(message.subarray(start, end)), address, port),
        resume: (packet) => this.seal(packet),
        lose: (_, why) => options.drop?.(why),
      },
      ...(options.keyLog === undefined ? {} : { keyLog: options.keyLog }),
    });
    socket.on('message', (datagram, from) => this.receive(datagram, from));
  }

  /** Binds the socket. Rejects with ERR_USAGE where the address or port cannot be had. */
  static async open(options: LiveTunnelOptions): Promise<LiveTunnel> {
    const socket = await bindSocket(options);
    const tunnel = new LiveTunnel(options, socket);
    tunnel.device.start(tunnel.clock.now());
    tunnel.rearm();
    return tunnel;
  }

  /** The UDP port that peers send to. */
  get port(): number {
    return this.socket.address().port;
  }

  /** Sends a whole IPv4 packet to whichever peer has its destination. Throws ERR_FRAME if too long. */
  send(packet: Uint8Array): void {
    if (packet.length > MAX_PACKET) {
      const message = `expected a packet of at most ${MAX_PACKET} bytes, found ${packet.length}`;
      throw new PodwireError('ERR_FRAME', message);
    }
    if (this.closed) return;
    this.seal(Buffer.from(packet));
    this.rearm();
  }

  /** Closes the socket and zeroes the keys. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.rearm();
    this.device.close();
    this.socket.close();
  }

  private seal(packet: Buffer): void {
    const b = Buffer.alloc(packet.length + OVERHEAD + PADDING);
    packet.copy(b, HEADER_LEN);
    const outer = this.held;
    const behind: (() => void)[] = [];
    this.held = behind;
    const { mtu = DEFAULT_MTU } = this.#options;
    const end = HEADER_LEN + packet.length;
    const last = this.device.seal(packet, b, HEADER_LEN, end, mtu, this.clock.now());
    this.held = outer;
    if (last < 0) this.#options.drop?.(-last as Drop);
    else if (last > 0) {
      const { endpointAddress, endpointPort } = this.device.target!;
      this.put(b.subarray(0, last), endpointAddress, endpointPort);
    }
    for (const send of behind) send();
  }

  private receive(datagram: Buffer, from: RemoteInfo): void {
    if (this.closed) return;
    const address = parseIp4(from.address);
    const last = this.device.receive(
      datagram,
      0,
      datagram.length,
      address,
      from.port,
      this.clock.now(),
    );
    if (last > 0) this.#options.deliver(datagram.subarray(HEADER_LEN, last));
    else if (last < 0) this.#options.drop?.(-last as Drop);
    this.rearm();
  }

  private transmit(message: Buffer, address: number, port: number): void {
    if (this.held === null) this.put(message, address, port);
    else this.held.push(() => this.put(message, address, port));
  }

  private put(message: Buffer, address: number, port: number): void {
    if (!this.closed) this.socket.send(message, port, formatIp4(address), () => {});
  }

  private rearm(): void {
    this.clock.wake(this.closed ? null : this.device.nextTimer(), () => {
      this.device.tick(this.clock.now());
      this.rearm();
    });
  }
}
