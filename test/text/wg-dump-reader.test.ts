import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tryKeepalive, wgDumpLine, withoutWgSecrets } from '../../src/text/wg-dump-reader.ts';

const key = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((b) => Buffer.from(b).toString('base64'));

describe('wg show dump', () => {
  it('no secret is left of a line, and nothing else is gone', () => {
    fc.assert(
      fc.property(key, key, fc.constantFrom('', 'wg0\t'), (own, other, name) => {
        const device = (secret: string) => `${name}${secret}\t${other}\t51820\toff`;
        const peer = (secret: string) =>
          `${name}${other}\t${secret}\t192.0.2.1:51820\t10.0.0.0/8,10.1.0.0/16\t1\t2\t3\t25`;
        for (const line of [device, peer]) {
          expect(withoutWgSecrets(line(own))).toBe(line('(hidden)'));
          expect(withoutWgSecrets(line('(none)'))).toBe(line('(none)'));
        }
        for (const kind of ['private', 'preshared']) {
          expect(withoutWgSecrets(`  ${kind} key: ${own}`)).toBe(`  ${kind} key: (hidden)`);
        }
        expect(withoutWgSecrets(`  public key: ${own}`)).toBe(`  public key: ${own}`);
      }),
    );
  });

  it.each([
    ['every 25 seconds', 25],
    ['every 1 minute, 5 seconds', 65],
    ['every 18 hours, 12 minutes, 15 seconds', 65535],
    ['every 1 day', undefined],
    ['every 0 seconds', undefined],
    ['every second', undefined],
    ['25 seconds', undefined],
  ])('%s is %s', (text, seconds) => expect(tryKeepalive(text)).toBe(seconds));

  it.each(['', 'a b c d', '10.0.0.0/8 dev eth0 proto kernel', '(none) (none) x off'])(
    '%j is no line of it',
    (text) => expect(wgDumpLine(text)).toBeUndefined(),
  );
});
