/** `wg showconf` beside `wg show`: a real device's, files written by hand, and what is refused. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { withoutWgSecrets } from '../../src/text/wg-dump-reader.ts';
import { parseWgShow } from '../../src/text/wg-reader.ts';
import { GoPeer, missing } from '../live/wireguard-go.ts';

const SECRET = 'IPCZhEPEHZa3nzWw1c59OCNq9Kv670ALbokrsXoNTFk=';
/** Of SECRET, by `wg pubkey`. */
const OWN = 'cIYxk1hquSjUeEvoxDDFN5GaLqG56VBoFM7bIAmqHAk=';
const PEER = 'aPxGwq8zERHQ3Q1cOZFdJ+cvJX5Ka4mLN38AyYKYF10=';
const OTHER = 'Gx7A7Sf27JT3H5S11wciL6PTpGwSloipBGhjzKGTsw0=';
const SHARED = 'WNWONg3R1FGp4GXBBU5JwLQkD9zJUdXU2zY5cim21Fs=';

const read = (text: string, device = 'wg0') =>
  parseWgShow(text.split('\n').map(withoutWgSecrets).join('\n'), { source: 'a.conf' }, device);

const reason = missing();
if (reason !== undefined) console.warn(`SKIPPED: wg showconf of a real device: ${reason}`);

describe('wg showconf', () => {
  it.skipIf(reason !== undefined)(
    'tells of a real device what wg show and its dump tell',
    async () => {
      const go = await GoPeer.start(`pc${process.pid}`, {
        privateKey: SECRET,
        peerKey: PEER,
        presharedKey: SHARED,
        peerPort: 4711,
        address: '10.9.0.1/24',
        allowedIps: '10.9.1.0/24,10.9.2.3/32,fd00::/64',
      });
      try {
        const run = (...words: string[]): string =>
          spawnSync('wg', words, { encoding: 'utf8' }).stdout;
        const { device } = go;
        for (const more of [
          ['listen-port', '51821', 'fwmark', '0x100000'],
          ['peer', PEER, 'persistent-keepalive', '77'],
          ['peer', OTHER],
        ]) {
          run('set', device, ...more);
          const conf = run('showconf', device);
          expect(conf).toContain(SECRET);
          const shown = parseWgShow(run('show', device));
          expect(read(conf, device)).toEqual(shown);
          expect(read(run('show', device, 'dump'), device)).toEqual(shown);
          expect(shown[0]!.settings.publicKey).toBe(OWN);
        }
      } finally {
        go.stop();
      }
    },
  );

  it('reads a file of wg-quick: any case and order, remarks, several lines of addresses', () => {
    const text = `# written by hand
[interface]
Address = 10.9.0.1/24   # of no use here
privatekey=${SECRET}
FWMARK = 51820
listenport = 51820

[PEER] # the other
AllowedIPs = 10.9.1.0/24
Endpoint = 192.0.2.2:51820
allowedips = 10.9.2.0/24,fd00::/64
PublicKey = ${PEER}
PersistentKeepalive = off
PresharedKey = ${SHARED}
`;
    const [listing] = read(text);
    expect(listing).toMatchObject({
      device: 'wg0',
      settings: { publicKey: OWN, fwmark: 51820, listenPort: 51820 },
    });
    const [peer, ...more] = listing!.settings.peers;
    expect([peer!.publicKey, peer!.allowedIps.length, more]).toEqual([PEER, 2, []]);
    expect(peer!.persistentKeepalive).toBe(undefined);
  });

  it.each([
    [
      '[Peer]\nEndpoint = 192.0.2.2:1\n[Peer]',
      'a.conf:1: expected PublicKey in [Peer], found nothing',
    ],
    ['[Interface]\nListenPort = 70000', 'a.conf:2: expected a port, found "70000"'],
    ['[Interface]\nFwMark = 99999999999', 'a.conf:2: expected a mark'],
    [
      `[Interface]\n[Peer]\nPublicKey = ${PEER}\nPersistentKeepalive = 65536`,
      'a.conf:4: expected a time',
    ],
    ['[Interface]\n[Peer]\nPublicKey = short', 'a.conf:3: expected a key of 32 bytes'],
    ['[Interface]\n[Peer]\nPublicKey = ', 'a.conf:3: expected a key of 32 bytes'],
  ])('refuses %j', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  it('without the command nobody knows whose it is', () => {
    expect(() => parseWgShow('[Interface]\nListenPort = 1')).toThrow(
      'expected wg showconf DEVICE before [Interface], found "[Interface]"',
    );
  });

  it.each([
    SECRET,
    SECRET.slice(0, 20),
    `${SECRET}${SECRET}`,
    `${'A'.repeat(43)}=`,
    SECRET.replace('=', ' ='),
    Buffer.from(SECRET, 'base64').toString('hex'),
  ])('no secret stays in a line, whole or damaged: %s', (secret) => {
    for (const key of ['PrivateKey', 'privatekey', 'PresharedKey', 'PRESHAREDKEY']) {
      const left = withoutWgSecrets(`  ${key} = ${secret}`);
      expect(left).toMatch(
        /^ {2}(PublicKey = \S{44}|(Private|Preshared|PRESHARED)[kK](ey|EY) = \(hidden\))$/,
      );
      expect(left).not.toContain(secret.slice(0, 12));
    }
  });
});
