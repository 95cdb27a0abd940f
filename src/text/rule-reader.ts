/** Reads `ip rule` (ip/iprule.c print_rule). */
import type { RulePlan } from '../plan/plan.ts';
import { type TextPlace, WordCursor, writtenLines } from './line-reader.ts';
import { tryTable, tryUnsigned } from './route-name.ts';

/**
 * Rules in the order of the text. A condition other than the mark is refused, as
 * leaving it out would change where packets go. Throws ERR_CONFIG_VALUE with the line.
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
  if (!cursor.skip('all')) cursor.fail('all: rules by source are not modelled', cursor.peek);
  const fwmark = cursor.skip('fwmark')
    ? cursor.value('a mark such as 0x100000/0x100000', readMark)
    : undefined;
  if (!cursor.skip('lookup') && !cursor.skip('table')) {
    cursor.fail('fwmark or lookup: other conditions are not modelled', cursor.peek);
  }
  const table = cursor.value('a table after lookup', readTable);
  if (cursor.skip('proto')) cursor.next('a protocol');
  if (!cursor.done) cursor.fail('the end of the rule', cursor.peek);
  return { priority, not, ...(fwmark === undefined ? {} : { fwmark }), table };
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
