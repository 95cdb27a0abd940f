/** Reads the tables of `calicoctl get ippool|node|wep` and of `calicoctl node status`. */
import type { BgpSession } from '../plan/plan.ts';
import {
  type InterfaceAddress,
  type Prefix,
  tryInterfaceAddress,
  tryIp4,
  tryPrefix,
} from '../wire/address.ts';
import {
  type PastedLine,
  refuseLine,
  type TextPlace,
  wordsOf,
  writtenLines,
} from './line-reader.ts';
import { tryUnsigned } from './route-name.ts';

type Mode = 'Always' | 'CrossSubnet' | 'Never';

/** A row of `calicoctl get ippool`; without `-o wide` only the name and the CIDR. */
export interface PoolRow {
  readonly name: string;
  readonly cidr: Prefix;
  readonly natOutgoing?: boolean;
  readonly ipipMode?: Mode;
  readonly vxlanMode?: Mode;
  readonly disabled?: boolean;
  readonly disableBgpExport?: boolean;
  readonly selector?: string;
}

/** A row of `calicoctl get node -o wide`. */
export interface NodeRow {
  readonly name: string;
  /** Absent where the cluster's number is inherited, which prints in brackets. */
  readonly asNumber?: number;
  readonly address?: InterfaceAddress;
}

/** A row of `calicoctl get workloadendpoint`. */
export interface EndpointRow {
  readonly workload: string;
  readonly node: string;
  /** The pod's first IPv4 address. */
  readonly address?: InterfaceAddress;
  readonly device: string;
}

export interface CalicoctlTables {
  readonly pools: readonly PoolRow[];
  readonly nodes: readonly NodeRow[];
  readonly endpoints: readonly EndpointRow[];
}

/** The title line of one of these tables. */
export function isCalicoctlTitle(text: string): boolean {
  if (!/^(NAME|WORKLOAD)\s/.test(text)) return false;
  const [first, second] = wordsOf(text);
  if (first === 'WORKLOAD') return second === 'NODE';
  return first === 'NAME' && ['CIDR', 'ASN', 'WORKLOAD'].includes(second ?? '');
}

type Row = ReadonlyMap<string, string>;

/**
 * Tables in any order, each under its title line; IPv6 pools are left out. Throws
 * ERR_CONFIG_VALUE with the line.
 */
export function parseCalicoctl(
  text: string,
  place: TextPlace = { source: 'calicoctl' },
): CalicoctlTables {
  const tables = {
    pools: [] as PoolRow[],
    nodes: [] as NodeRow[],
    endpoints: [] as EndpointRow[],
  };
  let titles: string[] = [];
  for (const line of writtenLines(text, place)) {
    if (isCalicoctlTitle(line.text)) {
      titles = wordsOf(line.text);
      continue;
    }
    const row = readRow(line, titles);
    if (row.has('CIDR')) tables.pools.push(...readPool(line, row));
    else if (row.has('WORKLOAD')) tables.endpoints.push(readEndpoint(line, row));
    else if (row.has('ASN')) tables.nodes.push(readNode(line, row));
    else refuseLine(line, 'a title line such as NAME CIDR SELECTOR above its rows', line.text);
  }
  return tables;
}

/** Cells stand at least two blanks apart; a selector has single ones. */
function readRow(line: PastedLine, titles: readonly string[]): Row {
  const cells = line.text.trimStart().split(/ {2,}|\t+/);
  if (cells.length > titles.length && titles.length > 0) {
    refuseLine(line, `${titles.length} cells`, `${cells.length} cells`);
  }
  return new Map(titles.map((title, i) => [title, cells[i] ?? '']));
}

function readPool(line: PastedLine, row: Row): PoolRow[] {
  const cidr = row.get('CIDR') ?? '';
  if (cidr.includes(':')) return [];
  const pool = {
    name: row.get('NAME') ?? '',
    cidr: tryPrefix(cidr) ?? refuseLine(line, 'an IPv4 prefix', cidr),
  };
  const selector = row.get('SELECTOR');
  const known = selector === undefined ? {} : { selector };
  if (!row.has('IPIPMODE')) return [{ ...pool, ...known }];
  const modes = {
    natOutgoing: flag(line, row.get('NAT')),
    ipipMode: mode(line, row.get('IPIPMODE')),
    vxlanMode: row.has('VXLANMODE') ? mode(line, row.get('VXLANMODE')) : ('Never' as const),
    disabled: row.has('DISABLED') && flag(line, row.get('DISABLED')),
    disableBgpExport: row.has('DISABLEBGPEXPORT') && flag(line, row.get('DISABLEBGPEXPORT')),
  };
  return [{ ...pool, ...modes, ...known }];
}

function flag(line: PastedLine, word: string | undefined): boolean {
  if (word === 'true' || word === 'false') return word === 'true';
  return refuseLine(line, 'true or false', word);
}

function mode(line: PastedLine, word: string | undefined): Mode {
  if (word === 'Always' || word === 'CrossSubnet' || word === 'Never') return word;
  return refuseLine(line, 'Always, CrossSubnet or Never', word);
}

function readNode(line: PastedLine, row: Row): NodeRow {
  const number = row.get('ASN') ?? '';
  const inherited = number === '' || number.startsWith('(');
  const address = tryInterfaceAddress(row.get('IPV4') ?? '');
  return {
    name: row.get('NAME') ?? '',
    ...(inherited
      ? {}
      : { asNumber: tryUnsigned(number, 2 ** 32 - 1) ?? refuseLine(line, 'an AS number', number) }),
    ...(address === undefined ? {} : { address }),
  };
}

function readEndpoint(line: PastedLine, row: Row): EndpointRow {
  const device = row.get('INTERFACE') ?? '';
  if (device === '') refuseLine(line, 'an interface', undefined);
  const [first = ''] = (row.get('NETWORKS') ?? '').split(',');
  const address = tryInterfaceAddress(first);
  return {
    workload: row.get('WORKLOAD') ?? '',
    node: row.get('NODE') ?? '',
    device,
    ...(address === undefined ? {} : { address }),
  };
}

/** A peer as `calicoctl node status` lists it. */
export type SessionRow = Omit<BgpSession, 'node'> & { readonly since: string };

export interface NodeStatus {
  /** False where the process was said not to be running. */
  readonly running: boolean;
  readonly sessions: readonly SessionRow[];
}

/** Lines that belong to the listing. */
export const isNodeStatus = (text: string): boolean =>
  text.startsWith('+--') ||
  text.startsWith('| ') ||
  /^(Calico process is|IPv[46] BGP status|No IPv[46] peers found)/.test(text);

const KINDS = ['node-to-node mesh', 'global', 'node specific'] as const;
const STATES = ['up', 'start', 'down'] as const;

/** `calicoctl node status`, IPv4 peers only. Throws ERR_CONFIG_VALUE with the line. */
export function parseNodeStatus(
  text: string,
  place: TextPlace = { source: 'calicoctl node status' },
): NodeStatus {
  const sessions: SessionRow[] = [];
  let running = true;
  for (const line of writtenLines(text, place)) {
    if (line.text.includes('is not running')) running = false;
    if (!line.text.startsWith('|')) continue;
    const cells = line.text.split('|').map((cell) => cell.trim());
    if (cells[1] === 'PEER ADDRESS' || cells[1]?.includes(':')) continue;
    sessions.push(readSession(line, cells));
  }
  return { running, sessions };
}

function readSession(line: PastedLine, cells: readonly string[]): SessionRow {
  const [, address = '', kind, state, since = '', info = ''] = cells;
  if (cells.length !== 7) refuseLine(line, 'five cells', `${cells.length - 2} cells`);
  return {
    peer: tryIp4(address) ?? refuseLine(line, 'an IPv4 address', address),
    kind: KINDS.find((k) => k === kind) ?? refuseLine(line, KINDS.join(', '), kind),
    state: STATES.find((s) => s === state) ?? refuseLine(line, STATES.join(', '), state),
    since,
    info,
  };
}
