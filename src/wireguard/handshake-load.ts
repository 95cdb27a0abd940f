/**
 * When a device counts as under load, and whom it then still answers. The kernel
 * puts handshake messages into a queue of 4,096 and is under load from an eighth
 * of that on, and for a second after; here the queue is drained in virtual time
 * at a rate, about what a core does in Curve25519 agreements.
 */
const QUEUE = 4096;
const LOADED = QUEUE / 8;
/** Handshake messages a second: four agreements of about 50 µs each for an initiation and its answer. */
const RATE = 5000;
const LINGER = 1_000_000;

/** The kernel's ratelimiter.c: 20 messages a second from one address, 5 at once. */
const COST = 1_000_000 / 20;
const BURST = 5 * COST;
/** Addresses it remembers; beyond that all are refused. */
const ADDRESSES = 65536;
const SWEEP = 1_000_000;

export class HandshakeLoad {
  private depth = 0;
  private drained = Number.NEGATIVE_INFINITY;
  private loaded = Number.NEGATIVE_INFINITY;
  private readonly buckets = new Map<number, { tokens: number; last: number }>();
  private swept = 0;

  /** Takes one message at a time in microseconds; false where the queue is full. */
  enter(now: number): boolean {
    const done = ((now - this.drained) * RATE) / 1_000_000;
    this.depth = Math.max(0, this.depth - done);
    this.drained = now;
    if (this.depth >= QUEUE) return false;
    this.depth++;
    if (this.depth >= LOADED) this.loaded = now;
    return true;
  }

  underLoad(now: number): boolean {
    return now < this.loaded + LINGER;
  }

  /** Whether an address may have one more handshake done. */
  allow(address: number, now: number): boolean {
    if (now >= this.swept + SWEEP) this.sweep(now);
    const bucket = this.buckets.get(address);
    if (bucket === undefined) {
      if (this.buckets.size >= ADDRESSES) return false;
      this.buckets.set(address, { tokens: BURST - COST, last: now });
      return true;
    }
    bucket.tokens = Math.min(BURST, bucket.tokens + now - bucket.last);
    bucket.last = now;
    if (bucket.tokens < COST) return false;
    bucket.tokens -= COST;
    return true;
  }

  private sweep(now: number): void {
    this.swept = now;
    for (const [address, { last }] of this.buckets) {
      if (now >= last + SWEEP) this.buckets.delete(address);
    }
  }
}
