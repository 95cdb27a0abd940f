/** Connections and their translation, on a small network; the kernel's words are nf_nat_core.c. */
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { bytes } from '../../src/packet/arena.ts';
import { flowOf, IN, IN2, LAN, OUT, SmallNetwork, WAN } from './small-network.ts';

const table = (name: string, chains: string[], rules: string[]): string =>
  `*${name}\n${chains.map((chain) => `:${chain}\n`).join('')}${rules.join('\n')}\nCOMMIT\n`;
const nat = (...rules: string[]): string =>
  table('nat', ['PREROUTING ACCEPT', 'POSTROUTING ACCEPT'], rules);
const MASQUERADE = '-A POSTROUTING -o eth1 -j MASQUERADE';

const udp = (src: string, srcPort: number, dst: string, dstPort: number): Layer[] => [
  { layer: 'ipv4', src, dst },
  { layer: 'udp', srcPort, dstPort },
  { layer: 'payload', text: 'hello' },
];
const tcp = (
  src: string,
  srcPort: number,
  dst: string,
  dstPort: number,
  flags = 'S',
  seq = 1,
  ack = 0,
): Layer[] => [
  { layer: 'ipv4', src, dst, df: true },
  { layer: 'tcp', srcPort, dstPort, seq, ack, flags, window: 1000 },
];
const echo = (src: string, dst: string, id: number, type: 'echo-request' | 'echo-reply') =>
  [
    { layer: 'ipv4', src, dst },
    { layer: 'icmp', type, id, seq: 1 },
    { layer: 'payload', text: 'ping' },
  ] as unknown as Layer[];

/** Source port (or echo id) with which a packet left. */
const portOf = (flow: string): number => Number(/:(\d+) >/.exec(flow)?.[1]);

describe('one connection', () => {
  it.each([
    ['MASQUERADE', MASQUERADE],
    ['SNAT', `-A POSTROUTING -o eth1 -j SNAT --to-source ${WAN}`],
  ])('%s: the port stays, and the reply comes back translated', (_, rule) => {
    for (const make of [udp, tcp]) {
      const net = new SmallNetwork({ rules: nat(rule) });
      const there = net.arrives('in', 'out', make(IN, 40000, OUT, 53));
      expect(flowOf(there)).toBe(`${WAN}:40000 > ${OUT}:53`);
      const back = net.arrives('out', 'in', make(OUT, 53, WAN, 40000));
      expect(flowOf(back)).toBe(`${OUT}:53 > ${IN}:40000`);
    }
  });

  it('echo: the identifier stays, and the reply finds its asker', () => {
    const net = new SmallNetwork({ rules: nat(MASQUERADE) });
    expect(flowOf(net.arrives('in', 'out', echo(IN, OUT, 7, 'echo-request')))).toBe(
      `${WAN}:7 > ${OUT}:7`,
    );
    expect(flowOf(net.arrives('out', 'in', echo(OUT, WAN, 7, 'echo-reply')))).toBe(
      `${OUT}:7 > ${IN}:7`,
    );
  });

  it('DNAT: to the inner host and back, as if the router had answered', () => {
    const rules = nat(
      `-A PREROUTING -d ${WAN}/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination ${IN}:80`,
    );
    const net = new SmallNetwork({ rules });
    expect(flowOf(net.arrives('out', 'in', tcp(OUT, 50000, WAN, 8080)))).toBe(
      `${OUT}:50000 > ${IN}:80`,
    );
    expect(flowOf(net.arrives('in', 'out', tcp(IN, 80, OUT, 50000, 'S.', 1, 2)))).toBe(
      `${WAN}:8080 > ${OUT}:50000`,
    );
  });

  it('a rule matches once a connection: later packets follow it though the chain counts on', () => {
    const rules = nat(
      '-A POSTROUTING -o eth1 -m statistic --mode nth --every 2 --packet 0 -j MASQUERADE',
    );
    const net = new SmallNetwork({ rules });
    const flows = [1, 2, 3].map(() => flowOf(net.arrives('in', 'out', udp(IN, 40000, OUT, 53))));
    expect(new Set(flows)).toEqual(new Set([`${WAN}:40000 > ${OUT}:53`]));
    expect(flowOf(net.arrives('in', 'out', udp(IN, 40001, OUT, 53)))).toBe(
      `${IN}:40001 > ${OUT}:53`,
    );
  });
});

describe('two hosts with the same source port', () => {
  it.each([
    [500, 1, 511],
    [700, 600, 1023],
    [40000, 1024, 65535],
  ])('port %i: the second gets one of %i to %i, and each its own replies', (port, from, to) => {
    const net = new SmallNetwork({ rules: nat(MASQUERADE) });
    const first = flowOf(net.arrives('in', 'out', udp(IN, port, OUT, 53)));
    const second = flowOf(net.arrives('in2', 'out', udp(IN2, port, OUT, 53)));
    expect(portOf(first)).toBe(port);
    expect(portOf(second)).not.toBe(port);
    expect(portOf(second)).toBeGreaterThanOrEqual(from);
    expect(portOf(second)).toBeLessThanOrEqual(to);
    expect(flowOf(net.arrives('out', 'in', udp(OUT, 53, WAN, port)))).toBe(
      `${OUT}:53 > ${IN}:${port}`,
    );
    expect(flowOf(net.arrives('out', 'in2', udp(OUT, 53, WAN, portOf(second))))).toBe(
      `${OUT}:53 > ${IN2}:${port}`,
    );
  });

  it('to another destination the port is free', () => {
    const net = new SmallNetwork({ rules: nat(MASQUERADE) });
    net.arrives('in', 'out', udp(IN, 40000, OUT, 53));
    expect(portOf(flowOf(net.arrives('in2', 'out', udp(IN2, 40000, OUT, 54))))).toBe(40000);
  });

  it('a range of two ports serves two; the third is dropped by name, not let out', () => {
    const net = new SmallNetwork({
      rules: nat(`-A POSTROUTING -o eth1 -p udp -j SNAT --to-source ${WAN}:5000-5001`),
    });
    const ports = [40000, 40001].map((port) =>
      portOf(flowOf(net.arrives('in', 'out', udp(IN, port, OUT, 53)))),
    );
    expect(ports.sort()).toEqual([5000, 5001]);
    expect(net.arrives('in', 'out', udp(IN, 40002, OUT, 53))).toBeUndefined();
    expect(net.drops).toEqual({ 'conntrack-clash': 1 });
  });

  it('a port that lies in the range stays', () => {
    const net = new SmallNetwork({
      rules: nat(`-A POSTROUTING -o eth1 -p udp -j SNAT --to-source ${WAN}:30000-50000`),
    });
    expect(portOf(flowOf(net.arrives('in', 'out', udp(IN, 40000, OUT, 53))))).toBe(40000);
  });
});

describe('ports from the seed', () => {
  const drawn = (seed: number): number[] => {
    const net = new SmallNetwork({ rules: nat(`${MASQUERADE} --random-fully`), seed });
    return Array.from({ length: 20 }, (_, i) =>
      portOf(flowOf(net.arrives('in', 'out', udp(IN, 40000 + i, OUT, 53)))),
    );
  };

  it('--random-fully: the same seed, the same ports; another seed, others', () => {
    expect(drawn(5)).toEqual(drawn(5));
    expect(drawn(6)).not.toEqual(drawn(5));
    expect(new Set(drawn(5)).size).toBe(20);
    expect(drawn(5).every((port) => port >= 1024 && port <= 65535)).toBe(true);
  });
});

describe('statistic', () => {
  const toB = `-A PREROUTING -i eth1 -p udp -j DNAT --to-destination ${IN2}`;
  const shares = (match: string, count: number): number => {
    const net = new SmallNetwork({
      rules: nat(`-A PREROUTING -i eth1 -p udp ${match} -j DNAT --to-destination ${IN}`, toB),
    });
    let first = 0;
    for (let i = 0; i < count; i++) {
      const seen = net.send('out', udp(OUT, 1024 + i, WAN, 53));
      if (seen.at(-1)?.node === 'in') first++;
      else expect(seen.at(-1)?.node).toBe('in2');
    }
    return first;
  };

  it('nth: exactly every third', () => {
    expect(shares('-m statistic --mode nth --every 3 --packet 0', 300)).toBe(100);
    expect(shares('-m statistic --mode nth --every 3 --packet 2', 299)).toBe(99);
  });

  it('random: the share asked for, within five standard deviations', () => {
    for (const p of [0.5, 0.2]) {
      const got = shares(`-m statistic --mode random --probability ${p}`, 1000);
      expect(Math.abs(got - 1000 * p)).toBeLessThan(5 * Math.sqrt(1000 * p * (1 - p)));
    }
  });
});

describe('ICMP errors about a translated packet', () => {
  const unreachable = (quote: Layer[]): Layer[] =>
    [
      { layer: 'ipv4', src: OUT, dst: WAN },
      { layer: 'icmp', type: 3, code: 3 },
      ...quote,
    ] as unknown as Layer[];

  it('reach the sender with its own packet in the quote', () => {
    const net = new SmallNetwork({ rules: nat(MASQUERADE) });
    net.arrives('in2', 'out', udp(IN2, 40000, OUT, 53));
    const mapped = portOf(flowOf(net.arrives('in', 'out', udp(IN, 40000, OUT, 53))));
    expect(mapped).not.toBe(40000);
    const error = net.arrives('out', 'in', unreachable(udp(WAN, mapped, OUT, 53)))!;
    expect([...error.subarray(12, 20)].join('.')).toBe(`${OUT}.${IN}`);
    expect(flowOf(error.subarray(28))).toBe(`${IN}:40000 > ${OUT}:53`);
  });

  it('of the router itself quote the packet as the sender knows it', () => {
    const net = new SmallNetwork({ rules: nat(MASQUERADE) });
    const layers = udp(IN, 40000, OUT, 53).map((layer) =>
      layer.layer === 'ipv4' ? { ...layer, ttl: 1 } : layer,
    );
    const error = net.arrives('in', 'in', layers)!;
    expect([...error.subarray(12, 20)].join('.')).toBe(`${LAN}.${IN}`);
    expect(error[20]).toBe(11);
    expect(flowOf(error.subarray(28))).toBe(`${IN}:40000 > ${OUT}:53`);
  });

  it('about nothing that is known are INVALID', () => {
    const invalid = table(
      'filter',
      ['FORWARD ACCEPT'],
      ['-A FORWARD -m conntrack --ctstate INVALID -j DROP'],
    );
    const net = new SmallNetwork({ rules: invalid });
    const stray = unreachable(udp(IN, 40000, OUT, 53)).map((layer, i) =>
      i === 0 ? ({ layer: 'ipv4', src: OUT, dst: IN } as Layer) : layer,
    );
    expect(net.arrives('out', 'in', stray)).toBeUndefined();
    expect(net.arrives('out', 'in', echo(OUT, IN, 9, 'echo-reply'))).toBeUndefined();
    expect(net.drops).toEqual({ filtered: 2 });
    expect(net.arrives('out', 'in', echo(OUT, IN, 9, 'echo-request'))).toBeDefined();
    expect(net.arrives('in', 'out', echo(IN, OUT, 9, 'echo-reply'))).toBeDefined();
  });
});

describe('time', () => {
  const begin = (): SmallNetwork => {
    const net = new SmallNetwork({ rules: nat(MASQUERADE) });
    net.arrives('in', 'out', udp(IN, 40000, OUT, 53));
    return net;
  };
  const reply = (net: SmallNetwork): Buffer | undefined =>
    net.arrives('out', 'in', udp(OUT, 53, WAN, 40000));

  it('an unanswered UDP connection lasts 30 s, a stream 120 s, TCP five days', () => {
    const early = begin();
    early.wait(30);
    expect(reply(early)).toBeDefined();
    // Both ways for more than two seconds.
    early.wait(3);
    expect(reply(early)).toBeDefined();
    early.wait(120);
    expect(reply(early)).toBeDefined();
    early.wait(121);
    expect(reply(early)).toBeUndefined();

    const late = begin();
    late.wait(31);
    expect(reply(late)).toBeUndefined();

    const net = new SmallNetwork({ rules: nat(MASQUERADE) });
    const back = (flags: string, seq: number): Buffer | undefined =>
      net.arrives('out', 'in', tcp(OUT, 80, WAN, 40000, flags, seq, 2));
    net.arrives('in', 'out', tcp(IN, 40000, OUT, 80));
    expect(back('S.', 1)).toBeDefined();
    net.arrives('in', 'out', tcp(IN, 40000, OUT, 80, '.', 2, 2));
    net.wait(431_999);
    expect(back('.', 2)).toBeDefined();
    net.wait(432_001);
    expect(back('.', 2)).toBeUndefined();
  });

  it('a port whose connection has expired is free again', () => {
    const net = begin();
    net.wait(31);
    expect(portOf(flowOf(net.arrives('in2', 'out', udp(IN2, 40000, OUT, 53))))).toBe(40000);
    expect(flowOf(net.arrives('out', 'in2', udp(OUT, 53, WAN, 40000)))).toBe(
      `${OUT}:53 > ${IN2}:40000`,
    );
  });
});

describe('a redirect', () => {
  /** Types of the ICMP messages that `in` gets for two packets, ten seconds apart, which it could have sent directly. */
  const told = (rules?: string): number[] => {
    const net = new SmallNetwork(rules === undefined ? {} : { rules });
    const port = net.cluster.names.port('in:eth0');
    const types: number[] = [];
    net.cluster.observer = {
      see: (node, _device, p) => {
        const frame = Buffer.from(bytes.subarray(p.data, p.tail));
        const isIcmp = frame.readUInt16BE(12) === 0x0800 && frame[23] === 1;
        if (node.name === 'in' && isIcmp) types.push(frame[34]!);
      },
    };
    for (const wait of [10, 10]) {
      const frame: Layer[] = [
        { layer: 'ethernet', src: '02:00:00:00:00:02', dst: '02:00:00:00:00:01' },
        ...udp(IN, 40000, IN2, 53),
      ];
      net.cluster.depart(port, buildFrame(frame));
      net.wait(wait);
    }
    return types;
  };

  it('is dropped while the source of its connection may still be translated, as recorded', () => {
    expect(told()).toEqual([5, 5]);
    expect(told('*filter\n:FORWARD ACCEPT\n-A FORWARD -j ACCEPT\nCOMMIT\n')).toEqual([5, 5]);
    expect(told(nat(MASQUERADE))).toEqual([5]);
  });
});
