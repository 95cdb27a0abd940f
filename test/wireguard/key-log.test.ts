import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PrivateKey } from '../../src/wireguard/key.ts';
import { formatKeyLog, parseKeyLog } from '../../src/wireguard/key-log.ts';
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

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const secrets = fc.record({
  localStaticPrivate: key,
  remoteStaticPublic: key,
  localEphemeralPrivate: key,
  presharedKey: key,
});

it('is read back the same, whatever stands between its lines', () => {
  fc.assert(
    fc.property(
      fc.array(secrets),
      fc.constantFrom('\n', '\r\n', '\n# a remark\n', '  \n\n  '),
      fc.constantFrom(' = ', '=', '   =  '),
      (list, newline, equals) => {
        const text = list.map(formatKeyLog).join('');
        expect(parseKeyLog(text.replaceAll('\n', newline).replaceAll(' = ', equals))).toEqual(list);
      },
    ),
  );
});

it('gives an ephemeral key the static ones before it, and the preshared one right behind', () => {
  const [a, b, c, d, e] = [1, 2, 3, 4, 5].map((n) => Buffer.alloc(32, n));
  const none = Buffer.alloc(32);
  const line = (kind: string, value: Buffer): string => `${kind} = ${value.toString('base64')}\n`;
  const text = [
    line('PRESHARED_KEY', e!),
    line('LOCAL_EPHEMERAL_PRIVATE_KEY', a!),
    line('LOCAL_STATIC_PRIVATE_KEY', b!),
    line('REMOTE_STATIC_PUBLIC_KEY', c!),
    line('LOCAL_EPHEMERAL_PRIVATE_KEY', d!),
    line('PRESHARED_KEY', e!),
    line('PRESHARED_KEY', a!),
    'LOCAL_STATIC_PRIVATE_KEY = short\n',
    'CLIENT_RANDOM 1 2\n',
  ].join('');
  const statics = { localStaticPrivate: b, remoteStaticPublic: c };
  expect(parseKeyLog(text)).toEqual([
    { ...statics, localEphemeralPrivate: a, presharedKey: none },
    { ...statics, localEphemeralPrivate: d, presharedKey: e },
  ]);
  expect(parseKeyLog(line('LOCAL_EPHEMERAL_PRIVATE_KEY', a!))).toEqual([]);
  expect(parseKeyLog('')).toEqual([]);
  expect(parseKeyLog(`${'='.repeat(100_000)}\n`.repeat(40))).toEqual([]);
});
