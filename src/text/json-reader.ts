/**
 * The JSON of `ip -j` and `bridge -j` as the lines of the same command without `-j`,
 * which have readers already. Every value is checked here, where its place is known.
 */
import { PodwireError } from '../errors.ts';
import { tryIp4, tryMac } from '../wire/address.ts';
import { refuseLine } from './line-reader.ts';

/** What a JSON listing may be of. */
export type JsonListing = 'link' | 'route' | 'neigh' | 'fdb' | 'rule';

interface Place {
  readonly source: string;
  readonly line: number;
}

type Members = ReadonlyMap<string, unknown>;

/**
 * Lines, each with a line feed; IPv6 is left out. `kind` is undefined where nobody said
 * which command it was. Throws ERR_CONFIG_SYNTAX and ERR_CONFIG_VALUE with the place.
 */
export function plainListing(
  json: string,
  place: Place,
  kind: JsonListing | undefined,
): { readonly kind: JsonListing; readonly text: string } | undefined {
  const rows = readRows(json, place);
  const listing = kind ?? listingOf(rows);
  if (listing === undefined) return undefined;
  const print = PRINTERS[listing];
  const lines = rows.flatMap((row) => (row.size === 0 ? [] : print(new Row(row, place))));
  return { kind: listing, text: lines.map((line) => `${line}\n`).join('') };
}

function readRows(json: string, place: Place): Members[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = undefined;
  }
  if (!Array.isArray(value)) {
    throw new PodwireError('ERR_CONFIG_SYNTAX', 'expected a list in JSON, found another text', {
      source: place.source,
      line: place.line,
    });
  }
  return value.map((row: unknown) => membersOf(row) ?? refuseLine(place, 'an object', 'no object'));
}

const membersOf = (value: unknown): Members | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? new Map(Object.entries(value))
    : undefined;

/** By the first row: each command has members of its own. */
function listingOf([first]: readonly Members[]): JsonListing | undefined {
  if (first === undefined) return undefined;
  if (first.has('ifindex')) return 'link';
  if (first.has('mac')) return 'fdb';
  if (first.has('priority')) return 'rule';
  if (!first.has('dst')) return undefined;
  return first.has('state') || first.has('lladdr') ? 'neigh' : 'route';
}

/** One row, and readers of its members. */
class Row {
  private readonly members: Members;
  private readonly place: Place;

  constructor(members: Members, place: Place) {
    this.members = members;
    this.place = place;
  }

  has(key: string): boolean {
    return this.members.has(key);
  }

  isFalse(key: string): boolean {
    return this.members.get(key) === false;
  }

  /** A word, or '' where the member is missing. */
  word(key: string): string {
    const value = this.members.get(key);
    if (value === undefined || value === null) return '';
    if (typeof value === 'number' && Number.isFinite(value)) return String(value);
    if (typeof value === 'string' && /^[!-~]{1,100}$/.test(value)) return value;
    return refuseLine(this.place, `one word for "${key}"`, typeof value);
  }

  needed(key: string): string {
    return this.word(key) || refuseLine(this.place, `a value for "${key}"`, undefined);
  }

  number(key: string): number {
    const value = this.members.get(key);
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
    return refuseLine(this.place, `a number for "${key}"`, typeof value);
  }

  address(key: string): string {
    const text = this.needed(key);
    return tryIp4(text) === undefined
      ? refuseLine(this.place, `an IPv4 address for "${key}"`, text)
      : text;
  }

  mac(key: string): string {
    const text = this.needed(key);
    return tryMac(text) === undefined
      ? refuseLine(this.place, `an Ethernet address for "${key}"`, text)
      : text;
  }

  words(key: string): string[] {
    const value = this.members.get(key) ?? [];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    return list.map((_, i) => new Row(new Map([['', list[i]]]), this.place).needed(''));
  }

  rows(key: string): Row[] {
    const value = this.members.get(key) ?? [];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    return list.map((one) => {
      const members = membersOf(one);
      return members === undefined
        ? refuseLine(this.place, `objects for "${key}"`, typeof one)
        : new Row(members, this.place);
    });
  }

  inner(key: string): Row | undefined {
    const members = membersOf(this.members.get(key));
    return members && new Row(members, this.place);
  }

  /** `word value`, or nothing where the member is missing. */
  pair(key: string, word: string): string {
    const value = this.word(key);
    return value === '' ? '' : ` ${word} ${value}`;
  }
}

const six = (text: string): boolean => text.includes(':');

const PRINTERS: { readonly [K in JsonListing]: (row: Row) => string[] } = {
  link: linkLines,
  route: routeLine,
  neigh: neighbourLine,
  fdb: fdbLine,
  rule: ruleLine,
};

/** ip/ipaddress.c print_linkinfo, print_addrinfo */
function linkLines(row: Row): string[] {
  const link = row.word('link');
  const peer = link || (row.has('link_index') ? `if${row.number('link_index')}` : '');
  const at = peer !== '' ? `@${peer}` : row.has('link') ? '@NONE' : '';
  const flags = row.words('flags').join(',');
  const head =
    `${row.number('ifindex')}: ${row.needed('ifname')}${at}: <${flags}> mtu ${row.number('mtu')}` +
    `${row.pair('qdisc', 'qdisc')}${row.pair('master', 'master')}${row.pair('operstate', 'state')}${row.pair('txqlen', 'qlen')}`;
  const type = row.word('link_type');
  const netns = row.pair('link_netns', 'link-netns');
  const address = type === 'ether' ? row.mac('address') : row.word('address');
  const info = row.inner('linkinfo');
  return [
    head,
    ...(type === '' ? [] : [`    link/${type} ${address}${netns}`.trimEnd()]),
    ...(info === undefined ? [] : kindLine(info)),
    ...row.words('altnames').map((name) => `    altname ${name}`),
    ...row.rows('addr_info').flatMap((one) => addressLine(one, row.needed('ifname'))),
  ];
}

function kindLine(info: Row): string[] {
  const kind = info.word('info_kind');
  if (kind === '') return [];
  const data = info.inner('info_data');
  if (kind === 'bridge' && data !== undefined) {
    return [`    bridge${data.pair('ageing_time', 'ageing_time')}`];
  }
  if (kind !== 'vxlan' || data === undefined) return [`    ${kind}`];
  const local = data.has('local') ? ` local ${data.address('local')}` : '';
  const words = VXLAN_WORDS.map(([key, word]) => data.pair(key, word));
  // A listing that is whole names any TTL but an inherited one.
  if (data.has('ageing') && !data.has('ttl')) words.push(' ttl inherit');
  if (data.isFalse('learning')) words.push(' nolearning');
  const sum = data.isFalse('udp_csum') ? ' noudpcsum' : '';
  return [`    vxlan id ${data.number('id')}${local}${words.join('')}${sum}`];
}

const VXLAN_WORDS = [
  ['link', 'dev'],
  ['port', 'dstport'],
  ['tos', 'tos'],
  ['ttl', 'ttl'],
  ['df', 'df'],
  ['ageing', 'ageing'],
] as const;

function addressLine(row: Row, device: string): string[] {
  if (row.word('family') !== 'inet') return [];
  const broadcast = row.has('broadcast') ? ` brd ${row.address('broadcast')}` : '';
  const own = `${row.address('local')}/${row.number('prefixlen')}`;
  const secondary = row.has('secondary') ? ' secondary' : '';
  const label = row.word('label') || device;
  return [`    inet ${own}${broadcast} scope ${row.needed('scope')}${secondary} ${label}`];
}

/** ip/iproute.c print_route */
function routeLine(row: Row): string[] {
  const destination = row.needed('dst');
  const gateway = row.word('gateway');
  if (six(destination) || six(gateway) || row.inner('via') !== undefined) return [];
  const flags = row.words('flags').map((flag) => ` ${flag}`);
  const metrics = row.rows('metrics').flatMap((one) => METRICS.map((key) => one.pair(key, key)));
  const type = row.word('type');
  const words = ROUTE_WORDS.map(([key, word]) => row.pair(key, word));
  const hops = row.rows('nexthops').flatMap((hop) => {
    const weight = hop.has('weight') ? ` weight ${hop.number('weight')}` : '';
    const own = hop.words('flags').map((flag) => ` ${flag}`);
    return `\tnexthop${hop.pair('gateway', 'via')} dev ${hop.needed('dev')}${weight}${own.join('')}`;
  });
  return [
    [type === '' ? '' : `${type} `, destination, ...words, ...metrics, ...flags].join(''),
    ...hops,
  ];
}

const ROUTE_WORDS = [
  ['tos', 'tos'],
  ['gateway', 'via'],
  ['dev', 'dev'],
  ['table', 'table'],
  ['protocol', 'proto'],
  ['scope', 'scope'],
  ['prefsrc', 'src'],
  ['metric', 'metric'],
] as const;
const METRICS = ['mtu', 'advmss', 'initcwnd', 'initrwnd', 'hoplimit', 'window'] as const;

/** ip/ipneigh.c print_neigh */
function neighbourLine(row: Row): string[] {
  const destination = row.needed('dst');
  if (six(destination)) return [];
  const flags = ['router', 'proxy', 'extern_learn', 'offload', 'managed'];
  const set = flags.filter((flag) => row.has(flag)).map((flag) => ` ${flag}`);
  const states = row.words('state').map((state) => ` ${state}`);
  const link = row.has('lladdr') ? row.pair('lladdr', 'lladdr') : '';
  return [`${row.address('dst')}${row.pair('dev', 'dev')}${link}${set.join('')}${states.join('')}`];
}

/** bridge/fdb.c print_fdb */
function fdbLine(row: Row): string[] {
  const to = row.word('dst');
  if (six(to)) return [];
  const state = row.word('state');
  const flags = row.words('flags').map((flag) => ` ${flag}`);
  const valued = ['vlan', 'port', 'vni', 'src_vni'].map((key) => row.pair(key, key));
  const master = row.pair('master', 'master');
  const words = [row.pair('ifname', 'dev'), to === '' ? '' : ` dst ${row.address('dst')}`];
  const known = state === '' ? '' : ` ${state}`;
  return [[row.mac('mac'), ...words, ...valued, ...flags, master, known].join('')];
}

/** ip/iprule.c print_rule */
function ruleLine(row: Row): string[] {
  const end = (key: string, length: string, word: string): string => {
    const text = row.word(key);
    if (text === '') return '';
    return ` ${word} ${text}${row.has(length) ? `/${row.number(length)}` : ''}`;
  };
  if (six(row.word('src')) || six(row.word('dst'))) return [];
  const mask = row.word('fwmask');
  const mark = row.pair('fwmark', 'fwmark') + (mask === '' ? '' : `/${mask}`);
  const range = (low: string, high: string, one: string): string => {
    const start = row.has(low) ? row.number(low) : undefined;
    if (start === undefined) return row.pair(one, one);
    return ` ${one} ${start}-${row.number(high)}`;
  };
  const words = [
    row.has('not') ? ' not' : '',
    ` from ${row.word('src') || 'all'}${row.has('srclen') ? `/${row.number('srclen')}` : ''}`,
    end('dst', 'dstlen', 'to'),
    row.pair('tos', 'tos'),
    mark,
    row.pair('iif', 'iif'),
    row.pair('oif', 'oif'),
    range('uid_start', 'uid_end', 'uidrange'),
    row.pair('ipproto', 'ipproto'),
    range('sport_start', 'sport_end', 'sport'),
    range('dport_start', 'dport_end', 'dport'),
    row.has('table') ? ` lookup ${row.needed('table')}` : row.pair('action', ''),
    row.has('suppress_prefixlen')
      ? ` suppress_prefixlength ${row.number('suppress_prefixlen')}`
      : '',
    row.has('goto') ? ` goto ${row.number('goto')}` : '',
    row.has('nop') ? ' nop' : '',
  ];
  return [`${row.number('priority')}:${words.join('')}`];
}
