/**
 * Reads `ip -br addr`, `ip -br link` and `ip -o addr`: listings that name devices and
 * their addresses, but neither MTU nor, with `-br`, the index.
 */
import type { DeviceAddress } from '../plan/plan.ts';
import { type Mac, tryInterfaceAddress, tryMac } from '../wire/address.ts';
import {
  type PastedLine,
  refuseLine,
  type TextPlace,
  tryDeviceName,
  WordCursor,
  wordsOf,
  writtenLines,
} from './line-reader.ts';
import { readInet } from './link-reader.ts';

/** A device as far as such a listing tells. */
export interface BriefLink {
  readonly name: string;
  /** With `-o` only. */
  readonly index?: number;
  /** What follows `@`. */
  readonly peer?: string;
  readonly up: boolean;
  /** Of `ip -br link`. */
  readonly mac?: Mac;
  /** Absent where the listing is of links alone. */
  readonly addresses?: readonly DeviceAddress[];
  readonly source: string;
  readonly line: number;
}

/** As iproute2 colours and pads them. */
const STATES = ['UP', 'DOWN', 'UNKNOWN', 'LOWERLAYERDOWN', 'DORMANT', 'NOTPRESENT', 'TESTING'];

const BRIEF = /^\S{1,32}\s{1,16}(UP|DOWN|UNKNOWN|LOWERLAYERDOWN|DORMANT|NOTPRESENT|TESTING)(\s|$)/;
const ONELINE = /^\d{1,10}: \S{1,32}\s{4}inet6? \S{1,64} .{0,200}\\ /;

/** Is it a line of `ip -br link` or `ip -br addr`? */
export const isBriefLine = (text: string): boolean => BRIEF.test(text);

/** Is it a line of `ip -o addr`? */
export const isOnelineAddress = (text: string): boolean => ONELINE.test(text);

/** Lines of either kind, one device for each name. Throws ERR_CONFIG_VALUE with the line. */
export function parseBrief(text: string, place: TextPlace = { source: 'ip -br' }): BriefLink[] {
  const links = new Map<string, BriefLink>();
  for (const line of writtenLines(text, place)) {
    if (isOnelineAddress(line.text)) {
      const one = readOneline(line);
      const before = links.get(one.name);
      const addresses = [...(before?.addresses ?? []), ...(one.addresses ?? [])];
      links.set(one.name, { ...one, ...before, addresses });
    } else {
      const one = readBrief(line);
      links.set(one.name, one);
    }
  }
  return [...links.values()];
}

/** `eth0@if6  UP  10.0.0.1/24 fe80::1/64` or `eth0@if6  UP  52:54:00:85:ff:19 <BROADCAST,UP>` */
function readBrief(line: PastedLine): BriefLink {
  const [full = '', state = '', ...rest] = wordsOf(line.text);
  const [name = '', peer] = full.split('@');
  if (tryDeviceName(name) === undefined) refuseLine(line, 'a device name', full);
  if (!STATES.includes(state)) refuseLine(line, 'a state such as UP', state);
  const flags = rest.find((word) => word.startsWith('<'));
  const known = {
    name,
    ...(peer === undefined ? {} : { peer }),
    source: line.source,
    line: line.line,
  };
  if (flags !== undefined) {
    const mac = tryMac(rest[0] ?? '');
    const up = flags.slice(1, -1).split(',').includes('UP');
    return { ...known, up, ...(mac === undefined || mac === 0 ? {} : { mac }) };
  }
  const addresses = rest.flatMap((word): DeviceAddress[] => {
    // What follows `metric` or names a peer is no address of its own.
    if (word.includes(':') || !word.includes('/')) return [];
    const address = tryInterfaceAddress(word) ?? refuseLine(line, 'an ADDRESS/LENGTH', word);
    return [{ ...address, scope: name === 'lo' ? 'host' : 'global' }];
  });
  return { ...known, up: state !== 'DOWN', addresses };
}

/** `2: eth0    inet 10.0.0.1/24 brd 10.0.0.255 scope global eth0\       valid_lft …` */
function readOneline(line: PastedLine): BriefLink {
  const [own = ''] = line.text.split('\\');
  const cursor = new WordCursor({ ...line, text: own });
  const index = Number(cursor.next('an index').slice(0, -1));
  const [name = ''] = cursor.next('a device').split('@');
  if (tryDeviceName(name) === undefined) cursor.fail('a device name', name);
  const addresses = cursor.skip('inet') ? [readInet(cursor, name)] : [];
  return { name, index, up: true, addresses, source: line.source, line: line.line };
}
