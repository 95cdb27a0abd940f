/**
 * Reads the neighbour table as `ip neigh` and `arp` print it. Entries that no plan
 * has a place for are left out: IPv6, proxy entries, and those without a state.
 */
import type { NeighbourPlan, NeighbourState } from '../plan/plan.ts';
import { tryIp4, tryMac } from '../wire/address.ts';
import { type TextPlace, WordCursor, wordsOf, writtenLines } from './line-reader.ts';

const STATES: ReadonlyMap<string, NeighbourState | undefined> = new Map([
  ...(
    ['PERMANENT', 'NOARP', 'REACHABLE', 'STALE', 'DELAY', 'PROBE', 'INCOMPLETE', 'FAILED'] as const
  ).map((state): [string, NeighbourState] => [state, state]),
  ['NONE', undefined],
]);

/** Is the word one that ends a line of `ip neigh`? */
export const isNeighbourState = (word: string): boolean => STATES.has(word);

/** Words without a value, and those of `-s` with one. */
const FLAGS = new Set(['router', 'extern_learn', 'managed', 'offload']);
const STATISTICS = new Set(['ref', 'used', 'probes']);

/**
 * `ip neigh` and `ip -br neigh`, in the order of the text. `device` is that of a listing
 * filtered by one, whose lines do not name it. The brief form tells no states: REACHABLE
 * with a link address, FAILED without. Throws ERR_CONFIG_VALUE with the line.
 */
export function parseIpNeigh(
  text: string,
  place: TextPlace = { source: 'ip neigh' },
  device?: string,
): NeighbourPlan[] {
  return writtenLines(text, place).flatMap((line) => {
    const cursor = new WordCursor(line);
    if (cursor.peek?.includes(':')) return [];
    return isBriefNeighbour(wordsOf(line.text))
      ? readBrief(cursor, device)
      : readEntry(cursor, device);
  });
}

/** Is it a line of `ip -br neigh`: an address, a device unless one was asked for, a link address? */
export function isBriefNeighbour([address = '', ...rest]: readonly string[]): boolean {
  if (tryIp4(address) === undefined || rest.length > 2) return false;
  const known = rest.filter((word) => tryMac(word) === undefined);
  return known.length < 2 && !known.some((word) => STATES.has(word) || LONG_FORM.has(word));
}

/** Words of the other form, none of which a device is called here. */
const LONG_FORM = new Set([
  'dev',
  'lladdr',
  'proxy',
  'router',
  'extern_learn',
  'managed',
  'offload',
]);

function readBrief(cursor: WordCursor, listed: string | undefined): NeighbourPlan[] {
  const address = cursor.ip4('of a neighbour');
  const named = !cursor.done && tryMac(cursor.peek ?? '') === undefined;
  const device = named ? cursor.device('after the address') : listed;
  if (device === undefined) return cursor.fail('a device', cursor.peek);
  if (cursor.done) return [{ device, address, state: 'FAILED' }];
  return [{ device, address, mac: cursor.mac('at the end'), state: 'REACHABLE' }];
}

function readEntry(cursor: WordCursor, listed: string | undefined): NeighbourPlan[] {
  const address = cursor.ip4('of a neighbour');
  let device = listed;
  let mac: NeighbourPlan['mac'];
  while (!cursor.done) {
    if (cursor.skip('dev')) device = cursor.device('after dev');
    else if (cursor.skip('lladdr')) mac = cursor.value('a link address', readLinkAddress);
    else if (cursor.skip('proxy')) return [];
    else {
      const word = cursor.next('a state');
      if (FLAGS.has(word)) continue;
      if (STATISTICS.has(word)) {
        // iproute2 6.1 forgot the blank: `used 0/60/0probes 4`.
        if (cursor.next(`a figure after ${word}`).endsWith('probes')) cursor.next('a figure');
        continue;
      }
      if (!STATES.has(word)) cursor.fail('dev, lladdr or a state such as REACHABLE', word);
      const state = STATES.get(word);
      if (state === undefined) return [];
      if (device === undefined) return cursor.fail('dev before the state', word);
      return [{ device, address, ...(mac === undefined ? {} : { mac }), state }];
    }
  }
  return cursor.fail('a state such as REACHABLE', undefined);
}

/** Tunnel devices list an IPv4 address here; such entries are not used. */
const readLinkAddress = (word: string) =>
  tryMac(word) ??
  (tryIp4(word) === undefined ? undefined : (0 as NonNullable<NeighbourPlan['mac']>));

/**
 * `arp -an` or `arp -n`, in the order of the text. Which of the valid states an
 * entry has, the command does not tell: REACHABLE, or PERMANENT where it says so.
 * Throws ERR_CONFIG_VALUE with the line.
 */
export function parseArp(text: string, place: TextPlace = { source: 'arp' }): NeighbourPlan[] {
  return writtenLines(text, place).flatMap((line) => {
    if (isArpTitle(line.text)) return [];
    const cursor = new WordCursor(line);
    return line.text.includes(') at ') ? readSentence(cursor) : readRow(cursor);
  });
}

/** The title line of `arp -n`. */
export const isArpTitle = (text: string): boolean => /^\s{0,80}Address\s{1,80}HWtype\s/.test(text);

function readSentence(cursor: WordCursor): NeighbourPlan[] {
  cursor.next('? or a name');
  const address = cursor.value('an IPv4 address in brackets', (word) =>
    word.startsWith('(') && word.endsWith(')') ? tryIp4(word.slice(1, -1)) : undefined,
  );
  if (!cursor.skip('at')) cursor.fail('at', cursor.peek);
  if (cursor.skip('<incomplete>')) return [{ device: onDevice(cursor), address, state: 'FAILED' }];
  // Published entries are what the host answers for, not what it knows.
  if (cursor.skip('<from_interface>') || cursor.skip('*')) return [];
  const mac = cursor.mac('after at');
  if (cursor.peek?.startsWith('[')) cursor.next('a type');
  const permanent = cursor.skip('PERM');
  return [{ device: onDevice(cursor), address, mac, state: permanent ? 'PERMANENT' : 'REACHABLE' }];
}

function onDevice(cursor: WordCursor): string {
  while (!cursor.done && cursor.peek !== 'on') cursor.next('on');
  cursor.next('on and a device');
  return cursor.device('after on');
}

function readRow(cursor: WordCursor): NeighbourPlan[] {
  const address = cursor.ip4('of a neighbour');
  if (cursor.skip('(incomplete)')) {
    return [{ device: cursor.device('at the end'), address, state: 'FAILED' }];
  }
  cursor.next('ether');
  const mac = cursor.mac('after the type');
  const flags = cursor.next('flags such as C or CM');
  const rest = [cursor.next('a device')];
  while (!cursor.done) rest.push(cursor.next('a device'));
  const device = rest.at(-1) as string;
  if (flags.includes('P')) return [];
  return [{ device, address, mac, state: flags.includes('M') ? 'PERMANENT' : 'REACHABLE' }];
}
