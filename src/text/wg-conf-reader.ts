/**
 * Reads what `wg showconf DEVICE` prints and `wg setconf` and wg-quick take (wireguard-tools,
 * config.c): sections of `Key = value`, in any case, in any order, with remarks.
 */
import { PrivateKey, tryKey } from '../wireguard/key.ts';
import { type PastedLine, refuseLine, tryDeviceName } from './line-reader.ts';

const HEAD = /^\s{0,8}\[(interface|peer)\]\s*(?:#|$)/i;
const FACT = /^\s{0,8}([A-Za-z]{1,20})\s{0,8}=\s{0,8}([^#]*)/;
const REMARK = /^\s*#/;
const PRIVATE = /^(\s*)private-?key\s*=\s*(\S.*)$/i;
const PRESHARED = /^(\s*preshared-?key\s*=\s*)\S/i;

/** Keys of both tools, small: what `wg show` calls them, or nothing where it shows none. */
const NAMES: ReadonlyMap<string, string | undefined> = new Map([
  ['publickey', 'public key'],
  ['listenport', 'listening port'],
  ['fwmark', 'fwmark'],
  ['endpoint', 'endpoint'],
  ['allowedips', 'allowed ips'],
  ['persistentkeepalive', 'persistent keepalive'],
  ...[
    'privatekey',
    'presharedkey',
    'address',
    'dns',
    'mtu',
    'table',
    'preup',
    'postup',
    'predown',
    'postdown',
    'saveconfig',
  ].map((name) => [name, undefined] as const),
]);

/** `[Interface]` and `[Peer]`. */
export const isWgConfHead = (text: string): boolean => HEAD.test(text);

/** A line that goes on after such a head. */
export const isWgConfFact = (text: string): boolean =>
  NAMES.has(FACT.exec(text)?.[1]?.toLowerCase() ?? '');

/** The same facts as lines of `wg show`; other lines stay. `device` is whose file it is. */
export function shownConf(lines: readonly PastedLine[], device: string | undefined): PastedLine[] {
  const shown: PastedLine[] = [];
  /** Where the peer's facts begin whose key was not named yet. */
  let open = -1;
  let head: PastedLine | undefined;
  const close = (): void => {
    if (open >= 0) refuseLine(head!, 'PublicKey in [Peer]', undefined);
  };
  for (const line of lines) {
    const section = HEAD.exec(line.text)?.[1]?.toLowerCase();
    if (section !== undefined) {
      close();
      head = line;
      if (section === 'peer') open = shown.length;
      else shown.push({ ...line, text: `interface: ${nameOf(line, device)}` });
      continue;
    }
    const [, key = '', value = ''] = head === undefined ? [] : (FACT.exec(line.text) ?? []);
    const name = NAMES.get(key.toLowerCase());
    if (name === 'public key' && open >= 0) {
      shown.splice(open, 0, { ...line, text: `peer: ${value.trim()}` });
      open = -1;
    } else if (name !== undefined) {
      const said = saying(name, value.trim());
      if (said !== undefined) shown.push({ ...line, text: `${name}: ${said}` });
    } else if (key === '' && !REMARK.test(line.text)) shown.push(line);
  }
  close();
  return shown;
}

const nameOf = (line: PastedLine, device: string | undefined): string =>
  tryDeviceName(device ?? '') ??
  refuseLine(line, 'wg showconf DEVICE before [Interface]', line.text);

/** The value as `wg show` has it; `undefined` for what it does not print. */
function saying(name: string, value: string): string | undefined {
  if (name === 'fwmark' && /^\d{1,10}$/.test(value)) return `0x${Number(value).toString(16)}`;
  if (name === 'allowed ips') return value === '' ? undefined : value;
  if (name !== 'persistent keepalive') return value;
  if (value === 'off' || value === '0') return undefined;
  return `every ${value} seconds`;
}

/** A line without a secret key; of a private one the public half stays. */
export function withoutConfSecrets(text: string): string {
  const [, space = '', secret] = PRIVATE.exec(text) ?? [];
  if (secret !== undefined) return `${space}${publicHalf(secret.trim())}`;
  const told = PRESHARED.exec(text);
  return told === null ? text : `${told[1]}(hidden)`;
}

function publicHalf(secret: string): string {
  const key = tryKey(secret);
  const isKey = key?.some((byte) => byte !== 0) === true;
  return isKey
    ? `PublicKey = ${new PrivateKey(key).publicKey.toString('base64')}`
    : 'PrivateKey = (hidden)';
}
