/** How many errors go out, counted: six in a row and one more each second (facts of inetpeer.c). */
import { describe, expect, it } from 'vitest';
import { IcmpLimit } from '../../src/node/icmp-limit.ts';
import * as icmp from '../../src/wire/icmp.ts';

const START = 1_700_000_000_000;
const expired = (limit: IcmpLimit, to: number, at: number): boolean =>
  limit.allow(to, icmp.TIME_EXCEEDED, 0, START + at);

describe('errors to one destination', () => {
  it('twenty within a second: six at once, the seventh after it', () => {
    const limit = new IcmpLimit(1000, 1000);
    const sent = Array.from({ length: 20 }, (_, i) => expired(limit, 1, i * 50));
    expect(sent.filter(Boolean).length).toBe(6);
    expect(sent.slice(0, 6)).toEqual(Array(6).fill(true));
    expect(expired(limit, 1, 1050)).toBe(true);
    expect(expired(limit, 1, 1100)).toBe(false);
  });

  it('another destination has a bucket of its own', () => {
    const limit = new IcmpLimit(1000, 1000);
    for (let i = 0; i < 10; i++) expired(limit, 1, 0);
    expect(expired(limit, 2, 0)).toBe(true);
  });

  it('a rate of 0 limits nothing but the fifty at once for all', () => {
    const limit = new IcmpLimit(0, 0);
    const sent = Array.from({ length: 80 }, () => expired(limit, 1, 0));
    expect(sent.filter(Boolean).length).toBe(50);
  });

  it('what goes by the loopback has no bucket, and counts among the fifty', () => {
    const limit = new IcmpLimit(1000, 1000);
    const sent = Array.from({ length: 80 }, () => limit.allow(null, icmp.UNREACHABLE, 1, START));
    expect(sent.filter(Boolean).length).toBe(50);
  });

  it('goes by what is told of it, and one to its destination still has a bucket', () => {
    const limit = new IcmpLimit(1000, 1000);
    const sent = (told: boolean): boolean => limit.allow(1, icmp.UNREACHABLE, 1, START, told);
    expect(sent(false)).toBe(false);
    expect(Array.from({ length: 8 }, () => sent(true)).filter(Boolean).length).toBe(6);
    expect(limit.allow(1, icmp.UNREACHABLE, icmp.CODE_FRAG_NEEDED, START, false)).toBe(true);
    const free = new IcmpLimit(0, 0);
    const all = Array.from({ length: 80 }, () => free.allow(1, icmp.UNREACHABLE, 1, START, true));
    expect(all).not.toContain(false);
  });

  it('fragmentation needed is never held back: path MTU discovery lives on it', () => {
    const limit = new IcmpLimit(1000, 1000);
    for (let i = 0; i < 100; i++) {
      expect(limit.allow(1, icmp.UNREACHABLE, icmp.CODE_FRAG_NEEDED, START)).toBe(true);
    }
  });
});
