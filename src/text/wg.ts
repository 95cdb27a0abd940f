/**
 * `wg show`: WireGuard devices with their peers (wireguard-tools, show.c). A plan
 * holds no handshakes and no counters, so those lines are absent, as they are on
 * a device that has not sent yet.
 */
import type { DevicePlan, NamespacePlan, WireguardSettings } from '../plan/plan.ts';
import { formatIp4, formatPrefix } from '../wire/address.ts';
import { deviceWord, refuse } from './words.ts';

interface WireguardDevice {
  readonly name: string;
  readonly settings: WireguardSettings;
}

const settingsOf = ({ name, wireguard }: DevicePlan): WireguardDevice[] =>
  wireguard === undefined ? [] : [{ name, settings: wireguard }];

const WHERE = 'wg show';

/** `wg [show [DEVICE|all|interfaces] [public-key|listen-port|fwmark|peers|endpoints|allowed-ips]]` */
export function runWg(ns: NamespacePlan, argv: readonly string[]): string {
  const words = [...argv];
  if (words.length > 0 && words.shift() !== 'show') refuse('wg', 'show', argv[0]);
  const devices = [...ns.devices].sort((a, b) => a.index - b.index).flatMap(settingsOf);
  if (words[0] === 'interfaces') return devices.map(({ name }) => `${name}\n`).join('');
  const all = words[0] === undefined || words[0] === 'all';
  const name = all ? undefined : deviceWord(ns, WHERE, [...words]);
  const shown = devices.filter((device) => all || device.name === name);
  if (!all && shown.length === 0) refuse(WHERE, 'a WireGuard device', words[0]);
  const [, word, more] = words;
  if (more !== undefined) refuse(WHERE, 'no more words', more);
  if (word === undefined) return shown.map(device).join('\n');
  const column = COLUMNS.get(word);
  if (column === undefined) return refuse(WHERE, [...COLUMNS.keys()].join(', '), word);
  // With `all` every line begins with its device.
  return shown
    .flatMap((d) => column(d.settings).map((line) => (all ? `${d.name}\t${line}` : line)))
    .map((line) => `${line}\n`)
    .join('');
}

const mark = (value: number): string => (value === 0 ? 'off' : `0x${value.toString(16)}`);

const endpointOf = ({ endpoint }: WireguardSettings['peers'][number]): string =>
  `${formatIp4(endpoint.address)}:${endpoint.port}`;

/** One word a device or a peer, for scripts; what is not there is `(none)`. */
const COLUMNS: ReadonlyMap<string, (settings: WireguardSettings) => readonly string[]> = new Map([
  ['public-key', (s: WireguardSettings) => [s.publicKey]],
  ['listen-port', (s: WireguardSettings) => [String(s.listenPort)]],
  ['fwmark', (s: WireguardSettings) => [mark(s.fwmark)]],
  ['peers', (s: WireguardSettings) => s.peers.map((p) => p.publicKey)],
  ['endpoints', (s: WireguardSettings) => s.peers.map((p) => `${p.publicKey}\t${endpointOf(p)}`)],
  [
    'allowed-ips',
    (s: WireguardSettings) =>
      s.peers.map((p) => `${p.publicKey}\t${p.allowedIps.map(formatPrefix).join(' ') || '(none)'}`),
  ],
]);

function device({ name, settings }: WireguardDevice): string {
  const head = [
    `interface: ${name}`,
    `  public key: ${settings.publicKey}`,
    '  private key: (hidden)',
    `  listening port: ${settings.listenPort}`,
    ...(settings.fwmark === 0 ? [] : [`  fwmark: ${mark(settings.fwmark)}`]),
  ];
  const peers = settings.peers.map((peer) => [
    `peer: ${peer.publicKey}`,
    `  endpoint: ${endpointOf(peer)}`,
    `  allowed ips: ${peer.allowedIps.map(formatPrefix).join(', ') || '(none)'}`,
  ]);
  return [head, ...peers].map((lines) => `${lines.join('\n')}\n`).join('\n');
}
