/** Reads `bridge fdb show` (bridge/fdb.c print_fdb). */
import type { FdbPlan } from '../plan/plan.ts';
import { tryIp4 } from '../wire/address.ts';
import { type TextPlace, WordCursor, writtenLines } from './line-reader.ts';

/** Words with a value that a plan has no place for: they concern VLANs and other VNIs. */
const VALUED = new Set(['vlan', 'port', 'vni', 'src_vni', 'via', 'link-netnsid', 'used']);
const FLAGS = new Set(['router', 'extern_learn', 'offload', 'sticky', 'added_by_user']);

/**
 * Entries in the order of the text, without those for an IPv6 VTEP; a learned one
 * has no word for its state. `device` is that of a listing filtered by one, whose
 * lines do not name it. Throws ERR_CONFIG_VALUE with the line.
 */
export function parseBridgeFdb(
  text: string,
  place: TextPlace = { source: 'bridge fdb' },
  device?: string,
): FdbPlan[] {
  return writtenLines(text, place).flatMap((line) => readEntry(new WordCursor(line), device));
}

function readEntry(cursor: WordCursor, listed: string | undefined): FdbPlan[] {
  const mac = cursor.mac('at the start of an FDB entry');
  let device = listed;
  let master: string | undefined;
  let self = false;
  let destination: FdbPlan['destination'];
  let state: FdbPlan['state'] = 'reachable';
  let six = false;
  while (!cursor.done) {
    const word = cursor.next('a word');
    if (word === 'dev') device = cursor.device('after dev');
    else if (word === 'dst') {
      const address = cursor.next('an address after dst');
      six = address.includes(':');
      destination = tryIp4(address);
      if (destination === undefined && !six) cursor.fail('an address after dst', address);
    } else if (word === 'master') master = cursor.device('after master');
    else if (word === 'self') self = true;
    else if (word === 'permanent' || word === 'static') state = word;
    else if (word === 'stale') state = 'reachable';
    else if (VALUED.has(word)) cursor.next(`a value after ${word}`);
    else if (!FLAGS.has(word)) cursor.fail('dev, dst, self, master, static or permanent', word);
  }
  if (device === undefined) return cursor.fail('dev', undefined);
  if (six) return [];
  return [
    {
      device,
      mac,
      ...(master === undefined || self ? {} : { master }),
      ...(destination === undefined ? {} : { destination }),
      state,
    },
  ];
}
