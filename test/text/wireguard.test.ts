/** The WireGuard device and its rule, which this machine's kernel may not have. */
import { describe, expect, it } from 'vitest';
import type { WireguardSettings } from '../../src/plan/plan.ts';
import { runCommand } from '../../src/text/command.ts';
import { parseWgShow } from '../../src/text/wg-reader.ts';
import { parseIp4, parsePrefix } from '../../src/wire/address.ts';
import { address, device, documentText, lo, namespace, route } from './namespace.ts';

const KEYS = [
  'Gx7A7Sf27JT3H5S11wciL6PTpGwSloipBGhjzKGTsw0=',
  'aPxGwq8zERHQ3Q1cOZFdJ+cvJX5Ka4mLN38AyYKYF10=',
  'GihoGmQZ3RRDHpIcYCfQsuPmEPb0FrRLxPBZ2UPGh2g=',
] as const;

const wireguard: WireguardSettings = {
  publicKey: KEYS[0],
  listenPort: 51820,
  fwmark: 0x100000,
  peers: [
    {
      publicKey: KEYS[1],
      endpoint: { address: parseIp4('198.19.0.1'), port: 51820 },
      allowedIps: [parsePrefix('198.19.21.0/26'), parsePrefix('198.19.21.2/32')],
    },
    {
      publicKey: KEYS[2],
      endpoint: { address: parseIp4('198.19.0.3'), port: 51820 },
      allowedIps: [],
    },
  ],
};

const node = namespace({
  devices: [
    lo,
    device({
      name: 'wireguard.cali',
      index: 10,
      kind: 'wireguard',
      mtu: 1400,
      queueLength: 1000,
      addresses: [address('198.19.22.131/32', '198.19.22.131')],
      wireguard,
    }),
  ],
  routes: [
    route('198.19.22.128/26', { type: 'throw', table: 1 }),
    route('198.19.21.0/26', { device: 'wireguard.cali', scope: 'link', table: 1 }),
    route('default', { device: 'lo' }),
  ],
  rules: [
    { priority: 0, not: false, table: 'local' },
    { priority: 99, not: true, fwmark: { value: 0x100000, mask: 0x100000 }, table: 1 },
    { priority: 32766, not: false, table: 'main' },
    { priority: 32767, not: false, table: 'default' },
  ],
});
const run = (command: string): string => runCommand(node, command.split(' '));

const one = documentText('001');

describe('wireguard.cali', () => {
  it.skipIf(one === undefined)('ip addr, as grep shows it in the document', () => {
    const lines = run('ip addr')
      .split('\n')
      .filter((line) => line.includes('wireguard'));
    expect(one).toContain(`ip addr | grep wireguard\n${lines.join('\n')}\n`);
  });

  it('has no link-layer address, and makes no IPv6 address of itself', () => {
    expect(run('ip link show wireguard.cali')).toBe(
      '10: wireguard.cali: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1400 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\n' +
        '    link/none \n',
    );
    expect(run('ip -d link show wireguard.cali')).toContain(
      '    link/none  promiscuity 0 minmtu 0 maxmtu 2147483552 \n    wireguard addrgenmode none numtxqueues 1 ',
    );
    expect(run('ip addr show wireguard.cali')).not.toContain('inet6');
    expect(run('bridge fdb show dev wireguard.cali')).toBe('');
    expect(JSON.parse(run('ip -j link show wireguard.cali'))).toMatchObject([
      { flags: ['POINTOPOINT', 'NOARP', 'UP', 'LOWER_UP'], link_type: 'none' },
    ]);
  });

  it('wg show', () => {
    expect(run('wg')).toBe(
      `interface: wireguard.cali
  public key: ${KEYS[0]}
  private key: (hidden)
  listening port: 51820
  fwmark: 0x100000

peer: ${KEYS[1]}
  endpoint: 198.19.0.1:51820
  allowed ips: 198.19.21.0/26, 198.19.21.2/32

peer: ${KEYS[2]}
  endpoint: 198.19.0.3:51820
  allowed ips: (none)
`,
    );
    expect(run('wg show all')).toBe(run('wg'));
    expect(run('wg show interfaces')).toBe('wireguard.cali\n');
    expect(run('wg show wireguard.cali fwmark')).toBe('0x100000\n');
    expect(run('wg show all endpoints')).toBe(
      `wireguard.cali\t${KEYS[1]}\t198.19.0.1:51820\nwireguard.cali\t${KEYS[2]}\t198.19.0.3:51820\n`,
    );
    expect(run('wg show wireguard.cali allowed-ips')).toBe(
      `${KEYS[1]}\t198.19.21.0/26 198.19.21.2/32\n${KEYS[2]}\t(none)\n`,
    );
    expect(runCommand(namespace({ devices: [lo] }), ['wg', 'show'])).toBe('');
    expect(parseWgShow(run('wg show'))).toEqual([
      { device: 'wireguard.cali', settings: wireguard },
    ]);
  });

  it('ip rule, and the lookup that asks table 1 first', () => {
    expect(run('ip rule')).toBe(
      '0:\tfrom all lookup local\n99:\tnot from all fwmark 0x100000/0x100000 lookup 1\n' +
        '32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n',
    );
    expect(run('ip route get 198.19.21.9')).toBe(
      '198.19.21.9 dev wireguard.cali table 1 src 198.19.22.131 uid 0 \n    cache \n',
    );
    // The encrypted packets carry the mark, and a throw route sends on to main.
    expect(run('ip route get 198.19.21.9 mark 0x100000')).toContain(' dev lo ');
    expect(run('ip route get 198.19.22.140')).toContain(' dev lo ');
    expect(run('ip route show table 1')).toBe(
      '198.19.21.0/26 dev wireguard.cali scope link \nthrow 198.19.22.128/26 \n',
    );
  });

  // Texts of `wg` 1.0.20210914 about a device of wireguard-go with the same settings and no private key.
  it('wg showconf and preshared-keys', () => {
    const text = run('wg showconf wireguard.cali');
    expect(text).toBe(
      '[Interface]\nListenPort = 51820\nFwMark = 0x100000\n\n' +
        `[Peer]\nPublicKey = ${KEYS[1]}\nAllowedIPs = 198.19.21.0/26, 198.19.21.2/32\nEndpoint = 198.19.0.1:51820\n\n` +
        `[Peer]\nPublicKey = ${KEYS[2]}\nEndpoint = 198.19.0.3:51820\n`,
    );
    expect(run('wg show wireguard.cali preshared-keys')).toBe(
      `${KEYS[1]}\t(none)\n${KEYS[2]}\t(none)\n`,
    );
  });

  it.each([
    ['wg set wireguard.cali', 'wg: expected show or showconf, found "set"'],
    ['wg show lo', 'expected a WireGuard device, found "lo"'],
    ['wg showconf lo', 'expected a WireGuard device, found "lo"'],
    ['wg showconf', 'wg showconf: expected a WireGuard device'],
    ['wg showconf wireguard.cali dump', 'no more words, found "dump"'],
    ['wg show wireguard.cali private-key', 'found "private-key"'],
  ])('%s is refused', (command, message) => expect(() => run(command)).toThrow(message));
});

describe('wg show of a tunnel that lives', () => {
  const traffic = [
    { handshake: { at: 1_800_000_000, ago: 71 }, received: 1023, sent: 1024 },
    { handshake: { at: 1_800_000_071, ago: 0 }, received: 0, sent: 5 * 2 ** 40 },
  ];
  const live = namespace({
    devices: [
      lo,
      device({
        name: 'wg0',
        index: 9,
        kind: 'wireguard',
        wireguard: {
          ...wireguard,
          peers: wireguard.peers.map((peer, i) => ({ ...peer, traffic: traffic[i]! })),
        },
      }),
    ],
  });
  const said = (command: string): string => runCommand(live, command.split(' '));

  it('who was heard of last stands first, with times and sizes in words', () => {
    const lines = said('wg show').split('\n');
    expect(lines.filter((line) => line.startsWith('peer'))).toEqual([
      `peer: ${KEYS[2]}`,
      `peer: ${KEYS[1]}`,
    ]);
    expect(lines.filter((line) => /latest|transfer/.test(line))).toEqual([
      '  latest handshake: Now',
      '  transfer: 0 B received, 5.00 TiB sent',
      '  latest handshake: 1 minute, 11 seconds ago',
      '  transfer: 1023 B received, 1.00 KiB sent',
    ]);
  });

  it.each([
    [1, '1 second ago'],
    [3600, '1 hour ago'],
    [86399, '23 hours, 59 minutes, 59 seconds ago'],
    [366 * 86400 + 60, '1 year, 1 day, 1 minute ago'],
  ])('%i seconds are %s', (ago, text) => {
    const [peer] = wireguard.peers;
    const aged = { ...peer!, traffic: { handshake: { at: 1, ago }, received: 1, sent: 0 } };
    const ns = namespace({
      devices: [
        device({
          name: 'wg0',
          index: 9,
          kind: 'wireguard',
          wireguard: { ...wireguard, peers: [aged] },
        }),
      ],
    });
    expect(runCommand(ns, ['wg'])).toContain(`  latest handshake: ${text}\n`);
  });

  it('columns for scripts, and back from the text', () => {
    expect(said('wg show wg0 latest-handshakes')).toBe(
      `${KEYS[1]}\t1800000000\n${KEYS[2]}\t1800000071\n`,
    );
    expect(said('wg show wg0 transfer')).toBe(
      `${KEYS[1]}\t1023\t1024\n${KEYS[2]}\t0\t${5 * 2 ** 40}\n`,
    );
    const [listing] = parseWgShow(said('wg show'));
    expect(new Set(listing!.settings.peers)).toEqual(new Set(wireguard.peers));
  });

  it('keepalives and the dump, and back from it', () => {
    const [first, second] = wireguard.peers;
    const peers = [{ ...first!, persistentKeepalive: 25 }, second!];
    const ns = namespace({
      devices: [
        device({ name: 'wg0', index: 9, kind: 'wireguard', wireguard: { ...wireguard, peers } }),
      ],
    });
    const told = (command: string): string => runCommand(ns, command.split(' '));
    expect(told('wg')).toContain(
      '  allowed ips: 198.19.21.0/26, 198.19.21.2/32\n  persistent keepalive: every 25 seconds\n',
    );
    expect(told('wg show wg0 persistent-keepalive')).toBe(`${KEYS[1]}\t25\n${KEYS[2]}\toff\n`);
    // As wireguard-tools' dump_print, but for the private key.
    expect(told('wg show wg0 dump')).toBe(
      `(hidden)\t${KEYS[0]}\t51820\t0x100000\n` +
        `${KEYS[1]}\t(none)\t198.19.0.1:51820\t198.19.21.0/26,198.19.21.2/32\t0\t0\t0\t25\n` +
        `${KEYS[2]}\t(none)\t198.19.0.3:51820\t(none)\t0\t0\t0\toff\n`,
    );
    const settings = { ...wireguard, peers };
    const listing = [{ device: 'wg0', settings }];
    expect(parseWgShow(told('wg'))).toEqual(listing);
    expect(parseWgShow(told('wg show all dump'))).toEqual(listing);
    expect(parseWgShow(told('wg show wg0 dump'), { source: 'a' }, 'wg0')).toEqual(listing);
    expect(() => parseWgShow(told('wg show wg0 dump'))).toThrow("a device's name");
  });
});
