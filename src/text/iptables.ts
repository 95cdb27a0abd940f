/**
 * `iptables-save`, `iptables -S` and `ipset save` of a namespace, without counters and
 * without the comment lines, which hold the time of day.
 */
import type { ChainPlan, NetfilterPlan, NetfilterTable } from '../plan/netfilter.ts';
import type { NamespacePlan } from '../plan/plan.ts';
import { formatIp4, formatPrefix, type Prefix } from '../wire/address.ts';
import { refuse } from './words.ts';

const TABLES: readonly NetfilterTable[] = ['raw', 'mangle', 'nat', 'filter'];
const NOTHING: NetfilterPlan = { chains: [], sets: [] };

/** Built-in chains as the kernel has them, then all others by name. */
function chainsOf({ chains }: NetfilterPlan, table: NetfilterTable): readonly ChainPlan[] {
  const own = chains.filter((chain) => chain.table === table);
  const added = own.filter(({ policy }) => policy === undefined);
  return [
    ...own.filter(({ policy }) => policy !== undefined),
    ...added.sort((a, b) => (a.name < b.name ? -1 : 1)),
  ];
}

function saved(plan: NetfilterPlan, table: NetfilterTable): readonly string[] {
  const chains = chainsOf(plan, table);
  if (chains.length === 0) return [];
  return [
    `*${table}`,
    ...chains.map(({ name, policy }) => `:${name} ${policy ?? '-'} [0:0]`),
    ...chains.flatMap(({ rules }) => rules.map(({ text }) => text)),
    'COMMIT',
  ];
}

const inLines = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

/** What stands after `iptables-save`. Throws ERR_USAGE. */
export function runIptablesSave({ netfilter }: NamespacePlan, words: readonly string[]): string {
  const [tables, rest] = tableWord('iptables-save', words, TABLES);
  if (rest.length > 0) return refuse('iptables-save', 'no more words', rest[0]);
  return inLines(tables.flatMap((table) => saved(netfilter ?? NOTHING, table)));
}

/** What stands after `iptables`: `[-t TABLE] -S [CHAIN]`. Throws ERR_USAGE. */
export function runIptables({ netfilter }: NamespacePlan, words: readonly string[]): string {
  const [[table = 'filter'], rest] = tableWord('iptables', words, ['filter']);
  const [verb, wanted, ...more] = rest;
  if (verb !== '-S' && verb !== '--list-rules') return refuse('iptables', '[-t TABLE] -S', verb);
  if (more.length > 0) return refuse('iptables', 'no more words', more[0]);
  const chains = chainsOf(netfilter ?? NOTHING, table).filter(
    ({ name }) => wanted === undefined || name === wanted,
  );
  if (wanted !== undefined && chains.length === 0) {
    return refuse('iptables', `a chain of table ${table}`, wanted);
  }
  return inLines([
    ...chains.map(({ name, policy }) =>
      policy === undefined ? `-N ${name}` : `-P ${name} ${policy}`,
    ),
    ...chains.flatMap(({ rules }) => rules.map(({ text }) => text)),
  ]);
}

function tableWord(
  command: string,
  words: readonly string[],
  otherwise: readonly NetfilterTable[],
): readonly [readonly NetfilterTable[], readonly string[]] {
  if (words[0] !== '-t') return [otherwise, words];
  const table = TABLES.find((known) => known === words[1]);
  if (table === undefined) return refuse(command, TABLES.join(', '), words[1]);
  return [[table], words.slice(2)];
}

/** As Felix makes them (MaxIPSetSize). */
const SIZES = 'family inet hashsize 1024 maxelem 1048576';

/** A hash of networks takes no /0: two halves stand for it. */
const entries = (prefix: Prefix): readonly string[] => {
  if (prefix.length === 0) return ['0.0.0.0/1', '128.0.0.0/1'];
  return [prefix.length === 32 ? formatIp4(prefix.address) : formatPrefix(prefix)];
};

/** What stands after `ipset`: `save [SET]`. Throws ERR_USAGE. */
export function runIpset({ netfilter }: NamespacePlan, words: readonly string[]): string {
  const [verb, wanted, ...more] = words;
  if (verb !== 'save') return refuse('ipset', 'save', verb);
  if (more.length > 0) return refuse('ipset', 'no more words', more[0]);
  const sets = (netfilter ?? NOTHING).sets.filter(
    ({ name }) => wanted === undefined || name === wanted,
  );
  if (wanted !== undefined && sets.length === 0) return refuse('ipset', 'a set', wanted);
  return inLines(
    sets.flatMap(({ name, prefixes }) => [
      `create ${name} hash:net ${SIZES}`,
      ...new Set(prefixes.flatMap(entries).map((entry) => `add ${name} ${entry}`)),
    ]),
  );
}
