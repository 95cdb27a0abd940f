/** The words of a command line, read as iproute2 reads them: abbreviated, in any order. */
import { found, PodwireError } from '../errors.ts';
import type { NamespacePlan } from '../plan/plan.ts';
import { listedDevices } from './ip-link.ts';

/** ERR_USAGE in the form of all podwire's messages. */
export function refuse(where: string, expected: string, word: string | undefined): never {
  throw new PodwireError('ERR_USAGE', `${where}: expected ${expected}, found ${found(word)}`);
}

/** The first of the names that starts with the word: `matches()` in iproute2. */
export const match = (word: string, names: readonly string[]): string | undefined =>
  word === '' ? undefined : names.find((name) => name.startsWith(word));

/** Drops `show` or its like; verbs that would change something are named in the error. */
export function skipShow(where: string, words: string[], verbs: readonly string[]): void {
  const verb = words[0] === undefined ? undefined : match(words[0], verbs);
  if (verb === undefined) return;
  if (!['show', 'lst', 'list'].includes(verb)) refuse(where, 'show', words[0]);
  words.shift();
}

/** The next word, which must be there. */
export const next = (where: string, words: string[], expected: string): string =>
  words.shift() ?? refuse(where, expected, undefined);

/** The next word as a device of the namespace; ERR_NAME where it has no such device. */
export function deviceWord(ns: NamespacePlan, where: string, words: string[]): string {
  const device = next(where, words, 'a device after dev');
  listedDevices(ns, { device });
  return device;
}
