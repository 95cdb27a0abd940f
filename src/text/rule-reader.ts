/** Reads `ip rule` (ip/iprule.c print_rule). */
import type { RulePlan } from '../plan/plan.ts';
import { networkOf, type Prefix, tryInterfaceAddress } from '../wire/address.ts';
import { tryDsfield } from './dsfield.ts';
import { type TextPlace, WordCursor, writtenLines } from './line-reader.ts';
import { tryTable, tryUnsigned } from './route-name.ts';

/**
 * Rules in the order of the text. An action other than a table, `goto` and `nop` is refused,
 * as leaving it out would change where packets go. Throws ERR_CONFIG_VALUE with the line.
 */
export function parseIpRule(text: string, place: TextPlace = { source: 'ip rule' }): RulePlan[] {
  return writtenLines(text, place).map((line) => readRule(new WordCursor(line)));
}

function readRule(cursor: WordCursor): RulePlan {
  const priority = cursor.value('a priority and a colon', (word) =>
    word.endsWith(':') ? tryUnsigned(word.slice(0, -1), 2 ** 32 - 1) : undefined,
  );
  const not = cursor.skip('not');
  if (!cursor.skip('from')) cursor.fail('from', cursor.peek);
  const draft: Writable<RulePlan> = { priority, not };
  const other: string[] = [];
  if (!cursor.skip('all')) draft.from = cursor.value('all or an IPv4 prefix', tryHost);
  for (;;) {
    if (cursor.skip('to')) draft.to = cursor.value('an IPv4 prefix after to', tryHost);
    else if (cursor.skip('fwmark')) {
      draft.fwmark = cursor.value('a mark such as 0x100000/0x100000', readMark);
    } else if (cursor.skip('iif')) {
      draft.iif = cursor.device('after iif');
      cursor.skip('[detached]');
    } else if (cursor.skip('tos') || cursor.skip('dsfield')) {
      draft.tos = cursor.value('a TOS such as 0x10', tryDsfield);
    } else if (OTHERS.has(cursor.peek ?? '')) {
      const word = cursor.next('a condition');
      other.push(`${word} ${cursor.next(`a value after ${word}`)}`);
      cursor.skip('[detached]');
    } else break;
  }
  if (other.length > 0) draft.other = other;
  readAction(cursor, draft);
  if (cursor.skip('proto')) cursor.next('a protocol');
  if (!cursor.done) cursor.fail('the end of the rule', cursor.peek);
  return draft;
}

function readAction(cursor: WordCursor, draft: Writable<RulePlan>): void {
  if (cursor.skip('nop')) return;
  if (cursor.skip('goto')) {
    // fib_nl_newrule: a rule leads forward only.
    const expected = `a priority beyond ${draft.priority} after goto`;
    draft.goto = cursor.value(expected, (word) => {
      const target = tryUnsigned(word, 2 ** 32 - 1);
      return target !== undefined && target > draft.priority ? target : undefined;
    });
    cursor.skip('[unresolved]');
    return;
  }
  if (!cursor.skip('lookup') && !cursor.skip('table')) {
    cursor.fail('lookup, goto or nop, as rules with another action are not modelled', cursor.peek);
  }
  draft.table = cursor.value('a table after lookup', readTable);
  if (cursor.skip('suppress_prefixlength')) {
    const length = cursor.value('a prefix length', (word) => tryUnsigned(word, 2 ** 31 - 1));
    draft.suppressLength = length;
  }
}

/** Conditions that a plan keeps only to print them. */
const OTHERS = new Set(['oif', 'uidrange', 'ipproto', 'sport', 'dport']);

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A whole address prints without its length; bits beyond a length are not looked at. */
function tryHost(word: string): Prefix | undefined {
  const address = tryInterfaceAddress(word);
  return address && networkOf(address);
}

/** `default` has a name of its own among rules. */
function readTable(word: string): RulePlan['table'] | undefined {
  const table = tryTable(word);
  return table === 253 ? 'default' : table;
}

function readMark(word: string): RulePlan['fwmark'] {
  const [value, mask, ...more] = word.split('/').map(readNumber);
  if (more.length > 0 || value === undefined) return undefined;
  if (word.includes('/') && mask === undefined) return undefined;
  return { value, mask: mask ?? 0xffffffff };
}

function readNumber(text: string): number | undefined {
  if (/^0x[0-9a-f]{1,8}$/i.test(text)) return Number.parseInt(text.slice(2), 16);
  return tryUnsigned(text, 2 ** 32 - 1);
}
