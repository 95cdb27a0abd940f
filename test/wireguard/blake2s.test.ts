import { describe, expect, it } from 'vitest';
import { derive, hash, mac } from '../../src/wireguard/blake2s.ts';

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');
const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i));

describe('BLAKE2s', () => {
  it('hashes (RFC 7693 appendix B), in parts as in one', () => {
    const expected = '508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982';
    expect(hex(hash(Buffer.from('abc')))).toBe(expected);
    expect(hex(hash(Buffer.from('a'), Buffer.alloc(0), Buffer.from('bc')))).toBe(expected);
  });

  it('gives the first chaining key and hash of every handshake', () => {
    // The kernel's handshake_init_chaining_key and handshake_init_hash, computed by hashlib.
    const chain = hash(Buffer.from('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s'));
    expect(hex(chain)).toBe('60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36');
    expect(hex(hash(chain, Buffer.from('WireGuard v1 zx2c4 Jason@zx2c4.com')))).toBe(
      '2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3',
    );
  });

  // From Python's hashlib and hmac.
  it('authenticates with 16 bytes', () => {
    const message = Buffer.from(Array.from({ length: 100 }, (_, i) => i));
    expect(hex(mac(key, message))).toBe('0b67d33f8b859c3157fbabd9e6e47ed0');
  });

  it('derives keys', () => {
    const keys = [
      '87b7f70b24183c6db5dc4f6d9f4c47cdb203321aa2a0bef714896adb3107a040',
      '538a02e1eb2e31b7e4d4b82476d1fe2acf50085d3fb584537279195f5d1f5824',
      '9ad858025593be88de0f9442a589cfe84a88dc19e4753d93684d1c5efc4837f9',
    ];
    expect(derive(key, Buffer.from('input'), 3).map(hex)).toEqual(keys);
    expect(derive(key, Buffer.from('input'), 2).map(hex)).toEqual(keys.slice(0, 2));
    expect(derive(key, Buffer.from('input'), 1).map(hex)).toEqual(keys.slice(0, 1));
  });
});
