/**
 * Numbers of routing tables and route protocols with the names that iproute2
 * gives them (its rt_tables and rt_protos files), and its names of route types.
 * What has no name prints as a number: Felix's own protocol 80 is one.
 */
import type { RoutePlan, RouteType } from '../plan/plan.ts';

export type RouteTable = RoutePlan['table'];

const MAIN = 254;
const LOCAL = 255;

const TABLES: ReadonlyMap<string, number> = new Map([
  ['default', 253],
  ['main', MAIN],
  ['local', LOCAL],
]);

const PROTOCOLS: readonly (readonly [number, string])[] = [
  [0, 'unspec'],
  [1, 'redirect'],
  [2, 'kernel'],
  [3, 'boot'],
  [4, 'static'],
  [8, 'gated'],
  [9, 'ra'],
  [10, 'mrt'],
  [11, 'zebra'],
  [12, 'bird'],
  [13, 'dnrouted'],
  [14, 'xorp'],
  [15, 'ntk'],
  [16, 'dhcp'],
  [18, 'keepalived'],
  [42, 'babel'],
  [99, 'openr'],
  [186, 'bgp'],
  [187, 'isis'],
  [188, 'ospf'],
  [189, 'rip'],
  [192, 'eigrp'],
];

const TYPES: readonly RouteType[] = [
  'unicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'local',
  'broadcast',
];

export const tryRouteType = (text: string): RouteType | undefined =>
  TYPES.find((type) => type === text);

/** The number of a table, as in RTA_TABLE. */
export function tableNumber(table: RouteTable): number {
  if (table === 'main') return MAIN;
  return table === 'local' ? LOCAL : table;
}

/** One spelling for each table: 254 and 255 become `main` and `local`. */
export function tableOf(number: number): RouteTable {
  if (number === MAIN) return 'main';
  return number === LOCAL ? 'local' : number;
}

/** As `ip route show table all` prints it. */
export function tableName(table: RouteTable): string {
  const number = tableNumber(table);
  for (const [name, value] of TABLES) if (value === number) return name;
  return String(number);
}

/** `undefined` where the text is neither a table's name nor a number from 1 to 2^32 - 1. */
export function tryTable(text: string): RouteTable | undefined {
  const number = TABLES.get(text) ?? tryUnsigned(text, 2 ** 32 - 1);
  return number === undefined || number === 0 ? undefined : tableOf(number);
}

/** A protocol in the spelling `ip route` prints; `undefined` for an unknown name. */
export function tryProtocol(text: string): string | undefined {
  if (PROTOCOLS.some(([, name]) => name === text)) return text;
  const number = tryUnsigned(text, 255);
  if (number === undefined) return undefined;
  return PROTOCOLS.find(([value]) => value === number)?.[1] ?? String(number);
}

/** A decimal number from 0 to `limit`, or `undefined`. */
export function tryUnsigned(text: string, limit: number): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= limit ? value : undefined;
}
