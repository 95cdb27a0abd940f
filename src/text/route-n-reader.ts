/** Reads `route -n`, which knows neither protocols nor onlink. */
import type { RoutePlan } from '../plan/plan.ts';
import { netmask, type Prefix, tryIp4 } from '../wire/address.ts';
import { type TextPlace, WordCursor, writtenLines } from './line-reader.ts';

/** One of the two title lines. */
export const isRouteTitle = (text: string): boolean =>
  /^\s{0,80}(Destination\s{1,80}Gateway\s|Kernel IP routing)/.test(text);

/**
 * Routes of the main table in the order of the text. A row that refuses reads as
 * unreachable, one without a device as blackhole: the command does not tell more.
 * Throws ERR_CONFIG_VALUE with the line.
 */
export function parseRouteN(text: string, place: TextPlace = { source: 'route -n' }): RoutePlan[] {
  return writtenLines(text, place)
    .filter((line) => !isRouteTitle(line.text))
    .map((line) => readRow(new WordCursor(line)));
}

function readRow(cursor: WordCursor): RoutePlan {
  const address = cursor.ip4('of a destination');
  const gateway = cursor.value('a gateway, * or -', (word) =>
    word === '-' || word === '*' ? 0 : tryIp4(word),
  );
  const mask = cursor.ip4('as a mask');
  const length = Math.clz32(~mask);
  if (netmask(length) !== mask) cursor.fail('a mask of leading ones', String(mask >>> 0));
  if ((address & ~mask) !== 0) cursor.fail('a destination within its mask', undefined);
  const flags = cursor.next('flags such as UG');
  if (!/^[UGHRDMAC!]{1,8}$/.test(flags)) cursor.fail('flags such as UG', flags);
  const metric = cursor.value('a metric', (word) =>
    word === '-' ? 0 : /^\d{1,10}$/.test(word) ? Number(word) : undefined,
  );
  cursor.next('a reference count');
  cursor.next('a use count');
  const word = cursor.next('a device');
  const destination: Prefix = { address, length };
  const common = {
    destination,
    table: 'main',
    protocol: 'boot',
    metric,
    onlink: false,
    origin: 'admin',
  } as const;
  if (flags.includes('!')) return { ...common, type: 'unreachable', scope: 'global' };
  if (word === '*') return { ...common, type: 'blackhole', scope: 'global' };
  const direct = gateway === 0;
  return {
    ...common,
    type: 'unicast',
    ...(direct ? {} : { via: gateway as NonNullable<RoutePlan['via']> }),
    device: word,
    scope: direct ? 'link' : 'global',
  };
}
