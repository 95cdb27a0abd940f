/**
 * A kernel's timers are late by what its timer wheel rounds up; recordings of such kernels
 * agree all the same, and a frame too many or too few is still told.
 */
import '../accounts.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { type Lab, readCaptures } from '../../src/verify/lab.ts';
import { verifyLab } from '../../src/verify/verify.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';
import { IN, IN2, LAN, OUT, planOf, WAN } from '../node/small-network.ts';

const NOBODY = '192.0.2.77';
const MACS = {
  in: '02:00:00:00:00:02',
  in2: '02:00:00:00:00:03',
  gw: '02:00:00:00:00:01',
  wan: '02:00:00:00:01:01',
  out: '02:00:00:00:01:09',
};

interface Known {
  readonly address: string;
  readonly mac: string;
  readonly state: 'PERMANENT' | 'STALE';
}

/** The network with what its router knows of the inner side; of the outer one, all but nobody. */
function network(known: readonly Known[]): ClusterPlan {
  const plan = planOf({});
  const entry = (device: string, { address, mac, state }: Known) => ({
    device,
    address: parseIp4(address),
    mac: parseMac(mac),
    state,
  });
  const neighbours = [
    ...known.map((one) => entry('eth0', one)),
    entry('eth1', { address: OUT, mac: MACS.out, state: 'PERMANENT' }),
  ];
  const namespaces = plan.namespaces.map((n) => (n.name === 'gw' ? { ...n, neighbours } : n));
  return { ...plan, namespaces };
}

/** A frame and when it was seen, in milliseconds. */
interface Seen {
  readonly at: number;
  readonly frame: Buffer;
}
interface Recording {
  readonly inner: Seen[];
  readonly outer: Seen[];
}

const packet = (id: number, ttl: number, to: string): Layer[] => [
  { layer: 'ipv4', src: IN, dst: to, id, ttl },
  { layer: 'udp', srcPort: 40000, dstPort: 9 },
];
const sent = (id: number, to: string): Buffer =>
  buildFrame([{ layer: 'ethernet', src: MACS.in, dst: MACS.gw }, ...packet(id, 64, to)]);
const unreachable = (id: number): Buffer =>
  buildFrame([
    { layer: 'ethernet', src: MACS.gw, dst: MACS.in },
    { layer: 'ipv4', src: LAN, dst: IN, tos: 0xc0, id: 7 },
    { layer: 'icmp', type: 3, code: 1 },
    { layer: 'payload', bytes: buildFrame(packet(id, 63, NOBODY)) },
  ]);
const REQUEST = buildFrame([
  { layer: 'ethernet', src: MACS.wan, dst: 'ff:ff:ff:ff:ff:ff' },
  {
    layer: 'arp',
    op: 'request',
    senderMac: MACS.wan,
    senderIp: WAN,
    targetMac: '00:00:00:00:00:00',
    targetIp: NOBODY,
  },
]);

/** When a timer armed at `at` for `ms` fires: __mod_timer and calc_index, said slowly. */
function fires(at: number, ms: number, hz: number, phase: number): number {
  const clock = Math.floor((at * hz) / 1000 + phase);
  const expires = clock + (ms * hz) / 1000;
  let slot = 1;
  for (let start = 63; expires - clock >= start; start *= 8) slot *= 8;
  return (((Math.floor(expires / slot) + 1) * slot - phase) * 1000) / hz;
}

interface Kernel {
  readonly hz: number;
  /** Ticks at time 0. */
  readonly phase: number;
  /** Milliseconds that it looks at a timer later. */
  readonly late: readonly number[];
}

/** What a kernel does with packets for an address that nobody has: __neigh_event_send, neigh_timer_handler. */
function recorded({ hz, phase, late }: Kernel, times: readonly number[]): Recording {
  const inner: Seen[] = [];
  const outer: Seen[] = [];
  let waiting: number[] = [];
  let requests = 0;
  let due = Number.POSITIVE_INFINITY;
  let fired = 0;
  const ask = (at: number): void => {
    outer.push({ at: at + 0.02, frame: REQUEST });
    requests++;
    due = fires(at, 1000, hz, phase) + (late[fired++ % late.length] ?? 0);
  };
  const last = times.at(-1)! + 5000;
  for (const [i, arrival] of [...times, last].entries()) {
    while (due <= arrival) {
      const now = due;
      if (requests < 3) ask(now);
      else {
        for (const id of waiting) inner.push({ at: now + 0.03, frame: unreachable(id) });
        waiting = [];
        requests = 0;
        due = Number.POSITIVE_INFINITY;
      }
    }
    if (arrival === last) break;
    inner.push({ at: arrival, frame: sent(i + 1, NOBODY) });
    waiting.push(i + 1);
    if (requests === 0) ask(arrival);
  }
  return { inner, outer };
}

/** Nothing after `end` was recorded. */
const until = ({ inner, outer }: Recording, end: number): Recording => ({
  inner: inner.filter(({ at }) => at <= end),
  outer: outer.filter(({ at }) => at <= end),
});

const without = (seen: readonly Seen[], position: number): Seen[] =>
  seen.filter((_, i) => i !== position);

const NONE = { missing: 0, extra: 0 };

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-lateness-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Frames missing and extra where what the interfaces saw is run again. */
function rerun(
  plan: ClusterPlan,
  seen: Readonly<Record<string, readonly Seen[]>>,
): { missing: number; extra: number } {
  const files = Object.entries(seen).map(([place, frames]) => {
    const file = join(folder, `${place.replace(':', '.')}.pcap`);
    const writer = new CaptureWriter(file);
    for (const { at, frame } of [...frames].sort((a, b) => a.at - b.at)) {
      const microseconds = Math.round(at * 1000);
      writer.write(1000 + Math.floor(microseconds / 1e6), (microseconds % 1e6) * 1000, frame);
    }
    writer.close();
    const [namespace = '', device = ''] = place.split(':');
    return { namespace, device, file };
  });
  const lab: Lab = {
    plan,
    neighbours: 'cold',
    started: 1000,
    ...readCaptures(plan, files),
    events: [],
    secrets: [],
  };
  const compared = verifyLab(lab);
  expect(compared.reduce((sum, { different }) => sum + different, 0)).toBe(0);
  return {
    missing: compared.reduce((sum, { missing }) => sum + missing, 0),
    extra: compared.reduce((sum, { extra }) => sum + extra, 0),
  };
}

const phases = fc.integer({ min: 0, max: 4095 });

describe('a neighbour that nobody is', () => {
  const plan = network([{ address: IN, mac: MACS.in, state: 'PERMANENT' }]);
  const disagreements = ({ inner, outer }: Recording) =>
    rerun(plan, { 'in:eth0': inner, 'gw:eth0': inner, 'gw:eth1': outer });

  const kernel: fc.Arbitrary<Kernel> = fc.record({
    hz: fc.constantFrom(100, 250, 1000),
    phase: phases,
    late: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 5 }),
  });
  /** Packets anywhere, and many about the time when the entry fails. */
  const arrivals = fc
    .uniqueArray(
      fc.oneof(
        fc.integer({ min: 1, max: 12_000 }),
        fc.integer({ min: 3000, max: 3400 }),
        fc.integer({ min: 6000, max: 6800 }),
      ),
      { minLength: 1, maxLength: 12 },
    )
    .map((times) => times.sort((a, b) => a - b));

  it('is asked for as the kernel did, whatever its ticks, and whenever packets come', () => {
    fc.assert(
      fc.property(kernel, arrivals, (one, times) => {
        expect(disagreements(recorded(one, times))).toEqual(NONE);
      }),
      { numRuns: 20, endOnFailure: true },
    );
  });

  it('the same where the recording ends on the way', () => {
    fc.assert(
      fc.property(kernel, arrivals, fc.integer({ min: 1, max: 5000 }), (one, times, more) => {
        const whole = recorded(one, times);
        expect(disagreements(until(whole, times.at(-1)! + more))).toEqual(NONE);
      }),
      { numRuns: 20, endOnFailure: true },
    );
  });

  it('a frame that was not sent, or one more, is told', () => {
    fc.assert(
      fc.property(kernel, arrivals, fc.nat(), (one, times, which) => {
        const whole = recorded(one, times);
        // What comes last may only be late: the end says nothing of it.
        const { inner, outer } = whole;
        const position = which % outer.length;
        const isLast = position === outer.length - 1;
        if (!isLast) {
          const fewer = { inner, outer: without(outer, position) };
          expect(disagreements(fewer)).not.toEqual(NONE);
        }
        const errors = inner.filter(({ frame }) => frame.length === unreachable(1).length);
        const told = inner.indexOf(errors[which % errors.length]!);
        if (inner[told]!.at < inner.at(-1)!.at - 2000) {
          const fewer = { inner: without(inner, told), outer };
          expect(disagreements(fewer)).toEqual({ missing: 0, extra: 2 });
        }
        const at = outer[position]!.at + 500;
        const more = { inner, outer: [...outer, { at, frame: REQUEST }] };
        expect(disagreements(more)).not.toEqual(NONE);
        const other = [...inner, { at, frame: unreachable(99) }];
        expect(disagreements({ inner: other, outer })).toEqual({ missing: 2, extra: 0 });
      }),
      { numRuns: 20, endOnFailure: true },
    );
  });

  it('a kernel that asks twice, or every half second, is told', () => {
    const { inner, outer } = recorded({ hz: 100, phase: 3, late: [0] }, [1, 5000]);
    const twice = [...outer.slice(0, 2), ...outer.slice(3, 5)];
    expect(disagreements({ inner, outer: twice }).extra).toBeGreaterThan(0);
    const [first] = outer;
    const often = [0, 500, 1000, 5000, 5500, 6000].map((ms) => ({ ...first!, at: ms + 1.02 }));
    expect(disagreements({ inner, outer: often }).missing).toBeGreaterThan(0);
  });
});

describe('redirects, limited by a kernel that counts ticks', () => {
  const plan = network([
    { address: IN, mac: MACS.in, state: 'PERMANENT' },
    { address: IN2, mac: MACS.in2, state: 'PERMANENT' },
  ]);
  const passedOn = (id: number): Buffer =>
    buildFrame([{ layer: 'ethernet', src: MACS.gw, dst: MACS.in2 }, ...packet(id, 63, IN2)]);
  const redirect = (id: number): Buffer =>
    buildFrame([
      { layer: 'ethernet', src: MACS.gw, dst: MACS.in },
      { layer: 'ipv4', src: LAN, dst: IN, tos: 0xc0, id: 7 },
      { layer: 'icmp', type: 5, code: 1, gateway: IN2 },
      { layer: 'payload', bytes: buildFrame(packet(id, 63, IN2)) },
    ]);

  /** ip_rt_send_redirect; a redirect that stands in `without` was not sent. */
  function recording(hz: number, phase: number, times: readonly number[], without = 0) {
    const asked: Seen[] = [];
    const told: Seen[] = [];
    const passed: Seen[] = [];
    let last = 0;
    for (const [i, at] of times.entries()) {
      const id = i + 1;
      asked.push({ at, frame: sent(id, IN2) });
      const now = Math.floor(((at + 0.01) * hz) / 1000 + phase);
      const sends = told.length === 0 || now > last + (hz / 50) * 2 ** told.length;
      if (sends && told.length < 9) {
        last = now;
        told.push({ at: at + 0.01, frame: redirect(id) });
      }
      passed.push({ at: at + 0.02, frame: passedOn(id) });
    }
    const heard = told.filter((_, i) => i + 1 !== without);
    // Nobody has heard of the receiver's MAC: what goes to it comes back too.
    const seen = [...asked, ...heard, ...passed];
    return { 'in:eth0': seen, 'gw:eth0': seen };
  }
  const times = fc
    .uniqueArray(fc.integer({ min: 1, max: 400 }), { minLength: 3, maxLength: 30 })
    .map((list) => list.sort((a, b) => a - b));

  it('come as they did, whatever the ticks', () => {
    fc.assert(
      fc.property(fc.constantFrom(100, 250, 1000), phases, times, (hz, phase, list) => {
        expect(rerun(plan, recording(hz, phase, list))).toEqual(NONE);
      }),
      { numRuns: 40, endOnFailure: true },
    );
  });

  it('one that was due and did not come is told', () => {
    const list = [1, 100, 300];
    expect(rerun(plan, recording(100, 0, list))).toEqual(NONE);
    expect(rerun(plan, recording(100, 0, list, 2))).toEqual({ missing: 0, extra: 2 });
  });
});

describe('an old neighbour in use', () => {
  const plan = network([{ address: IN, mac: MACS.in, state: 'STALE' }]);
  const question = buildFrame([
    { layer: 'ethernet', src: MACS.gw, dst: MACS.in },
    {
      layer: 'arp',
      op: 'request',
      senderMac: MACS.gw,
      senderIp: LAN,
      targetMac: '00:00:00:00:00:00',
      targetIp: IN,
    },
  ]);
  const answer = buildFrame([
    { layer: 'ethernet', src: MACS.in, dst: MACS.gw },
    {
      layer: 'arp',
      op: 'reply',
      senderMac: MACS.in,
      senderIp: IN,
      targetMac: MACS.gw,
      targetIp: LAN,
    },
  ]);
  type Flags = '.' | 'S' | 'R.';

  /** Datagrams at 1 and 8000 ms, a TCP segment between them, and when the router asked. */
  function recording(segment: Flags | null, asked: number | null) {
    const out: Seen[] = [];
    const inner: Seen[] = [];
    const send = (at: number, layers: (ttl: number) => Layer[]): void => {
      out.push({
        at,
        frame: buildFrame([{ layer: 'ethernet', src: MACS.out, dst: MACS.wan }, ...layers(64)]),
      });
      inner.push({
        at: at + 0.01,
        frame: buildFrame([{ layer: 'ethernet', src: MACS.gw, dst: MACS.in }, ...layers(63)]),
      });
    };
    const ip = (id: number, ttl: number): Layer => ({ layer: 'ipv4', src: OUT, dst: IN, id, ttl });
    const datagram = (id: number) => (ttl: number) => [
      ip(id, ttl),
      { layer: 'udp', srcPort: 9, dstPort: 9 } as const,
    ];
    send(1, datagram(1));
    if (segment !== null) {
      send(3000, (ttl) => [ip(2, ttl), { layer: 'tcp', srcPort: 5, dstPort: 6, flags: segment }]);
    }
    send(8000, datagram(3));
    if (asked !== null) {
      inner.push({ at: asked, frame: question }, { at: asked + 0.05, frame: answer });
    }
    return { 'out:eth0': out, 'gw:eth1': out, 'gw:eth0': inner, 'in:eth0': inner };
  }

  it('is asked when it was, up to the lateness of a timer of five seconds', () => {
    for (const at of [5010, 5090, 5700]) expect(rerun(plan, recording(null, at))).toEqual(NONE);
    expect(rerun(plan, recording(null, 4500))).not.toEqual(NONE);
  });

  it('is not asked where TCP went on through it, and only there', () => {
    expect(rerun(plan, recording('.', null))).toEqual(NONE);
    expect(rerun(plan, recording('.', 5050))).toEqual(NONE);
    for (const other of [null, 'S', 'R.'] as const) {
      expect(rerun(plan, recording(other, null)).extra).toBeGreaterThan(0);
    }
  });
});
