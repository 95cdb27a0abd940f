import { expect, it } from 'vitest';
import { PrivateKey } from '../../src/wireguard/key.ts';
import { formatKeyLog } from '../../src/wireguard/key-log.ts';
import type { HandshakeSecrets } from '../../src/wireguard/settings.ts';
import { packet, pair, settle } from './end.ts';

it('has the lines that Wireshark reads, in its order', () => {
  const log: HandshakeSecrets[] = [];
  const presharedKey = Buffer.alloc(32, 7);
  const [a, b] = pair(
    { a: { presharedKey }, b: { presharedKey } },
    { keyLog: (secrets) => log.push(secrets) },
  );
  a.send(packet('10.0.0.1', '10.0.0.2'));
  const [initiation, response] = settle(a, b);
  const texts = log.map(formatKeyLog);
  const values = texts.map((text) => text.split('\n').map((line) => line.split(' = ')[1]));
  expect(texts[0]!.split('\n').map((line) => line.split(' = ')[0])).toEqual([
    'LOCAL_STATIC_PRIVATE_KEY',
    'REMOTE_STATIC_PUBLIC_KEY',
    'LOCAL_EPHEMERAL_PRIVATE_KEY',
    'PRESHARED_KEY',
    '',
  ]);
  const publicOf = (text: string): string => PrivateKey.parse(text).publicKey.toString('hex');
  expect(values.map((v) => [publicOf(v[0]!), v[1], publicOf(v[2]!), v[3]])).toEqual([
    [
      a.key.publicKey.toString('hex'),
      b.key.publicKey.toString('base64'),
      initiation!.bytes.subarray(8, 40).toString('hex'),
      presharedKey.toString('base64'),
    ],
    [
      b.key.publicKey.toString('hex'),
      a.key.publicKey.toString('base64'),
      response!.bytes.subarray(12, 44).toString('hex'),
      presharedKey.toString('base64'),
    ],
  ]);
});
