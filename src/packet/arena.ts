/**
 * The one memory of the packet path, reserved once per process and never grown,
 * so that views into it stay valid and V8 can fold their addresses into compiled
 * code. The operating system commits a page when it is first touched.
 *
 *   0                     SMALL_BYTES                      ARENA_BYTES
 *   | small slots, 2 KiB   | large slots, 64 KiB + room     |
 *
 * A WebAssembly memory: kernels compiled to WebAssembly work on packets where they lie.
 */
import { kernel, makeMemory } from '../wasm/module.ts';
import { useKernel } from '../wire/checksum.ts';

/** In front of an entering frame: VXLAN needs 50 bytes, so a tunnel in a tunnel fits. */
export const HEADROOM = 128;
/** Behind it: WireGuard needs at most 31. */
export const TAILROOM = 32;

export const SMALL_SLOT = 2048;
export const SMALL_COUNT = 12288;
/** Holds the longest IPv4 packet with an Ethernet header. */
export const LARGE_SLOT = 66048;
export const LARGE_COUNT = 512;

const SMALL_BYTES = SMALL_SLOT * SMALL_COUNT;
const memory = makeMemory(SMALL_BYTES + LARGE_SLOT * LARGE_COUNT);

/** Every packet slot lies in this Buffer. */
export const bytes: Buffer = Buffer.from(memory.buffer);

const sums = kernel('checksum', memory);
if (sums !== null) useKernel(bytes, sums.sum);

/** The same memory. */
export const view: DataView = new DataView(memory.buffer);

/** 32 bits from an offset of the arena, signed, big-endian: one load, where `i32` of wire/bytes.ts has four. */
export const word = (at: number): number => view.getInt32(at);

/** 16 bits, unsigned. */
export const half = (at: number): number => view.getUint16(at);

export function putWord(at: number, value: number): void {
  view.setInt32(at, value);
}

export function putHalf(at: number, value: number): void {
  view.setUint16(at, value);
}

/** First byte of a slot; large slots are numbered after the small ones. */
export const slotStart = (slot: number): number =>
  slot < SMALL_COUNT ? slot * SMALL_SLOT : SMALL_BYTES + (slot - SMALL_COUNT) * LARGE_SLOT;

export const slotSize = (slot: number): number => (slot < SMALL_COUNT ? SMALL_SLOT : LARGE_SLOT);
