/** Reads `wg show`, its dump and `wg showconf`: devices, their keys and ports, and the peers of each. */
import type { WireguardPeerPlan, WireguardSettings } from '../plan/plan.ts';
import { networkOf, type Prefix, tryInterfaceAddress, tryIp4 } from '../wire/address.ts';
import {
  type PastedLine,
  refuseLine,
  type TextPlace,
  tryDeviceName,
  writtenLines,
} from './line-reader.ts';
import { tryUnsigned } from './route-name.ts';
import { shownConf } from './wg-conf-reader.ts';
import { shownLines, tryKeepalive, WG_KEY } from './wg-dump-reader.ts';

export interface WireguardListing {
  readonly device: string;
  readonly settings: WireguardSettings;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type PeerDraft = Partial<Writable<WireguardPeerPlan>> & { readonly publicKey: string };

/**
 * Devices in the order of the text. A peer without an IPv4 endpoint, which the
 * device cannot send to, is left out. `device` is whose dump it is, where the lines do
 * not say so. Throws ERR_CONFIG_VALUE with the line.
 */
export function parseWgShow(
  text: string,
  place: TextPlace = { source: 'wg show' },
  device?: string,
): WireguardListing[] {
  const listings: { device: string; settings: Writable<WireguardSettings>; drafts: PeerDraft[] }[] =
    [];
  const lines = shownConf(writtenLines(text, place), device).flatMap(
    (line) => shownLines(line, device) ?? [line],
  );
  for (const line of lines) {
    const [key, value] = split(line);
    const open = listings.at(-1);
    if (key === 'interface') {
      const name = tryDeviceName(value) ?? refuseLine(line, 'a device name after interface', value);
      listings.push({
        device: name,
        settings: { publicKey: '', listenPort: 0, fwmark: 0, peers: [] },
        drafts: [],
      });
    } else if (open === undefined) refuseLine(line, 'interface: NAME first', line.text);
    else if (key === 'peer') open.drafts.push({ publicKey: keyOf(line, value) });
    else readFact(line, key, value, open.settings, open.drafts.at(-1));
  }
  return listings.map(({ device: name, settings, drafts }) => ({
    device: name,
    settings: { ...settings, peers: drafts.flatMap(finish) },
  }));
}

function split(line: PastedLine): [string, string] {
  const colon = line.text.indexOf(':');
  if (colon < 0) refuseLine(line, 'KEY: VALUE', line.text);
  return [line.text.slice(0, colon).trim(), line.text.slice(colon + 1).trim()];
}

const keyOf = (line: PastedLine, value: string): string =>
  WG_KEY.test(value) ? value : refuseLine(line, 'a key of 32 bytes in base64', value);

function readFact(
  line: PastedLine,
  key: string,
  value: string,
  settings: Writable<WireguardSettings>,
  peer: PeerDraft | undefined,
): void {
  const missing = (expected: string): never => refuseLine(line, expected, value);
  if (key === 'public key') settings.publicKey = keyOf(line, value);
  else if (key === 'listening port') {
    settings.listenPort = tryUnsigned(value, 65535) ?? missing('a port');
  } else if (key === 'fwmark') {
    settings.fwmark = value === 'off' ? 0 : (mark(value) ?? missing('a mark such as 0x100000'));
  } else if (peer === undefined) return;
  else if (key === 'endpoint') {
    const endpoint = endpointOf(value);
    if (endpoint !== undefined) peer.endpoint = endpoint;
    else if (!value.startsWith('[')) missing('ADDRESS:PORT');
  } else if (key === 'allowed ips') {
    const named = value === '(none)' ? [] : value.split(',');
    // A file may have several lines of them.
    peer.allowedIps = [
      ...(peer.allowedIps ?? []),
      ...named.flatMap((v) => prefixOf(line, v.trim())),
    ];
  } else if (key === 'persistent keepalive') {
    const seconds = tryKeepalive(value) ?? missing('a time such as every 25 seconds');
    peer.persistentKeepalive = seconds;
  }
}

const mark = (text: string): number | undefined =>
  /^0x[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text.slice(2), 16) : undefined;

function endpointOf(text: string): WireguardPeerPlan['endpoint'] | undefined {
  const colon = text.lastIndexOf(':');
  const address = tryIp4(text.slice(0, Math.max(0, colon)));
  const port = tryUnsigned(text.slice(colon + 1), 65535);
  return address === undefined || port === undefined ? undefined : { address, port };
}

function prefixOf(line: PastedLine, text: string): Prefix[] {
  if (text.includes(':')) return [];
  const address = tryInterfaceAddress(text) ?? refuseLine(line, 'an IPv4 prefix', text);
  return [networkOf(address)];
}

const finish = ({ endpoint, allowedIps = [], ...more }: PeerDraft): WireguardPeerPlan[] =>
  endpoint === undefined ? [] : [{ ...more, endpoint, allowedIps }];
