/**
 * The packet slots of the process: taken when a frame enters a cluster, given
 * back when it ends. Two sizes; a free list each; descriptors are made once.
 */
import { copyWords, SHORT_COPY, SourceView } from '../wire/bytes.ts';
import {
  bytes,
  HEADROOM,
  LARGE_COUNT,
  LARGE_SLOT,
  SMALL_COUNT,
  SMALL_SLOT,
  TAILROOM,
  view,
} from './arena.ts';
import { Packet } from './packet.ts';

/** Longest frame a slot holds. */
export const MAX_FRAME: number = LARGE_SLOT - HEADROOM - TAILROOM;
const SMALL_FRAME = SMALL_SLOT - HEADROOM - TAILROOM;

/** Counts since the process started; tests hold the packet path to them. */
export interface SlabCounts {
  taken: number;
  given: number;
  /** Frames copied into a slot, from outside or from another slot. */
  copies: number;
}

export const counts: SlabCounts = { taken: 0, given: 0, copies: 0 };

/** A stack of free descriptors: those given back, then slots never used yet. */
class FreeList {
  private readonly first: number;
  private readonly count: number;
  private made = 0;
  private top: Packet | null = null;

  constructor(first: number, count: number) {
    this.first = first;
    this.count = count;
  }

  take(): Packet | null {
    const packet = this.top;
    if (packet !== null) {
      this.top = packet.next;
      return packet;
    }
    return this.made < this.count ? new Packet(this.first + this.made++) : null;
  }

  give(packet: Packet): void {
    packet.next = this.top;
    this.top = packet;
  }
}

const small = new FreeList(0, SMALL_COUNT);
const large = new FreeList(SMALL_COUNT, LARGE_COUNT);

/** An empty slot for `length` bytes, or null where none is free or none is that long. */
export function take(length: number): Packet | null {
  if (length > MAX_FRAME || length < 0) return null;
  const packet = length <= SMALL_FRAME ? (small.take() ?? large.take()) : large.take();
  if (packet === null) return null;
  packet.reset(length);
  counts.taken++;
  return packet;
}

/** A slot with a copy of `source[start, end)`: the one copy of a frame's life. */
export function enter(source: Buffer, start: number, end: number): Packet | null {
  const packet = take(end - start);
  if (packet === null) return null;
  const from = end - start <= SHORT_COPY && end <= source.length ? sources.of(source) : null;
  if (from === null) source.copy(bytes, packet.data, start, end);
  else copyWords(from, start, end, view, packet.data);
  counts.copies++;
  return packet;
}

const sources = new SourceView();

/** A second slot with the same bytes and state, for flooding; no trace follows it. */
export function duplicate(packet: Packet): Packet | null {
  const twin = take(packet.length);
  if (twin === null) return null;
  bytes.copyWithin(twin.data, packet.data, packet.tail);
  counts.copies++;
  twin.partial = packet.partial;
  twin.partialAt = packet.partialAt + twin.data - packet.data;
  twin.segment = packet.segment;
  twin.segmentFrom = packet.segmentFrom + twin.data - packet.data;
  twin.segmentStep = packet.segmentStep;
  twin.follow(packet);
  twin.traced = 0;
  return twin;
}

export function give(packet: Packet): void {
  counts.given++;
  if (packet.slot < SMALL_COUNT) small.give(packet);
  else large.give(packet);
}

/** Slots in use now. */
export const inUse = (): number => counts.taken - counts.given;
