/** `iptables-save` and `ipset save` of one namespace, put together. */
import type { NetfilterPlan } from '../plan/netfilter.ts';
import { hasRules, parseNetfilter } from '../text/iptables-save.ts';
import type { Notes } from './notes.ts';
import type { Section } from './section.ts';

/** So many rules that are left out are named one by one. */
const MAX_NAMED = 100;

/**
 * The rules of all listings; of a table that is listed twice the later one's. Rules
 * that are not modelled are left out, and each is told. Nothing where no rule and no
 * policy decides anything: such a namespace tracks no connections either.
 */
export function readNetfilter(
  name: string,
  tables: readonly Section[],
  ipsets: readonly Section[],
  notes: Notes,
): NetfilterPlan | undefined {
  let left = 0;
  const read = ({ text, source, firstLine }: Section): NetfilterPlan =>
    parseNetfilter(text, source, {
      firstLine,
      leaveOut: ({ message }) => {
        if (++left <= MAX_NAMED)
          notes.assume(`${name}: left out, as it is not modelled: ${message}`);
      },
    });
  let chains: NetfilterPlan['chains'] = [];
  for (const section of tables) {
    const listed = read(section).chains;
    const again = new Set(listed.map(({ table }) => table));
    const before = chains.filter(({ table }) => again.has(table));
    if (before.length > 0 && JSON.stringify(before) !== JSON.stringify(listed)) {
      const { source, firstLine, listing } = section;
      notes.assume(
        `${name}: \`${listing.command}\` was listed twice; ${source}:${firstLine} counts`,
      );
    }
    chains = [...chains.filter(({ table }) => !again.has(table)), ...listed];
  }
  const sets = new Map(ipsets.flatMap((s) => read(s).sets).map((set) => [set.name, set]));
  if (left > MAX_NAMED) {
    notes.assume(`${name}: left out ${left - MAX_NAMED} more rules and sets that are not modelled`);
  }
  const plan: NetfilterPlan = { chains, sets: [...sets.values()] };
  if (!hasRules(plan)) return undefined;
  for (const set of usedSets(plan)) {
    if (!sets.has(set)) {
      notes.assume(`${name}: the set ${set} is in no \`ipset save\`; taken as empty`);
    }
  }
  return plan;
}

const usedSets = ({ chains }: NetfilterPlan): Set<string> =>
  new Set(
    chains
      .flatMap(({ rules }) => rules.flatMap(({ matches }) => matches.sets ?? []))
      .map(({ set }) => set),
  );
