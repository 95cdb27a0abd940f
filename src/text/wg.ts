/**
 * `wg show` and `wg showconf`: WireGuard devices with their peers (wireguard-tools, show.c
 * and showconf.c). A plan by itself has no handshakes and no counters: those lines are then absent, as they are
 * on a device that has not sent yet.
 */
import type {
  DevicePlan,
  NamespacePlan,
  WireguardPeerPlan,
  WireguardSettings,
} from '../plan/plan.ts';
import { formatIp4, formatPrefix } from '../wire/address.ts';
import { deviceWord, refuse } from './words.ts';

interface WireguardDevice {
  readonly name: string;
  readonly settings: WireguardSettings;
}

const settingsOf = ({ name, wireguard }: DevicePlan): WireguardDevice[] =>
  wireguard === undefined ? [] : [{ name, settings: wireguard }];

const WHERE = 'wg show';

/** `wg [show [DEVICE|all|interfaces] [public-key|listen-port|fwmark|peers|endpoints|allowed-ips|latest-handshakes|transfer|persistent-keepalive|preshared-keys|dump]]`, `wg showconf DEVICE` */
export function runWg(ns: NamespacePlan, argv: readonly string[]): string {
  const [command = 'show', ...words] = argv;
  const devices = [...ns.devices].sort((a, b) => a.index - b.index).flatMap(settingsOf);
  if (command === 'showconf') return showConf(devices, words);
  if (command !== 'show') refuse('wg', 'show or showconf', command);
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

/** Who was heard of last stands first (peer_cmp). */
const byHandshake = (a: WireguardPeerPlan, b: WireguardPeerPlan): number =>
  (b.traffic?.handshake?.at ?? 0) - (a.traffic?.handshake?.at ?? 0);

function trafficLines({ traffic }: WireguardPeerPlan): string[] {
  if (traffic === undefined) return [];
  const { handshake, received, sent } = traffic;
  return [
    ...(handshake === undefined ? [] : [`  latest handshake: ${formatAge(handshake.ago)}`]),
    ...(received === 0 && sent === 0
      ? []
      : [`  transfer: ${formatBytes(received)} received, ${formatBytes(sent)} sent`]),
  ];
}

const UNITS: readonly (readonly [string, number])[] = [
  ['year', 365 * 86400],
  ['day', 86400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

/** `1 minute, 11 seconds ago` (show.c ago). */
const formatAge = (seconds: number): string =>
  seconds === 0 ? 'Now' : `${formatSpan(seconds)} ago`;

/** pretty_time of show.c. */
function formatSpan(seconds: number): string {
  let left = seconds;
  const parts = UNITS.flatMap(([unit, size]) => {
    const count = Math.floor(left / size);
    left %= size;
    return count === 0 ? [] : [`${count} ${unit}${count === 1 ? '' : 's'}`];
  });
  return parts.join(', ');
}

/** `4.00 KiB` (show.c bytes). */
function formatBytes(count: number): string {
  if (count < 1024) return `${count} B`;
  const power = Math.min(4, Math.floor(Math.log2(count) / 10));
  return `${(count / 1024 ** power).toFixed(2)} ${['KiB', 'MiB', 'GiB', 'TiB'][power - 1]}`;
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
  [
    'latest-handshakes',
    (s: WireguardSettings) =>
      s.peers.map((p) => `${p.publicKey}\t${p.traffic?.handshake?.at ?? 0}`),
  ],
  [
    'transfer',
    (s: WireguardSettings) =>
      s.peers.map((p) => `${p.publicKey}\t${p.traffic?.received ?? 0}\t${p.traffic?.sent ?? 0}`),
  ],
  [
    'persistent-keepalive',
    (s: WireguardSettings) =>
      s.peers.map((p) => `${p.publicKey}\t${p.persistentKeepalive ?? 'off'}`),
  ],
  ['preshared-keys', (s: WireguardSettings) => s.peers.map((p) => `${p.publicKey}\t(none)`)],
  ['dump', dump],
]);

/** Private keys are hidden here too, where the tool itself prints them. */
function dump({ publicKey, listenPort, fwmark, peers }: WireguardSettings): string[] {
  const head = ['(hidden)', publicKey, listenPort, mark(fwmark)];
  const lines = peers.map((peer) => [
    peer.publicKey,
    '(none)',
    endpointOf(peer),
    peer.allowedIps.map(formatPrefix).join(',') || '(none)',
    peer.traffic?.handshake?.at ?? 0,
    peer.traffic?.received ?? 0,
    peer.traffic?.sent ?? 0,
    peer.persistentKeepalive ?? 'off',
  ]);
  return [head, ...lines].map((words) => words.join('\t'));
}

function showConf(devices: readonly WireguardDevice[], [name, more]: readonly string[]): string {
  const shown = devices.find((one) => one.name === name);
  if (shown === undefined) return refuse('wg showconf', 'a WireGuard device', name);
  if (more !== undefined) refuse('wg showconf', 'no more words', more);
  return conf(shown.settings);
}

/** As of a device without a private key, whatever it has. */
function conf({ listenPort, fwmark, peers }: WireguardSettings): string {
  const head = ['[Interface]', `ListenPort = ${listenPort}`];
  if (fwmark !== 0) head.push(`FwMark = ${mark(fwmark)}`);
  const sections = peers.map((peer) => [
    '[Peer]',
    `PublicKey = ${peer.publicKey}`,
    ...(peer.allowedIps.length === 0
      ? []
      : [`AllowedIPs = ${peer.allowedIps.map(formatPrefix).join(', ')}`]),
    `Endpoint = ${endpointOf(peer)}`,
    ...(peer.persistentKeepalive === undefined
      ? []
      : [`PersistentKeepalive = ${peer.persistentKeepalive}`]),
  ]);
  const text = (lines: readonly string[]): string => `${lines.join('\n')}\n`;
  return `${text(head)}\n${sections.map(text).join('\n')}`;
}

function device({ name, settings }: WireguardDevice): string {
  const head = [
    `interface: ${name}`,
    `  public key: ${settings.publicKey}`,
    '  private key: (hidden)',
    `  listening port: ${settings.listenPort}`,
    ...(settings.fwmark === 0 ? [] : [`  fwmark: ${mark(settings.fwmark)}`]),
  ];
  const peers = [...settings.peers]
    .sort(byHandshake)
    .map((peer) => [
      `peer: ${peer.publicKey}`,
      `  endpoint: ${endpointOf(peer)}`,
      `  allowed ips: ${peer.allowedIps.map(formatPrefix).join(', ') || '(none)'}`,
      ...trafficLines(peer),
      ...(peer.persistentKeepalive === undefined
        ? []
        : [`  persistent keepalive: every ${formatSpan(peer.persistentKeepalive)}`]),
    ]);
  return [head, ...peers].map((lines) => `${lines.join('\n')}\n`).join('\n');
}
