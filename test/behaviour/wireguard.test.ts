/** WireGuard's own tests of the protocol (wireguard-go's replay_test.go, the kernel's netns.sh). */
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import { later } from '../../src/packet/moment.ts';
import { formatIp4, type Ip4, parseIp4, parsePrefix } from '../../src/wire/address.ts';
import { deriveKey } from '../../src/wireguard/key.ts';
import { ReplayWindow } from '../../src/wireguard/replay-window.ts';
import type { WireguardPeerOptions } from '../../src/wireguard/settings.ts';
import { type Datagram, End, packet, pair, pass, START, settle } from '../wireguard/end.ts';
import { LOW_ORDER } from '../wireguard/low-order.ts';

const there = packet('10.0.0.1', '10.0.0.2');
const back = packet('10.0.0.2', '10.0.0.1');

/** wireguard-go's limit, that of the whitepaper; the kernel's is a little higher. */
const R = 2n ** 64n - 2n ** 13n - 1n;
/** One more than the window. */
const L = 8129n;

const halves = (n: bigint): [number, number] => [Number(n >> 32n), Number(n & 0xffffffffn)];
const goWindow = (): ReplayWindow => new ReplayWindow(...halves(R));
const ask = (window: ReplayWindow, n: bigint): boolean => window.accept(...halves(n));

/** An end with peers, each a name, an underlay address and what it may send. */
function end(name: string, address: string, ...peers: [string, string, ...string[]][]): End {
  return new End(name, address, () =>
    peers.map(
      ([peer, underlay, ...allowed]): WireguardPeerOptions => ({
        publicKey: deriveKey(1, peer).publicKey,
        endpoint: { address: parseIp4(underlay), port: 51820 },
        allowedIps: allowed.map(parsePrefix),
      }),
    ),
  );
}

describe('the replay window of WireGuard', () => {
  it('WR01–34 the replay window step by step', () => {
    const steps: [bigint, boolean][] = [
      [0n, true],
      [1n, true],
      [1n, false],
      [9n, true],
      [8n, true],
      [7n, true],
      [7n, false],
      [L, true],
      [L - 1n, true],
      [L - 1n, false],
      [L - 2n, true],
      [2n, true],
      [2n, false],
      [L + 16n, true],
      [3n, false],
      [L + 16n, false],
      [L * 4n, true],
      [L * 4n - (L - 1n), true],
      [10n, false],
      [L * 4n - L, false],
      [L * 4n - (L + 1n), false],
      [L * 4n - (L - 2n), true],
      [L * 4n + 1n - L, false],
      [0n, false],
      [R, false],
      [R - 1n, true],
      [R, false],
      [R - 1n, false],
      [R - 2n, true],
      [R + 1n, false],
      [R + 2n, false],
      [R - 2n, false],
      [R - 3n, true],
      [0n, false],
    ];
    const window = goWindow();
    expect(steps.map(([n]) => ask(window, n))).toEqual(steps.map(([, taken]) => taken));
  });

  it('WR35–40 the replay window in bulk', () => {
    const size = L - 1n;
    const up = (from: bigint, to: bigint): bigint[] =>
      Array.from({ length: Number(to - from) + 1 }, (_, i) => from + BigInt(i));
    const down = (from: bigint, to: bigint): bigint[] => up(to, from).reverse();
    // In this order, and then what is taken of the rest.
    const orders: [bigint[], [bigint, boolean][]][] = [
      [
        up(1n, size),
        [
          [0n, true],
          [0n, false],
        ],
      ],
      [
        up(2n, size + 1n),
        [
          [1n, true],
          [0n, false],
        ],
      ],
      [down(size, 0n), []],
      [down(size + 1n, 1n), [[0n, false]]],
      [
        down(size, 1n),
        [
          [size + 1n, true],
          [0n, false],
        ],
      ],
      [
        down(size, 1n),
        [
          [0n, true],
          [size + 1n, true],
        ],
      ],
    ];
    for (const [counters, rest] of orders) {
      const window = goWindow();
      expect(counters.filter((n) => !ask(window, n))).toEqual([]);
      expect(rest.map(([n]) => ask(window, n))).toEqual(rest.map(([, taken]) => taken));
    }
  });
});

describe('the protocol of WireGuard', () => {
  it('WG03 roaming: answers go where the last authentic packet came from', () => {
    const [a, b] = pair();
    a.send(there);
    settle(a, b);
    for (const [address, port] of [
      ['203.0.113.1', 1],
      ['203.0.113.2', 65535],
      ['192.0.2.1', 51820],
    ] as const) {
      const from = { address: parseIp4(address), port };
      a.send(there);
      expect(b.receive(a.take()[0]!.bytes, from)).toBe('delivered');
      // What is not authentic moves nothing.
      expect(b.receive(Buffer.alloc(32, 4), { address: 1, port: 1 })).not.toBe('delivered');
      b.send(back);
      expect(b.take().map((d) => ({ address: d.address, port: d.port }))).toEqual([from]);
    }
  });

  it.todo('WG03 over IPv6: no IPv6');

  it('WG04 crypto routing: a more specific prefix on another peer takes over at once', () => {
    const a = end(
      'a',
      '192.0.2.1',
      ['b', '192.0.2.2', '10.0.0.0/24'],
      ['c', '192.0.2.3', '10.1.0.0/24'],
    );
    const b = end('b', '192.0.2.2', ['a', '192.0.2.1', '10.9.0.1/32']);
    const c = end('c', '192.0.2.3', ['a', '192.0.2.1', '10.9.0.1/32']);
    const out = packet('10.9.0.1', '10.0.0.2');
    a.send(out);
    settle(a, b, c);
    expect([b.delivered.length, c.delivered.length]).toEqual([1, 0]);
    b.send(packet('10.0.0.2', '10.9.0.1'));
    settle(a, b, c);
    expect(a.delivered.length).toBe(1);
    a.device.setPeer(
      { publicKey: c.key.publicKey, allowedIps: [parsePrefix('10.0.0.2/32')] },
      a.now,
    );
    a.send(out);
    // From now on b may not send from that address, and packets to it go to c.
    b.send(packet('10.0.0.2', '10.9.0.1'));
    settle(a, b, c);
    expect([b.delivered.length, c.delivered.length]).toEqual([1, 1]);
    expect([a.delivered.length, a.dropped]).toEqual([1, ['wireguard-source']]);
  });

  it('WG05 a key that changes: the next packet arrives', () => {
    const [a, b] = pair();
    a.send(there);
    settle(a, b);
    const fresh = deriveKey(9, 'a');
    a.device.setPrivateKey(fresh, a.now);
    b.device.removePeer(b.device.peers[0]!);
    const allowedIps = [parsePrefix('10.0.0.1/32')];
    b.device.setPeer({ publicKey: fresh.publicKey, allowedIps }, b.now);
    a.send(there);
    settle(a, b);
    expect(b.delivered).toEqual([there, there]);
    expect([a.lost, a.dropped, b.dropped]).toEqual([[], [], []]);
  });

  it('WG06 a tunnel in a tunnel', () => {
    // The inner ends have the outer tunnel's addresses for an underlay.
    const inner = [
      end('in-a', '10.0.0.1', ['in-b', '10.0.0.2', '10.7.0.2/32']),
      end('in-b', '10.0.0.2', ['in-a', '10.0.0.1', '10.7.0.1/32']),
    ] as const;
    const outer = pair();
    const wrap = (from: End, { bytes, address, port, tos }: Datagram): Buffer =>
      buildFrame([
        { layer: 'ipv4', src: formatIp4(from.address), dst: formatIp4(address), tos },
        { layer: 'udp', srcPort: from.port, dstPort: port },
        { layer: 'payload', bytes },
      ]);
    const innerPacket = packet('10.7.0.1', '10.7.0.2', 500);
    inner[0].send(innerPacket);
    for (let round = 0; round < 10; round++) {
      for (const side of [0, 1] as const) {
        for (const datagram of inner[side].take()) outer[side].send(wrap(inner[side], datagram));
      }
      settle(...outer);
      for (const side of [0, 1] as const) {
        for (const whole of outer[side].delivered.splice(0)) {
          const [ip, udp] = dissect(whole, { linkType: 101 }).layers;
          if (ip?.layer !== 'ipv4' || udp?.layer !== 'udp') throw new Error('expected UDP');
          inner[side].receive(whole.subarray(28), {
            address: parseIp4(ip.src),
            port: udp.srcPort!,
          });
        }
      }
    }
    expect(inner[1].delivered).toEqual([innerPacket]);
    expect([...inner, ...outer].flatMap(({ dropped }) => dropped)).toEqual([]);
  });

  it('WG07 65,280 allowed IPs of one peer list back whole, and 40 peers with 52 each', () => {
    const prefixes = (count: number, base: number): { address: Ip4; length: number }[] =>
      Array.from({ length: count }, (_, i) => ({ address: ((base + i) | 0) as Ip4, length: 32 }));
    const [a] = pair({ a: { allowedIps: prefixes(65_280, 0x0a000000) } });
    const [many] = a.device.peers;
    expect(a.device.allowedIps(many!)).toEqual(prefixes(65_280, 0x0a000000));
    expect(a.device.lookup(0x0a000000 + 65_279)).toBe(many);
    expect(a.device.lookup(0x0a000000 + 65_280)).toBe(null);
    for (let n = 0; n < 40; n++) {
      const publicKey = deriveKey(3, `peer ${n}`).publicKey;
      a.device.setPeer({ publicKey, allowedIps: prefixes(52, 0x14000000 + n * 52) }, a.now);
    }
    for (let n = 0; n < 40; n++) {
      const peer = a.device.peers[n + 1]!;
      expect(a.device.allowedIps(peer)).toEqual(prefixes(52, 0x14000000 + n * 52));
      expect(a.device.lookup(0x14000000 + n * 52 + 51)).toBe(peer);
    }
  });
  it.todo('WG07 as many IPv6 ones besides: no IPv6');

  it('WG08 low-order keys: accepted, and nothing is ever sent', () => {
    const a = new End('a', '192.0.2.1', () =>
      LOW_ORDER.map((point, i) => ({
        publicKey: Buffer.from(point, 'hex'),
        endpoint: { address: parseIp4('192.0.2.2'), port: 51820 },
        allowedIps: [parsePrefix(`10.0.0.${i}/32`)],
        persistentKeepalive: 1,
      })),
    );
    expect(a.device.peers.length).toBe(LOW_ORDER.length);
    a.device.start(a.now);
    for (const i of LOW_ORDER.keys()) a.send(packet('10.9.0.1', `10.0.0.${i}`));
    expect([...a.take(), ...pass([a], 200_000, true)]).toEqual([]);
  });

  it('WG09 a peer with the own key is not there, also when the own key changes later', () => {
    const [a] = pair();
    const own = { publicKey: a.key.publicKey, allowedIps: [parsePrefix('10.8.0.0/16')] };
    a.device.setPeer(own, a.now);
    expect([a.device.peers.length, a.device.lookup(parseIp4('10.8.0.1'))]).toEqual([1, null]);
    const next = deriveKey(4, 'next');
    a.device.setPeer({ ...own, publicKey: next.publicKey }, a.now);
    expect(a.device.peers.length).toBe(2);
    a.device.setPrivateKey(next, a.now);
    expect([a.device.peers.length, a.device.lookup(parseIp4('10.8.0.1'))]).toEqual([1, null]);
  });

  it('WG10 keepalives through NAT keep the way back open', () => {
    // A translator that forgets a mapping two seconds after the last packet out.
    const heard = (persistentKeepalive: number): number => {
      const [a, b] = pair({ a: { persistentKeepalive } });
      const outside = { address: parseIp4('198.51.100.1'), port: 1 };
      let mapped = Number.NEGATIVE_INFINITY;
      const carry = (ms: number): void => {
        for (let moving = true; moving; ) {
          moving = false;
          for (const { bytes } of a.take()) {
            if (ms >= mapped + 2000) outside.port++;
            mapped = ms;
            moving = true;
            b.receive(bytes, outside);
          }
          for (const { bytes, port } of b.take()) {
            moving = true;
            if (ms < mapped + 2000 && port === outside.port) a.receive(bytes, b);
          }
        }
      };
      a.device.start(a.now);
      a.send(there);
      for (let ms = 0; ms <= 16_000; ms += 100) {
        for (const one of [a, b]) {
          one.now = later(START, ms);
          one.device.tick(one.now);
        }
        if (ms === 9_000) b.send(back);
        carry(ms);
        if (ms === 9_000) return a.delivered.length;
      }
      return -1;
    };
    expect([heard(1), heard(0)]).toEqual([1, 0]);
  });
});
