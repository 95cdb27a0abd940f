/** Reads `wg show DEVICE dump` and `wg show all dump`: a line a device, a line a peer. */
import type { WireguardPeerPlan } from '../plan/plan.ts';
import { type PastedLine, refuseLine, tryDeviceName, wordsOf } from './line-reader.ts';
import { tryUnsigned } from './route-name.ts';
import { withoutConfSecrets } from './wg-conf-reader.ts';

/** 32 bytes in base64: 43 characters and one `=`. */
export const WG_KEY: RegExp = /^[A-Za-z0-9+/]{43}=$/;
const HIDDEN = '(hidden)';

const isKey = (word = ''): boolean => WG_KEY.test(word) || word === '(none)' || word === HIDDEN;

/** What a line holds from its first key on: a device has 4 words, a peer 8. */
interface DumpLine {
  readonly device: string | undefined;
  readonly words: readonly string[];
}

/** `undefined` for what is no line of a dump. */
export function wgDumpLine(text: string): DumpLine | undefined {
  const words = wordsOf(text);
  const named = words.length === 5 || words.length === 9;
  const rest = named ? words.slice(1) : words;
  if (!isKey(rest[0]) || !isKey(rest[1])) return undefined;
  const [, , third = '', last = ''] = rest;
  const isDevice = rest.length === 4 && /^\d+$/.test(third) && /^(off|0x\w+)$/.test(last);
  const isPeer = rest.length === 8 && /^(off|\d+)$/.test(rest[7]!);
  if (!isDevice && !isPeer) return undefined;
  return { device: named ? words[0] : undefined, words: rest };
}

/** The same facts as lines of `wg show`, for one reader of both. */
export function shownLines(line: PastedLine, device: string | undefined): PastedLine[] | undefined {
  const dumped = wgDumpLine(line.text);
  if (dumped === undefined) return undefined;
  const say = (facts: readonly string[]): PastedLine[] => facts.map((text) => ({ ...line, text }));
  if (dumped.words.length === 4) {
    const [, publicKey, port, mark] = dumped.words;
    const name = tryDeviceName(dumped.device ?? device ?? '');
    if (name === undefined)
      refuseLine(line, "a device's name before the keys", dumped.device ?? '');
    const key = publicKey === '(none)' ? [] : [`public key: ${publicKey}`];
    return say([`interface: ${name}`, ...key, `listening port: ${port}`, `fwmark: ${mark}`]);
  }
  const [publicKey, , endpoint, allowed, , , , keepalive] = dumped.words;
  return say([
    `peer: ${publicKey}`,
    ...(endpoint === '(none)' ? [] : [`endpoint: ${endpoint}`]),
    `allowed ips: ${allowed}`,
    ...(keepalive === 'off' ? [] : [`persistent keepalive: every ${keepalive} seconds`]),
  ]);
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['second', 1],
  ['minute', 60],
  ['hour', 3600],
  ['day', 86400],
]);
/** The greatest of `wg set … persistent-keepalive`. */
const MAX_KEEPALIVE = 65535;

/** `every 1 minute, 5 seconds` in seconds, or `undefined`. */
export function tryKeepalive(text: string): WireguardPeerPlan['persistentKeepalive'] {
  if (!text.startsWith('every ')) return undefined;
  let sum = 0;
  for (const part of text.slice('every '.length).split(', ')) {
    const [, count = '', unit = ''] = /^(\d{1,5}) (second|minute|hour|day)s?$/.exec(part) ?? [];
    const seconds = tryUnsigned(count, MAX_KEEPALIVE);
    if (seconds === undefined) return undefined;
    sum += seconds * UNITS.get(unit)!;
  }
  return sum > 0 && sum <= MAX_KEEPALIVE ? sum : undefined;
}

/** A line of `wg` without the keys that are secret: nobody needs them, and they belong into no file. */
export function withoutWgSecrets(text: string): string {
  const conf = withoutConfSecrets(text);
  if (conf !== text) return conf;
  const told = /^(\s*(?:private|preshared) key:\s*)\S/.exec(text);
  if (told !== null) return `${told[1]}${HIDDEN}`;
  const dumped = wgDumpLine(text);
  if (dumped === undefined) return text;
  const secret = (dumped.device === undefined ? 0 : 1) + (dumped.words.length === 4 ? 0 : 1);
  let at = 0;
  return text.replace(/\S+/g, (word) => (at++ === secret && WG_KEY.test(word) ? HIDDEN : word));
}
