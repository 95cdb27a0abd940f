/** `ip rule`: the order in which tables are asked (ip/iprule.c print_rule). */

const DEFAULT_RULES: readonly (readonly [number, string])[] = [
  [0, 'local'],
  [32766, 'main'],
  [32767, 'default'],
];

/** The three rules every namespace starts with; a tab follows the priority. */
export const printIpRule = (): string =>
  DEFAULT_RULES.map(([priority, table]) => `${priority}:\tfrom all lookup ${table}\n`).join('');
