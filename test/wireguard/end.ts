/** Ends of tunnels for tests: a device with what it sent, delivered and lost, and a virtual clock. */
import { expect } from 'vitest';
import { type Drop, dropInfo } from '../../src/drop.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { later, type Moment } from '../../src/packet/moment.ts';
import { type Ip4, parseIp4, parsePrefix } from '../../src/wire/address.ts';
import { WireguardDevice } from '../../src/wireguard/device.ts';
import { deriveKey, type PrivateKey } from '../../src/wireguard/key.ts';
import { UnsafeSeededRandom } from '../../src/wireguard/random.ts';
import { HEADER_LEN } from '../../src/wireguard/session.ts';
import type { WireguardDeviceOptions, WireguardPeerOptions } from '../../src/wireguard/settings.ts';

export interface Datagram {
  readonly bytes: Buffer;
  readonly address: number;
  readonly port: number;
  readonly tos: number;
}

export const START: Moment = { seconds: 1_800_000_000, nanoseconds: 0 };

export class End {
  readonly name: string;
  readonly address: Ip4;
  readonly port = 51820;
  readonly key: PrivateKey;
  readonly device: WireguardDevice<Buffer>;
  now: Moment = START;
  outbox: Datagram[] = [];
  readonly delivered: Buffer[] = [];
  /** Reasons of what was dropped at once, or after it waited. */
  readonly dropped: string[] = [];
  readonly lost: string[] = [];
  mtu = 1420;

  constructor(
    name: string,
    address: string,
    peers: (key: PrivateKey) => readonly WireguardPeerOptions[],
    more: Partial<WireguardDeviceOptions<Buffer>> = {},
  ) {
    this.name = name;
    this.address = parseIp4(address);
    this.key = more.privateKey ?? deriveKey(1, name);
    this.device = new WireguardDevice<Buffer>({
      privateKey: this.key,
      random: new UnsafeSeededRandom(1, name),
      peers: peers(this.key),
      sink: {
        transmit: (message, start, end, to, port, tos) => {
          this.put(Buffer.from(message.subarray(start, end)), to, port, tos);
        },
        resume: (packet) => this.send(packet),
        lose: (_, why) => this.lost.push(dropInfo[why].name),
      },
      unsafePredictable: true,
      ...more,
    });
  }

  private put(bytes: Buffer, address: number, port: number, tos: number): void {
    this.outbox.push({ bytes, address, port, tos });
  }

  /** `sealed`, `staged` or the reason of a drop. */
  send(packet: Buffer): string {
    const room = Buffer.alloc(HEADER_LEN + packet.length + 31, 0xee);
    packet.copy(room, HEADER_LEN);
    const before = this.outbox.length;
    const end = HEADER_LEN + packet.length;
    const last = this.device.seal(packet, room, HEADER_LEN, end, this.mtu, this.now);
    if (last === 0) return 'staged';
    if (last < 0) return this.fault(last);
    const { endpointAddress, endpointPort } = this.device.target!;
    // What the device made of itself meanwhile goes behind the packet.
    const own = this.outbox.splice(before);
    this.put(Buffer.from(room.subarray(0, last)), endpointAddress, endpointPort, 0);
    this.outbox.push(...own);
    return 'sealed';
  }

  /** `delivered`, `consumed` or the reason of a drop. */
  receive(bytes: Buffer, from: { address: number; port: number }): string {
    const b = Buffer.from(bytes);
    const last = this.device.receive(b, 0, b.length, from.address, from.port, this.now);
    if (last === 0) return 'consumed';
    if (last < 0) return this.fault(last);
    this.delivered.push(Buffer.from(b.subarray(HEADER_LEN, last)));
    return 'delivered';
  }

  take(): Datagram[] {
    return this.outbox.splice(0);
  }

  private fault(result: number): string {
    const { name } = dropInfo[-result as Drop];
    this.dropped.push(name);
    return name;
  }
}

/** Carries datagrams between ends until none is left; those to nobody vanish. */
export function settle(...ends: readonly End[]): Datagram[] {
  const carried: Datagram[] = [];
  for (let round = 0; ; round++) {
    expect(round).toBeLessThan(1000);
    const moving = ends.flatMap((from) => from.take().map((datagram) => ({ from, datagram })));
    if (moving.length === 0) return carried;
    for (const { from, datagram } of moving) {
      carried.push(datagram);
      ends.find((e) => e.address === datagram.address)?.receive(datagram.bytes, from);
    }
  }
}

/** Passes time, with every timer on the way fired at its moment and datagrams carried unless `deaf`. */
export function pass(ends: readonly End[], milliseconds: number, deaf = false): Datagram[] {
  const until = later(ends[0]!.now, milliseconds);
  const seen: Datagram[] = [];
  for (;;) {
    const due = ends
      .flatMap(({ device }) => device.nextTimer() ?? [])
      .filter((t) => number(t) <= number(until))
      .sort((a, b) => number(a) - number(b))[0];
    const now = due ?? until;
    for (const end of ends) end.now = now;
    for (const end of ends) end.device.tick(now);
    seen.push(...(deaf ? ends.flatMap((end) => end.take()) : settle(...ends)));
    if (due === undefined) return seen;
  }
}

const number = ({ seconds, nanoseconds }: Moment): number => seconds * 1e6 + nanoseconds / 1e3;

/** Two ends that know each other: a has 10.0.0.1, b 10.0.0.2. */
export function pair(
  more: { a?: Partial<WireguardPeerOptions>; b?: Partial<WireguardPeerOptions> } = {},
  options: Partial<WireguardDeviceOptions<Buffer>> = {},
): [End, End] {
  const peer = (name: string, underlay: string, allowed: string): WireguardPeerOptions => ({
    publicKey: deriveKey(1, name).publicKey,
    endpoint: { address: parseIp4(underlay), port: 51820 },
    allowedIps: [parsePrefix(allowed)],
  });
  const a = new End(
    'a',
    '192.0.2.1',
    () => [{ ...peer('b', '192.0.2.2', '10.0.0.2/32'), ...more.a }],
    options,
  );
  const b = new End(
    'b',
    '192.0.2.2',
    () => [{ ...peer('a', '192.0.2.1', '10.0.0.1/32'), ...more.b }],
    options,
  );
  return [a, b];
}

/** An echo request of a whole size. */
export const packet = (src: string, dst: string, size = 84, seq = 1): Buffer =>
  buildFrame([
    { layer: 'ipv4', src, dst },
    { layer: 'icmp', type: 'echo-request', id: 1, seq },
    { layer: 'payload', bytes: Buffer.alloc(size - 28, 0x61) },
  ]);
