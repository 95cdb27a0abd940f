/**
 * The one memory of the packet path, reserved once per process and never grown,
 * so that views into it stay valid and V8 can fold their addresses into compiled
 * code. The operating system commits a page when it is first touched.
 *
 *   0                     SMALL_BYTES                      ARENA_BYTES
 *   | small slots, 2 KiB   | large slots, 64 KiB + room     |
 *
 * A WebAssembly memory, so that kernels compiled to WebAssembly can share it.
 */
import { makeMemory } from '../wasm/module.ts';

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

/** First byte of a slot; large slots are numbered after the small ones. */
export const slotStart = (slot: number): number =>
  slot < SMALL_COUNT ? slot * SMALL_SLOT : SMALL_BYTES + (slot - SMALL_COUNT) * LARGE_SLOT;

export const slotSize = (slot: number): number => (slot < SMALL_COUNT ? SMALL_SLOT : LARGE_SLOT);
