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
import type { Lab } from '../../src/verify/lab.ts';
import { verifyLab } from '../../src/verify/verify.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';
import { IN, LAN, planOf, WAN } from '../node/small-network.ts';

const NOBODY = '192.0.2.77';
const MACS = { in: '02:00:00:00:00:02', gw: '02:00:00:00:00:01', wan: '02:00:00:00:01:01' };

/** The network with its lower side resolved: only the outer side asks. */
function network(): ClusterPlan {
  const plan = planOf({});
  const neighbours = [
    { device: 'eth0', address: parseIp4(IN), mac: parseMac(MACS.in), state: 'PERMANENT' as const },
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

describe('a neighbour that nobody is', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'podwire-lateness-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** `missing` and `extra` frames of the recording, run again. */
  function disagreements({ inner, outer }: Recording): { missing: number; extra: number } {
    const write = (name: string, frames: readonly Seen[]): string => {
      const file = join(folder, `${name}.pcap`);
      const writer = new CaptureWriter(file);
      for (const { at, frame } of [...frames].sort((a, b) => a.at - b.at)) {
        const microseconds = Math.round(at * 1000);
        writer.write(1000 + Math.floor(microseconds / 1e6), (microseconds % 1e6) * 1000, frame);
      }
      writer.close();
      return file;
    };
    const files = new Map([
      ['in:eth0', write('in', inner)],
      ['gw:eth0', join(folder, 'in.pcap')],
      ['gw:eth1', write('gw', outer)],
    ]);
    const lab: Lab = {
      plan: network(),
      cold: true,
      started: 1000,
      captures: [...files].map(([place, file]) => {
        const [namespace = '', device = ''] = place.split(':');
        return { namespace, device, file };
      }),
      events: [],
      secrets: [],
      file: (namespace, device) => files.get(`${namespace}:${device}`),
    };
    const compared = verifyLab(lab);
    expect(compared.reduce((sum, { different }) => sum + different, 0)).toBe(0);
    return {
      missing: compared.reduce((sum, { missing }) => sum + missing, 0),
      extra: compared.reduce((sum, { extra }) => sum + extra, 0),
    };
  }

  const NONE = { missing: 0, extra: 0 };
  const kernel: fc.Arbitrary<Kernel> = fc.record({
    hz: fc.constantFrom(100, 250, 1000),
    phase: fc.integer({ min: 0, max: 4095 }),
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
