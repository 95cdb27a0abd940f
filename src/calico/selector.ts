/**
 * Calico's label selectors, as an IPPool's nodeSelector and policies use them:
 *
 *   or    := and { "||" and }
 *   and   := not { "&&" not }
 *   not   := { "!" } term
 *   term  := "(" or ")" | "all()" | "global()" | "has(" KEY ")"
 *          | KEY ( "==" | "!=" | "contains" | "starts with" | "ends with" ) STRING
 *          | KEY [ "not" ] "in" "{" STRING { "," STRING } "}"
 *
 * Precedence as in libcalico-go/lib/selector/parser.
 */
import type { Field } from './field.ts';

export type Labels = ReadonlyMap<string, string>;
export type Selector = (labels: Labels) => boolean;

export const everyNode: Selector = () => true;

/** What `all()` and `global()` mean where they do not simply hold. */
export interface WordTests {
  readonly all: Selector;
  readonly global: Selector;
}

const NO_LIMITS: WordTests = { all: everyNode, global: everyNode };

const TOKEN =
  /\s*(?:(all\(\s*\)|global\(\s*\)|has\(\s*([-A-Za-z0-9_./]+)\s*\))|(\|\||&&|==|!=|[!(){},])|(["'])(.*?)\4|([-A-Za-z0-9_./]+))/y;
const MAX_LENGTH = 4096;
/** Parentheses and negations inside one another. */
const MAX_DEPTH = 64;

type Token =
  | { readonly kind: 'test'; readonly holds: Selector }
  | { readonly kind: 'mark' | 'string' | 'word'; readonly text: string };

/** Reads a selector; refuses with ERR_CONFIG_VALUE what the grammar does not know. */
export function parseSelector(field: Field, tests: WordTests = NO_LIMITS): Selector {
  const text = field.text('a label selector');
  if (text.trim() === '') return everyNode;
  const fail = () => field.refuse('a label selector such as has(key) && key == "value"');
  if (text.length > MAX_LENGTH)
    throw field.refuse(`a selector of at most ${MAX_LENGTH} characters`);
  const tokens = tokenize(text, tests);
  if (tokens === undefined) throw fail();

  let next = 0;
  const takeMark = (mark: string): boolean => {
    const token = tokens[next];
    if (token?.kind !== 'mark' || token.text !== mark) return false;
    next += 1;
    return true;
  };
  const takeWord = (...words: string[]): boolean => {
    const seen = words.every((word, i) => {
      const token = tokens[next + i];
      return token?.kind === 'word' && token.text === word;
    });
    if (seen) next += words.length;
    return seen;
  };
  const takeString = (): string => {
    const token = tokens[next++];
    if (token?.kind !== 'string') throw fail();
    return token.text;
  };
  const takeSet = (): ReadonlySet<string> => {
    const values = new Set<string>();
    if (!takeMark('{')) throw fail();
    if (takeMark('}')) return values;
    do values.add(takeString());
    while (takeMark(','));
    if (!takeMark('}')) throw fail();
    return values;
  };

  const anyOf = (depth: number): Selector => {
    const parts = [allOf(depth)];
    while (takeMark('||')) parts.push(allOf(depth));
    return (labels) => parts.some((part) => part(labels));
  };
  const allOf = (depth: number): Selector => {
    const parts = [negated(depth)];
    while (takeMark('&&')) parts.push(negated(depth));
    return (labels) => parts.every((part) => part(labels));
  };
  const negated = (depth: number): Selector => {
    if (depth > MAX_DEPTH) throw fail();
    if (!takeMark('!')) return term(depth);
    const inner = negated(depth + 1);
    return (labels) => !inner(labels);
  };
  const term = (depth: number): Selector => {
    if (takeMark('(')) {
      const inner = anyOf(depth + 1);
      if (!takeMark(')')) throw fail();
      return inner;
    }
    const token = tokens[next++];
    if (token?.kind === 'test') return token.holds;
    if (token?.kind !== 'word') throw fail();
    return comparison(token.text);
  };
  const comparison = (key: string): Selector => {
    if (takeMark('==')) return equals(key, takeString());
    if (takeMark('!=')) {
      const equal = equals(key, takeString());
      return (labels) => !equal(labels);
    }
    if (takeWord('in')) return oneOf(key, takeSet());
    if (takeWord('not', 'in')) {
      const inside = oneOf(key, takeSet());
      return (labels) => !inside(labels);
    }
    if (takeWord('contains')) return matches(key, takeString(), (v, s) => v.includes(s));
    if (takeWord('starts', 'with')) return matches(key, takeString(), (v, s) => v.startsWith(s));
    if (takeWord('ends', 'with')) return matches(key, takeString(), (v, s) => v.endsWith(s));
    throw fail();
  };

  const selector = anyOf(0);
  if (next !== tokens.length) throw fail();
  return selector;
}

const equals =
  (key: string, value: string): Selector =>
  (labels) =>
    labels.get(key) === value;

const oneOf =
  (key: string, values: ReadonlySet<string>): Selector =>
  (labels) => {
    const value = labels.get(key);
    return value !== undefined && values.has(value);
  };

const matches =
  (key: string, text: string, test: (value: string, text: string) => boolean): Selector =>
  (labels) => {
    const value = labels.get(key);
    return value !== undefined && test(value, text);
  };

function tokenize(text: string, tests: WordTests): Token[] | undefined {
  const tokens: Token[] = [];
  const source = text.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source);
    if (match === null) return undefined;
    const [, test, key, mark, quote, quoted, word] = match;
    if (test !== undefined) {
      const everything = test.startsWith('all') ? tests.all : tests.global;
      tokens.push({ kind: 'test', holds: key === undefined ? everything : (l) => l.has(key) });
    } else if (mark !== undefined) tokens.push({ kind: 'mark', text: mark });
    else if (quote !== undefined) tokens.push({ kind: 'string', text: quoted ?? '' });
    else tokens.push({ kind: 'word', text: word ?? '' });
  }
  return tokens;
}
