import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeTcpOptions, encodeTcpOptions } from '../../src/frame/tcp-options.ts';

const spot = { index: 0, layer: 'tcp' };

describe('TCP options', () => {
  it('come back to the same bytes, malformed ones too', () => {
    const words = fc
      .nat(10)
      .chain((n) =>
        fc.array(fc.oneof(fc.nat(10), fc.nat(255)), { minLength: 4 * n, maxLength: 4 * n }),
      );
    fc.assert(
      fc.property(words, (drawn) => {
        const bytes = Buffer.from(drawn);
        const options = decodeTcpOptions(bytes, 0, bytes.length);
        expect(encodeTcpOptions(options, spot).toString('hex')).toBe(bytes.toString('hex'));
      }),
      { numRuns: 3000 },
    );
  });

  it('are read no further than their end', () => {
    const bytes = Buffer.from('0101080a00000000', 'hex');
    expect(decodeTcpOptions(bytes, 0, 4)).toEqual([
      { option: 'nop' },
      { option: 'nop' },
      { option: 'raw', hex: '080a' },
    ]);
  });

  it('are padded with end-of-options only where 4 does not divide them', () => {
    const encode = (count: number): string =>
      encodeTcpOptions(
        Array.from({ length: count }, () => ({ option: 'nop' }) as const),
        spot,
      ).toString('hex');
    expect([0, 1, 3, 4].map(encode)).toEqual(['', '01000000', '01010100', '01010101']);
  });

  it('refuse more than 40 bytes and unknown names', () => {
    const stamps = { option: 'timestamps', value: 1, echo: 1 } as const;
    expect(() => encodeTcpOptions(Array(5).fill(stamps), spot)).toThrow('at most 40');
    expect(() => encodeTcpOptions([{ option: 'mptcp' } as never], spot)).toThrow('"mptcp"');
    const sack = { option: 'sack', blocks: [null] } as never;
    expect(() => encodeTcpOptions([sack], spot)).toThrow('sack left: expected an integer');
  });
});
