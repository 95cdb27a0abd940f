/**
 * `iptables-save` and `ipset save` read: tables, chains, rules and sets, in the part
 * that Calico and kube-proxy write.
 */
import { PodwireError } from '../errors.ts';
import type {
  ChainPlan,
  IpSetPlan,
  NetfilterPlan,
  NetfilterRule,
  NetfilterTable,
} from '../plan/netfilter.ts';
import { tryPrefix } from '../wire/address.ts';
import { parseRule } from './iptables-rule.ts';
import { type RulePlace, refuseRule, ruleWords } from './iptables-words.ts';
import { wordsOf } from './line-reader.ts';

const TABLES: readonly string[] = ['raw', 'mangle', 'nat', 'filter'];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type ChainDraft = Mutable<ChainPlan> & { rules: NetfilterRule[] };
type SetDraft = Mutable<IpSetPlan> & { prefixes: IpSetPlan['prefixes'][number][] };

/** How a dump is read. */
export interface NetfilterReading {
  /** Line of the text's first line in the source; absent: 1. */
  readonly firstLine?: number;
  /**
   * Told of each rule or entry that is not modelled, which is then left out; without
   * it the first one ends the reading.
   */
  readonly leaveOut?: (why: PodwireError) => void;
  /** For a part of a dump: is this the name of a chain that another part declares? */
  readonly elsewhere?: (chain: string) => boolean;
}

/** Throws ERR_CONFIG_VALUE with the line. Lines that are neither are skipped. */
export function parseNetfilter(
  text: string,
  source = 'iptables-save',
  { firstLine = 1, leaveOut, elsewhere }: NetfilterReading = {},
): NetfilterPlan {
  const reader = new Reader(leaveOut, elsewhere);
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.replace(/^\[\d+:\d+\] /, '').trim();
    if (line === '') continue;
    try {
      reader.read(line, { source, line: firstLine + i });
    } catch (error) {
      if (leaveOut === undefined || !(error instanceof PodwireError)) throw error;
      leaveOut(error);
    }
  }
  return { chains: [...reader.chains.values()], sets: [...reader.sets.values()] };
}

class Reader {
  readonly chains = new Map<string, ChainDraft>();
  readonly sets = new Map<string, SetDraft>();
  private readonly opaque = new Set<string>();
  private readonly tolerant: boolean;
  private readonly elsewhere: (chain: string) => boolean;
  private table: NetfilterTable | undefined;
  /** Of a table that no packet here meets: security, broute. */
  private foreign = false;

  constructor(
    leaveOut: NetfilterReading['leaveOut'],
    elsewhere: NetfilterReading['elsewhere'] = () => false,
  ) {
    this.tolerant = leaveOut !== undefined;
    this.elsewhere = elsewhere;
  }

  read(line: string, place: RulePlace): void {
    if (line.startsWith('*')) this.begin(line.slice(1), place);
    else if (line.startsWith(':')) this.declare(line);
    else if (line.startsWith('-A ')) this.append(line, place);
    else if (line.startsWith('create ')) {
      this.create(line, place);
    } else if (line.startsWith('add ')) this.add(line, place);
  }

  private begin(name: string, place: RulePlace): void {
    this.foreign = !TABLES.includes(name);
    this.table = this.foreign ? undefined : (name as NetfilterTable);
    if (this.foreign && this.tolerant) throw refuseRule(place, TABLES.join(', '), name);
  }

  private declare(line: string): void {
    const { table } = this;
    if (table === undefined) return;
    const [name = '', policy] = line.slice(1).split(/\s+/, 2);
    const chain: ChainDraft = { table, name, rules: [] };
    if (policy === 'ACCEPT' || policy === 'DROP') chain.policy = policy;
    this.chains.set(`${table} ${name}`, chain);
  }

  private append(line: string, place: RulePlace): void {
    const { table, chains } = this;
    if (table === undefined) {
      if (this.foreign) return;
      throw refuseRule(place, 'a table such as *filter before', line);
    }
    const words = ruleWords(line);
    const chain = chains.get(`${table} ${words[1]}`);
    if (chain === undefined) throw refuseRule(place, 'a chain declared before', words[1]);
    const rule = parseRule(
      words.slice(2),
      place,
      (name) => chains.has(`${table} ${name}`) || this.elsewhere(name),
    );
    chain.rules.push({ ...rule, text: line });
  }

  /** Sets of other kinds are kept, and match nothing. */
  private create(line: string, place: RulePlace): void {
    const [, name = '', kind = ''] = line.split(/\s+/, 3);
    // The other family's.
    if (/ family inet6( |$)/.test(line)) return;
    this.sets.set(name, { name, prefixes: [] });
    if (/^hash:(ip|net)$/.test(kind)) return;
    this.opaque.add(name);
    if (this.tolerant) throw refuseRule(place, 'a set of kind hash:ip or hash:net', kind);
  }

  private add(line: string, place: RulePlace): void {
    const [, name = '', entry = '', ...options] = wordsOf(line);
    const set = this.sets.get(name);
    if (set === undefined || this.opaque.has(name)) return;
    const prefix = tryPrefix(entry);
    if (prefix === undefined || options.includes('nomatch')) {
      throw refuseRule(place, 'an address or prefix that is in the set', line.slice(4));
    }
    set.prefixes.push(prefix);
  }
}

/** Does any rule or policy of it decide about packets? Chains alone do not. */
export const hasRules = ({ chains }: NetfilterPlan): boolean =>
  chains.some(({ rules, policy }) => rules.length > 0 || policy === 'DROP');
