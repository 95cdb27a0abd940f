/**
 * States of packets that are not TCP, as a real kernel (6.18) named them for the same
 * packets, and what a flood may cost.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { setLink } from '../../src/cluster/link-state.ts';
import { Drop } from '../../src/drop.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { CtState, isAlive } from '../../src/node/connection.ts';
import { Conntrack } from '../../src/node/conntrack.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { enter, give } from '../../src/packet/slab.ts';
import { workTime } from '../work-time.ts';
import { flowOf, IN, IN2, OUT, SmallNetwork, WAN } from './small-network.ts';

const TRACKED = '*filter\n:FORWARD ACCEPT\nCOMMIT\n';
const NAMES: Record<number, string> = {
  [CtState.New]: 'new',
  [CtState.Established]: 'established',
  [CtState.Related]: 'related',
  [CtState.Invalid]: 'invalid',
};

const ip = (src: string, dst: string, protocol: number, content: Buffer): Buffer =>
  buildFrame([
    { layer: 'ipv4', src, dst, protocol },
    { layer: 'payload', bytes: content },
  ]);

const sum = (b: Buffer): number => {
  let total = 0;
  for (let i = 0; i < b.length; i += 2) total += (b[i]! << 8) | (b[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
};

const icmp = (type: number, code: number, rest: number, data: Buffer, spoil = 0): Buffer => {
  const message = Buffer.concat([Buffer.from([type, code, 0, 0, 0, 0, 0, 0]), data]);
  message.writeUInt32BE(rest, 4);
  message.writeUInt16BE(sum(message) ^ spoil, 2);
  return message;
};
const query = (type: number, id: number, code = 0): Buffer =>
  icmp(type, code, id * 65536 + 1, Buffer.from('ping'));
const udp = (src: string, srcPort: number, dst: string, dstPort: number): Buffer =>
  buildFrame([
    { layer: 'ipv4', src, dst },
    { layer: 'udp', srcPort, dstPort },
    { layer: 'payload', text: 'q' },
  ] as Layer[]);

class Tracking {
  private readonly net = new SmallNetwork({ rules: TRACKED });

  state(from: 'in' | 'out', packet: Buffer): string {
    const { cluster } = this.net;
    const gw = cluster.names.find('gw');
    let state = 0;
    cluster.observer = {
      see: (node, _device, p, outgoing) => {
        if (node === gw && outgoing) state = p.ctState;
      },
    };
    cluster.originate(cluster.names.find(from), packet);
    return NAMES[state] ?? String(state);
  }

  wait(seconds: number): void {
    this.net.wait(seconds);
  }
}

describe('ICMP queries', () => {
  it('have type and code in their tuple: only the answer answers', () => {
    const t = new Tracking();
    const there = (message: Buffer) => t.state('in', ip(IN, OUT, 1, message));
    const back = (message: Buffer) => t.state('out', ip(OUT, IN, 1, message));
    expect(there(query(8, 7))).toBe('new');
    expect(back(query(8, 7))).toBe('new');
    expect(back(query(0, 7))).toBe('established');
    expect(there(query(8, 7))).toBe('established');
    expect(there(query(0, 7))).toBe('established');
    expect(back(query(0, 9))).toBe('invalid');
    expect(there(query(13, 5))).toBe('new');
    expect(back(query(14, 5))).toBe('established');
    expect(there(query(17, 5))).toBe('new');
    expect(back(query(18, 5))).toBe('established');
    expect(back(query(16, 6))).toBe('invalid');
    expect(there(query(8, 11, 3))).toBe('new');
    expect(back(query(0, 11, 0))).toBe('invalid');
    expect(back(query(0, 11, 3))).toBe('established');
    expect(there(query(9, 1))).toBe('invalid');
    expect(there(query(40, 1))).toBe('invalid');
    expect(there(icmp(8, 0, 77 * 65536, Buffer.from('x'), 0x101))).toBe('invalid');
  });
});

describe('UDP', () => {
  const message = (edit: (content: Buffer) => Buffer | undefined): Buffer => {
    const content = Buffer.from(udp(IN, 1002, OUT, 53).subarray(20));
    return ip(IN, OUT, 17, edit(content) ?? content);
  };

  it('with a wrong checksum or length is invalid', () => {
    const t = new Tracking();
    expect(t.state('in', udp(IN, 1000, OUT, 53))).toBe('new');
    expect(
      t.state(
        'in',
        message((c) => void c.writeUInt16BE(c.readUInt16BE(6) ^ 0x101, 6)),
      ),
    ).toBe('invalid');
    expect(
      t.state(
        'in',
        message((c) => void c.writeUInt16BE(0, 6)),
      ),
    ).toBe('new');
    expect(
      t.state(
        'in',
        message((c) => void c.writeUInt16BE(20, 4)),
      ),
    ).toBe('invalid');
    expect(
      t.state(
        'in',
        message((c) => void c.writeUInt32BE(0x00080000, 4)),
      ),
    ).toBe('new');
    // The sum must hold for all there is, not for what the length says.
    expect(
      t.state(
        'in',
        message((c) => Buffer.concat([c, Buffer.from('zz')])),
      ),
    ).toBe('invalid');
  });

  it('is a stream once it goes both ways for two seconds: 30 s before, 120 s after', () => {
    const t = new Tracking();
    const there = () => t.state('in', udp(IN, 1000, OUT, 53));
    const back = () => t.state('out', udp(OUT, 53, IN, 1000));
    expect([there(), back()]).toEqual(['new', 'established']);
    t.wait(31);
    expect([back(), there()]).toEqual(['new', 'established']);
    t.wait(3);
    expect(back()).toBe('established');
    t.wait(119);
    expect(there()).toBe('established');
    t.wait(121);
    expect(there()).toBe('new');
  });
});

it('another protocol is kept by its addresses alone, for ten minutes', () => {
  const t = new Tracking();
  const there = () => t.state('in', ip(IN, OUT, 99, Buffer.from('hello')));
  expect(there()).toBe('new');
  expect(t.state('out', ip(OUT, IN, 99, Buffer.from('hello')))).toBe('established');
  t.wait(599);
  expect(there()).toBe('established');
  t.wait(601);
  expect(there()).toBe('new');
});

it('an ICMP error is related by what it quotes, and to whom it goes', () => {
  const t = new Tracking();
  const about = udp(IN, 1000, OUT, 53);
  t.state('in', about);
  t.state('in', ip(IN, OUT, 1, query(8, 7)));
  const error = (quote: Buffer, src = OUT, dst = IN, type = 3, spoil = 0) =>
    t.state(src === IN ? 'in' : 'out', ip(src, dst, 1, icmp(type, 3, 0, quote, spoil)));
  expect(error(about)).toBe('related');
  expect(error(about.subarray(0, 28))).toBe('related');
  expect(error(about.subarray(0, 24))).toBe('related');
  expect(error(about.subarray(0, 20))).toBe('invalid');
  expect(error(about, '198.51.100.7')).toBe('related');
  expect(error(about, OUT, IN2)).toBe('invalid');
  expect(error(udp(OUT, 53, IN, 1000), IN, OUT)).toBe('related');
  expect(error(udp(IN, 1999, OUT, 53))).toBe('invalid');
  expect(error(ip(IN, OUT, 1, icmp(3, 3, 0, about)))).toBe('invalid');
  expect(error(ip(IN, OUT, 1, query(8, 7)))).toBe('related');
  expect(error(about, OUT, IN, 5)).toBe('related');
  expect(error(about, OUT, IN, 3, 0x101)).toBe('invalid');
  const later = Buffer.from(about);
  later.writeUInt16BE(0x0010, 6);
  expect(error(later)).toBe('invalid');
});

describe('floods', () => {
  const MASQUERADE = `*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n`;

  it('many connections of one source port are masqueraded in time that does not grow', () => {
    const net = new SmallNetwork({ rules: MASQUERADE });
    net.cluster.observer = null;
    const spent = workTime(() => {
      for (let i = 0; i < 20_000; i++) {
        net.cluster.originate(net.cluster.names.find('in'), udp(IN, 40000, OUT, 1 + i));
      }
    });
    // A look at every connection for each new one would be 200 million.
    expect(spent).toBeLessThan(8000);
    expect(net.cluster.names.find('gw').netfilter!.conntrack.size).toBe(20_000);
  });

  it('a range without a free port costs some hundred tries, not a range', () => {
    const net = new SmallNetwork({
      rules: `*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -p udp -o eth1 -j SNAT --to-source ${WAN}:1024-1032\nCOMMIT\n`,
    });
    for (let i = 0; i < 30; i++)
      net.arrives('in', 'out', [
        { layer: 'ipv4', src: IN, dst: OUT },
        { layer: 'udp', srcPort: 2000 + i, dstPort: 53 },
      ]);
    expect(net.drops).toEqual({ 'conntrack-clash': 21 });
  });

  const arriving = (source: number, port: number): Packet => {
    const frame = udp(`10.9.${source >> 8}.${source & 255}`, port, OUT, 53);
    const p = enter(frame, 0, frame.length)!;
    p.l3 = p.data;
    return p;
  };

  it('a full table takes one for one, and what was seen to work stays', () => {
    const ct = new Conntrack({ max: 100 });
    const kept = arriving(1, 1);
    const both = (now: number): void => {
      expect(ct.track(kept, now, false)).toBe(true);
      ct.confirm(kept.ct);
      const back = udp(OUT, 53, '10.9.0.1', 1);
      const p = enter(back, 0, back.length)!;
      p.l3 = p.data;
      ct.track(p, now, false);
      expect(p.ctState).toBe(CtState.Established);
      give(p);
    };
    both(0);
    both(3000);
    let refused = 0;
    for (let i = 0; i < 5000; i++) {
      const p = arriving(2 + (i % 30_000), 7);
      if (!ct.track(p, 3000, false)) refused++;
      else if (p.ct >= 0 && p.ctState === CtState.New) ct.confirm(p.ct);
      give(p);
      expect(ct.size).toBeLessThanOrEqual(100);
    }
    expect(refused).toBeLessThan(5000);
    both(3000);
    give(kept);
  });

  it('one that finds no room at all is dropped by name', () => {
    const net = new SmallNetwork({ rules: TRACKED });
    const gw = net.cluster.names.find('gw');
    Object.assign(gw.netfilter!.conntrack, { max: 0 });
    expect(
      net.arrives('in', 'out', [
        { layer: 'ipv4', src: IN, dst: OUT },
        { layer: 'udp', srcPort: 1, dstPort: 2 },
      ]),
    ).toBeUndefined();
    expect(gw.drops[Drop.ConntrackFull]).toBe(1);
  });

  it('nf_conntrack_max 0 is no limit, and 2 are no more than two', () => {
    const masquerading =
      '*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n';
    for (const [max, most] of [
      [0, 9],
      [2, 2],
    ] as const) {
      const net = new SmallNetwork({ rules: masquerading, conntrack: { max } });
      const { conntrack } = net.cluster.names.find('gw').netfilter!;
      for (let i = 0; i < 9; i++) {
        const arrived = net.arrives('in', 'out', [
          { layer: 'ipv4', src: IN, dst: OUT },
          { layer: 'udp', srcPort: 4000 + i, dstPort: 53 },
        ]);
        // One that nobody answered makes room (early_drop).
        expect(arrived).toBeDefined();
        expect(conntrack.size).toBe(Math.min(i + 1, most));
      }
    }
  });

  it('lasts as long as sysctl says', () => {
    const timeouts = { udp: 7, udp_stream: 50, icmp: 3, generic: 20, syn_sent: 5, established: 90 };
    const udpTo = (source: number) => [
      { layer: 'ipv4', src: IN, dst: OUT } as const,
      { layer: 'udp', srcPort: source, dstPort: 53 } as const,
    ];
    const lasting = (layers: readonly Layer[], seconds: number): boolean => {
      const net = new SmallNetwork({ rules: TRACKED, conntrack: { timeouts } });
      const { conntrack } = net.cluster.names.find('gw').netfilter!;
      net.send('in', layers);
      net.wait(seconds);
      // Time is that of the packet tracked last.
      net.send('in2', udpTo(9));
      return isAlive(conntrack.connection(0), seconds * 1000);
    };
    const echo = [
      { layer: 'ipv4', src: IN, dst: OUT },
      { layer: 'icmp', type: 'echo-request', id: 1, seq: 1 },
    ] as const;
    const syn = [
      { layer: 'ipv4', src: IN, dst: OUT },
      { layer: 'tcp', srcPort: 4000, dstPort: 80, seq: 1, flags: 'S' },
    ] as const;
    const other = [
      { layer: 'ipv4', src: IN, dst: OUT, protocol: 253 },
      { layer: 'payload', text: 'x' },
    ] as const;
    for (const [layers, seconds] of [
      [udpTo(4000), 7],
      [echo, 3],
      [syn, 5],
      [other, 20],
    ] as const) {
      expect([seconds, lasting(layers, seconds - 1), lasting(layers, seconds + 1)]).toEqual([
        seconds,
        true,
        false,
      ]);
    }
  });

  it.each([
    ['MASQUERADE', true],
    [`SNAT --to-source ${WAN}`, false],
  ])(
    '%s: connections end with the device whose address they had, as on 6.18: %s',
    (target, ends) => {
      const rules = `*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o eth1 -j ${target}\nCOMMIT\n`;
      for (const flowCache of [true, false]) {
        const net = new SmallNetwork({ rules }, { flowCache });
        const answer = (): string =>
          flowOf(
            net.arrives('out', 'in', [
              { layer: 'ipv4', src: OUT, dst: WAN },
              { layer: 'udp', srcPort: 53, dstPort: 4000 },
            ]),
          );
        const { conntrack } = net.cluster.names.find('gw').netfilter!;
        net.send('in', [
          { layer: 'ipv4', src: IN, dst: OUT },
          { layer: 'udp', srcPort: 4000, dstPort: 53 },
        ]);
        const translated = `${OUT}:53 > ${IN}:4000`;
        expect([1, 2, 3].map(answer)).toEqual([translated, translated, translated]);
        setLink(net.cluster, 'gw:eth1', { up: false });
        expect(conntrack.size).toBe(ends ? 0 : 1);
        setLink(net.cluster, 'gw:eth1', { up: true });
        expect(answer()).toBe(ends ? 'nothing' : translated);
        // The other device is nobody's address.
        const before = conntrack.size;
        setLink(net.cluster, 'gw:eth0', { up: false });
        expect(conntrack.size).toBe(before);
      }
    },
  );

  it('what has expired does not pile up, though nobody asks for it again', () => {
    const ct = new Conntrack();
    let most = 0;
    for (let i = 0; i < 40_000; i++) {
      // A new source every 10 ms, each gone after 30 s: 3,000 at a time.
      const p = arriving(i % 60_000, 7);
      ct.track(p, i * 10, false);
      ct.confirm(p.ct);
      give(p);
      most = Math.max(most, ct.size);
    }
    expect(most).toBeLessThan(6000);
  });

  it('any order of first packets, answers, ends and time: a slow twin agrees', () => {
    const step = fc.record({
      port: fc.integer({ min: 1, max: 4 }),
      back: fc.boolean(),
      confirm: fc.boolean(),
      wait: fc.constantFrom(0, 0, 500, 1999, 2001, 29_999, 30_001, 119_000, 121_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const ct = new Conntrack();
        // By port: who began, when, whether it was answered, when it ends.
        const known = new Map<
          number,
          { back: boolean; began: number; replied: boolean; stream: boolean; until: number }
        >();
        let now = 0;
        for (const { port, back, confirm, wait } of steps) {
          now += wait;
          const frame = back ? udp(OUT, 53, IN, port) : udp(IN, port, OUT, 53);
          const p = enter(frame, 0, frame.length)!;
          p.l3 = p.data;
          ct.track(p, now, false);
          let entry = known.get(port);
          if (entry !== undefined && now > entry.until) entry = undefined;
          if (entry === undefined) {
            known.delete(port);
            expect(p.ctState).toBe(CtState.New);
            if (confirm) {
              expect(ct.confirm(p.ct)).toBe(true);
              known.set(port, {
                back,
                began: now,
                replied: false,
                stream: false,
                until: now + 30_000,
              });
            } else ct.abandon(p.ct);
          } else {
            if (entry.replied && now - entry.began > 2000) entry.stream = true;
            entry.until = now + (entry.stream ? 120_000 : 30_000);
            if (back !== entry.back) entry.replied = true;
            expect(p.ctState).toBe(entry.replied ? CtState.Established : CtState.New);
            expect(p.ctDirection).toBe(back === entry.back ? 0 : 1);
          }
          give(p);
        }
      }),
    );
  });
});
