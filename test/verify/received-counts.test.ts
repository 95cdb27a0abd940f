/** A kernel that counted as many packets as were made received those that its capture lacks. */
import { describe, expect, it } from 'vitest';
import { ReceivedCounts } from '../../src/verify/received-counts.ts';
import { planOf } from '../node/small-network.ts';
import { comparison, judged, tcpFrame } from './judged-frames.ts';

const [a, b] = ['10.2.0.1', '10.2.0.2'];
const ack = (seq: number, outgoing = false) =>
  judged(tcpFrame({ from: a, to: b, seq }), { outgoing });
const arp = judged('ffffffffffff0200000000010806');
const plan = planOf({});
const received = (namespace: string, count: number) =>
  new ReceivedCounts({ plan, received: new Map([[namespace, count]]) });

describe('packets that a pod received', () => {
  const here = comparison(['in', 'eth0'], {
    agreed: [ack(1), ack(2, true), arp],
    unexpected: [ack(3), ack(4)],
  });

  it('were lost by its capture where its kernel counted them all', () => {
    expect([2, 3, 4].map((count) => received('in', count).of(here).length)).toEqual([0, 2, 2]);
  });

  it('of those, what goes out or is no IPv4 was not counted', () => {
    const other = comparison(['in', 'eth0'], {
      agreed: [],
      unexpected: [ack(3), ack(4, true), arp],
    });
    expect(received('in', 1).of(other)).toEqual([other.unexpected[0]]);
  });

  it('only if the capture may have lost them, and has no other packets', () => {
    expect(received('in', 9).of({ ...here, losable: [] })).toEqual([]);
    expect(received('in', 9).of({ ...here, missing: 1 })).toEqual([]);
    expect(received('in', 9).of({ ...here, different: 1 })).toEqual([]);
  });

  it('are not counted apart in a namespace that forwards, nor in one without counters', () => {
    const router = { ...here, namespace: 'gw' };
    expect(received('gw', 9).of(router)).toEqual([]);
    expect(received('out', 9).of(here)).toEqual([]);
    expect(new ReceivedCounts({ plan }).of(here)).toEqual([]);
  });
});
