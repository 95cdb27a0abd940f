/**
 * The place of dissection in a frame.
 *
 *   at            end                bytes.length           limit
 *   | this layer  | what a length    | what the capture     | what a length field
 *   |             | field leaves     | kept                 | claims, cut or not
 *
 * `limit` lies beyond `end` only where bytes are lawfully missing: behind the
 * first fragment of a packet, and in the quote of an ICMP error.
 */
import { type Drop, dropInfo } from '../drop.ts';
import type { DissectedLayer, Extent } from './layer.ts';

export interface Stop {
  /** Offset of the first byte not understood. */
  readonly at: number;
  /** A name of drop.ts, or `capture-cut`, or `too-many-layers`. */
  readonly drop: string;
  readonly meaning: string;
}

export interface Cursor {
  readonly b: Buffer;
  readonly vxlanPorts: readonly number[];
  readonly wireguardPorts: readonly number[];
  readonly layers: DissectedLayer[];
  at: number;
  end: number;
  limit: number;
  /** Where the enclosing IPv4 header starts. */
  ipAt: number;
  /** The enclosing IPv4 packet is one. */
  fragment: boolean;
  /** It has a source route, so that its TCP and UDP checksums cover another destination. */
  sourceRoute: boolean;
  /** Bytes may be missing without fault. */
  lenient: boolean;
  quoted: boolean;
  stopped: Stop | undefined;
}

/** End of the bytes of this layer that are really here. */
export const kept = (c: Cursor): number => Math.min(c.end, c.b.length);

/** Whether everything up to the claimed end is here and belongs to one unfragmented packet. */
export const whole = (c: Cursor): boolean => !c.fragment && c.limit <= kept(c);

export function stop(c: Cursor, drop: Drop): undefined {
  const { name, meaning } = dropInfo[drop];
  c.stopped = { at: c.at, drop: name, meaning };
}

/** Whether `size` bytes are here; otherwise says why they are not, unless that is lawful. */
export function fits(c: Cursor, size: number, short: Drop): boolean {
  if (kept(c) - c.at >= size) return true;
  if (c.limit - c.at < size) stop(c, short);
  else if (!c.lenient) {
    const meaning = `the capture kept ${c.b.length} bytes of the frame`;
    c.stopped = { at: c.at, drop: 'capture-cut', meaning };
  }
  return false;
}

/** The extent of a layer of `size` bytes, stepping over it. */
export function take(c: Cursor, size: number): Extent {
  const extent = { offset: c.at, length: size, ...(c.quoted ? { quoted: true as const } : {}) };
  c.at += size;
  return extent;
}

export function narrow(c: Cursor, limit: number): void {
  c.limit = limit;
  c.end = Math.min(c.end, limit);
}
