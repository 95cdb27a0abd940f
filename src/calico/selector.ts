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
import type { PodwireError } from '../errors.ts';
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
  if (text.length > MAX_LENGTH) {
    throw field.refuse(`a selector of at most ${MAX_LENGTH} characters`);
  }
  const tokens = tokenize(text, tests);
  if (tokens === undefined) throw malformed(field);
  return new SelectorParser(field, tokens).whole();
}

const malformed = (field: Field): PodwireError =>
  field.refuse('a label selector such as has(key) && key == "value"');

/** A method for each rule of the grammar; every one takes what it knows and leaves the rest. */
class SelectorParser {
  private readonly field: Field;
  private readonly tokens: readonly Token[];
  private next = 0;

  constructor(field: Field, tokens: readonly Token[]) {
    this.field = field;
    this.tokens = tokens;
  }

  whole(): Selector {
    const selector = this.anyOf(0);
    if (this.next !== this.tokens.length) throw malformed(this.field);
    return selector;
  }

  private anyOf(depth: number): Selector {
    const parts = [this.allOf(depth)];
    while (this.takeMark('||')) parts.push(this.allOf(depth));
    return (labels) => parts.some((part) => part(labels));
  }

  private allOf(depth: number): Selector {
    const parts = [this.negated(depth)];
    while (this.takeMark('&&')) parts.push(this.negated(depth));
    return (labels) => parts.every((part) => part(labels));
  }

  private negated(depth: number): Selector {
    if (depth > MAX_DEPTH) throw malformed(this.field);
    if (!this.takeMark('!')) return this.term(depth);
    return not(this.negated(depth + 1));
  }

  private term(depth: number): Selector {
    if (this.takeMark('(')) {
      const inner = this.anyOf(depth + 1);
      this.expectMark(')');
      return inner;
    }
    const token = this.tokens[this.next++];
    if (token?.kind === 'test') return token.holds;
    if (token?.kind !== 'word') throw malformed(this.field);
    return this.comparison(token.text);
  }

  private comparison(key: string): Selector {
    if (this.takeMark('==')) return equals(key, this.takeString());
    if (this.takeMark('!=')) return not(equals(key, this.takeString()));
    if (this.takeWords('in')) return oneOf(key, this.takeSet());
    if (this.takeWords('not', 'in')) return not(oneOf(key, this.takeSet()));
    if (this.takeWords('contains')) {
      return matches(key, this.takeString(), (value, text) => value.includes(text));
    }
    if (this.takeWords('starts', 'with')) {
      return matches(key, this.takeString(), (value, text) => value.startsWith(text));
    }
    if (this.takeWords('ends', 'with')) {
      return matches(key, this.takeString(), (value, text) => value.endsWith(text));
    }
    throw malformed(this.field);
  }

  private takeMark(mark: string): boolean {
    const token = this.tokens[this.next];
    if (token?.kind !== 'mark' || token.text !== mark) return false;
    this.next += 1;
    return true;
  }

  private expectMark(mark: string): void {
    if (!this.takeMark(mark)) throw malformed(this.field);
  }

  private takeWords(...words: string[]): boolean {
    const seen = words.every((word, i) => {
      const token = this.tokens[this.next + i];
      return token?.kind === 'word' && token.text === word;
    });
    if (seen) this.next += words.length;
    return seen;
  }

  private takeString(): string {
    const token = this.tokens[this.next++];
    if (token?.kind !== 'string') throw malformed(this.field);
    return token.text;
  }

  private takeSet(): ReadonlySet<string> {
    const values = new Set<string>();
    this.expectMark('{');
    if (this.takeMark('}')) return values;
    do values.add(this.takeString());
    while (this.takeMark(','));
    this.expectMark('}');
    return values;
  }
}

const not =
  (selector: Selector): Selector =>
  (labels) =>
    !selector(labels);

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
