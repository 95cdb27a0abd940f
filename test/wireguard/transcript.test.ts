import { expect, it } from 'vitest';
import type { HandshakeSecrets } from '../../src/wireguard/settings.ts';
import { Transcript } from '../../src/wireguard/transcript.ts';
import { packet, pair, settle } from './end.ts';

/** A handshake and three data messages, with the secrets of either end. */
function conversation() {
  const log: HandshakeSecrets[] = [];
  const presharedKey = Buffer.alloc(32, 9);
  const [a, b] = pair(
    { a: { presharedKey }, b: { presharedKey } },
    { keyLog: (secrets) => log.push(secrets) },
  );
  a.send(packet('10.0.0.1', '10.0.0.2'));
  const messages = settle(a, b);
  b.send(packet('10.0.0.2', '10.0.0.1'));
  messages.push(...settle(a, b));
  a.send(packet('10.0.0.1', '10.0.0.2'));
  messages.push(...settle(a, b));
  const bytes = messages.map((message) => message.bytes);
  expect(bytes.map((one) => one[0])).toEqual([1, 2, 4, 4, 4]);
  return { bytes, log, delivered: [b.delivered[0]!, a.delivered[0]!, b.delivered[1]!] };
}

function read(transcript: Transcript, messages: readonly Buffer[]): (Buffer | undefined)[] {
  for (const one of messages) transcript.learn(one, 0, one.length);
  return messages
    .filter((one) => one[0] === 4)
    .map((one) => transcript.plain(one, 0, one.length)?.subarray());
}

it('the initiator’s secrets open both directions', () => {
  const { bytes, log, delivered } = conversation();
  const plain = read(new Transcript(log.slice(0, 1)), bytes);
  expect(plain.map((one) => one?.subarray(0, one.readUInt16BE(2)))).toEqual(delivered);
});

it('no other key, no late or forged handshake, no forged message opens anything', () => {
  const { bytes, log } = conversation();
  const nothing = [undefined, undefined, undefined];
  const [secrets] = log;
  const other = Buffer.alloc(32, 0x41);
  for (const key of [
    'localStaticPrivate',
    'remoteStaticPublic',
    'localEphemeralPrivate',
    'presharedKey',
  ] as const) {
    const wrong = new Transcript([{ ...secrets!, [key]: other }]);
    expect(read(wrong, bytes), key).toEqual(nothing);
  }
  expect(read(new Transcript(log), bytes.slice(1))).toEqual(nothing);
  for (const message of [0, 1]) {
    const last = bytes[message]!.length - 33;
    for (let at = 4; at < last; at++) {
      const bent = bytes.map((one) => Buffer.from(one));
      bent[message]![at]! ^= 1;
      // MACs are the receiver's to judge.
      if (message === 0 ? at >= 116 : at >= 60) continue;
      const read0 = read(new Transcript(log.slice(0, 1)), bent);
      expect(read0[0], `message ${message}, byte ${at}`).toBeUndefined();
    }
  }
  const transcript = new Transcript(log);
  read(transcript, bytes);
  for (let at = 4; at < bytes[2]!.length; at++) {
    const bent = Buffer.from(bytes[2]!);
    bent[at]! ^= 1;
    expect(transcript.plain(bent, 0, bent.length), `byte ${at}`).toBeUndefined();
  }
  expect(transcript.plain(bytes[2]!, 0, bytes[2]!.length)).toBeDefined();
});
