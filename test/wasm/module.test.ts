import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kernel, makeMemory } from '../../src/wasm/module.ts';

/** RFC 1071 section 4.1, a word at a time. */
function slowSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}

describe('the code', () => {
  it('is what its source compiles to', () => {
    execFileSync(process.execPath, ['.config/wasm.mjs', '--check'], { stdio: 'pipe' });
  });
});

describe('checksum', () => {
  const memory = makeMemory(200_000);
  const bytes = new Uint8Array(memory.buffer);
  const { sum } = kernel('checksum', memory)!;

  it('sums as the RFC does, at any place and length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat({ max: 70 }), (message, at) => {
        bytes.fill(0xa5, 0, 600);
        bytes.set(message, at);
        expect(sum(at, message.length)).toBe(slowSum(message));
      }),
      { numRuns: 2000 },
    );
  });

  it('carries all the way in 64 KiB of ones, and tells nothing from ones', () => {
    bytes.fill(0xff);
    expect(sum(3, 65535)).toBe(slowSum(bytes.subarray(3, 65538)));
    expect(sum(0, 65534)).toBe(0xffff);
    bytes.fill(0);
    expect(sum(1, 65535)).toBe(0);
    expect(sum(7, 0)).toBe(0);
  });

  it('reads to the last byte of its memory', () => {
    const end = bytes.length;
    bytes.fill(0);
    bytes.set([0x12, 0x34, 0x56], end - 3);
    expect(sum(end - 3, 3)).toBe(0x1234 + 0x5600);
  });
});
