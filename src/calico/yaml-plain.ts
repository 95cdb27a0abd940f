/**
 * A fast reader for the YAML that kubectl and calicoctl print: block style, one value a
 * line, no comments, anchors, tags or folded text. It reads nothing that it is not sure
 * of: at the first other character it gives up, and the `yaml` package reads the text.
 *
 *   items:
 *   - metadata:            a list stands at its key's column or deeper
 *       name: web          mappings deeper than their key
 *     spec: {}
 */
import type { YamlDocument, YamlNode } from './yaml-document.ts';

// As the `yaml` package marks its nodes, so that its isScalar, isMap and isSeq know these.
const TYPE = Symbol.for('yaml.node.type');

class PlainNode {
  readonly line: number;

  constructor(line: number) {
    this.line = line;
  }
}

type Value = string | number | boolean | null;

class PlainScalar extends PlainNode {
  readonly value: Value;

  constructor(line: number, value: Value) {
    super(line);
    this.value = value;
  }
}

interface PlainPair {
  readonly key: PlainScalar;
  readonly value: PlainNode;
}

class PlainMap extends PlainNode {
  readonly items: PlainPair[] = [];
}

class PlainSeq extends PlainNode {
  readonly items: PlainNode[] = [];
}

// On the prototypes: there are millions of nodes.
Object.defineProperty(PlainScalar.prototype, TYPE, { value: Symbol.for('yaml.scalar') });
Object.defineProperty(PlainMap.prototype, TYPE, { value: Symbol.for('yaml.map') });
Object.defineProperty(PlainSeq.prototype, TYPE, { value: Symbol.for('yaml.seq') });

const lineOf = (node: YamlNode): number => (node as unknown as PlainNode).line;
const resolve = (node: YamlNode): YamlNode => node;

/** The documents of a text, or `undefined` where it is not as plain as that. */
export function plainYaml(text: string, source: string): YamlDocument[] | undefined {
  if (/[^\n -~]/.test(text)) return undefined;
  const roots = new Reader(text).documents();
  return roots?.map((root) => {
    return { source, root: root as unknown as YamlNode, lineOf, resolve };
  });
}

const KEY = /[A-Za-z_][-\w./]*:(?=[ \n]|$)/y;
const DOUBLE_QUOTED = /"[^"\\\n]*"(?=\n|$)/y;
const SINGLE_QUOTED = /'[^'\n]*'(?=\n|$)/y;
const EMPTY_FLOW = /(?:\{\}|\[\])(?=\n|$)/y;
const LITERAL = /\|-?\n/y;
const UNQUOTED =
  /(?:[\w./+]|-(?=[-\w.]))(?:[-\w./+~@=;()<>!&|?*%^$]|:(?=[-\w./+])| (?=[-\w./+(]))*(?=\n|$)/y;
/** What the core schema takes for something else than text, but for decimal integers. */
const SPECIAL = /^(?:[Nn]ull|NULL|[Tt]rue|TRUE|[Ff]alse|FALSE)$/;
const INTEGER = /^[-+]?[0-9]+$/;
const NUMBER =
  /^(?:0[xo][0-9a-fA-F]+|[-+]?[0-9]*\.?[0-9]*(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF|nan|NaN|NAN))$/;

/** Far below what the careful reader allows, and what a stack holds. */
const MAX_DEPTH = 32;
const MAX_DOCUMENTS = 1000;
/** YAML 1.2 section 7.4.2 has 1024. */
const MAX_KEY = 1000;
/** Keys from which on a set finds a second one faster than a look at each. */
const MANY = 16;

/** Not an error: whoever asked takes the other reader. */
const GIVE_UP = Symbol('not plain');

const NEWLINE = 0x0a;
const SPACE = 0x20;
const DASH = 0x2d;

class Reader {
  readonly #text: string;
  /** Of the first character to read in this line, with its column. -1: the text is over. */
  #at = 0;
  #column = 0;
  #line = 1;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  documents(): PlainNode[] | undefined {
    const roots: PlainNode[] = [];
    try {
      this.#toContent(0);
      while (this.#column >= 0) {
        if (this.#isMark()) this.#nextLine(this.#at + 3);
        if (this.#column !== 0 || roots.length === MAX_DOCUMENTS) return undefined;
        roots.push(this.#block());
        if (this.#column >= 0 && !this.#isMark()) return undefined;
      }
      return roots;
    } catch (reason) {
      if (reason === GIVE_UP) return undefined;
      throw reason;
    }
  }

  /** `---` by itself. */
  #isMark(): boolean {
    return this.#column === 0 && this.#text.startsWith('---\n', this.#at);
  }

  /** `from`: the newline that ends this line, or the end. */
  #nextLine(from: number): void {
    this.#line += 1;
    this.#toContent(from + 1);
  }

  #toContent(start: number): void {
    const text = this.#text;
    let at = start;
    while (text.charCodeAt(at) === SPACE) at += 1;
    this.#at = at;
    this.#column = at < text.length ? at - start : -1;
    // A blank line, or blanks at the end.
    if (at < text.length ? text.charCodeAt(at) === NEWLINE : at > start) throw GIVE_UP;
  }

  #match(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text);
  }

  #isEnd(at: number): boolean {
    return at >= this.#text.length || this.#text.charCodeAt(at) === NEWLINE;
  }

  #isItem(): boolean {
    if (this.#text.charCodeAt(this.#at) !== DASH) return false;
    return this.#isEnd(this.#at + 1) || this.#text.charCodeAt(this.#at + 1) === SPACE;
  }

  /** What starts here and goes on in the lines below. */
  #block(): PlainNode {
    if (this.#column < 0 || ++this.#depth > MAX_DEPTH) throw GIVE_UP;
    const node = this.#isItem() ? this.#sequence() : this.#mapping();
    this.#depth -= 1;
    return node;
  }

  #mapping(): PlainMap {
    const column = this.#column;
    const map = new PlainMap(this.#line);
    let seen: Set<string> | undefined;
    while (this.#column === column && !this.#isMark()) {
      if (!this.#match(KEY)) throw GIVE_UP;
      const end = KEY.lastIndex;
      if (end - this.#at > MAX_KEY) throw GIVE_UP;
      const name = this.#text.slice(this.#at, end - 1);
      if (SPECIAL.test(name)) throw GIVE_UP;
      if (map.items.length < MANY) {
        for (const { key } of map.items) if (key.value === name) throw GIVE_UP;
      } else {
        seen ??= new Set(map.items.map(({ key }) => key.value as string));
        if (seen.has(name)) throw GIVE_UP;
        seen.add(name);
      }
      const key = new PlainScalar(this.#line, name);
      map.items.push({ key, value: this.#valueAfter(end, column) });
    }
    if (this.#column > column) throw GIVE_UP;
    return map;
  }

  #valueAfter(end: number, column: number): PlainNode {
    if (!this.#isEnd(end)) {
      this.#at = end + 1;
      return this.#scalar(column);
    }
    const line = this.#line;
    this.#nextLine(end);
    if (this.#column > column) return this.#block();
    if (this.#column === column && this.#isItem()) return this.#block();
    return new PlainScalar(line, null);
  }

  #sequence(): PlainSeq {
    const column = this.#column;
    const list = new PlainSeq(this.#line);
    while (this.#column === column && this.#isItem()) list.items.push(this.#item(column));
    if (this.#column > column) throw GIVE_UP;
    return list;
  }

  #item(column: number): PlainNode {
    if (this.#isEnd(this.#at + 1)) {
      const line = this.#line;
      this.#nextLine(this.#at + 1);
      return this.#column > column ? this.#block() : new PlainScalar(line, null);
    }
    this.#at += 2;
    this.#column += 2;
    return this.#isItem() || this.#match(KEY) ? this.#block() : this.#scalar(column);
  }

  /** The rest of the line; nothing below it may be deeper than `column`, and so belong to it. */
  #scalar(column: number): PlainNode {
    const line = this.#line;
    if (this.#match(LITERAL)) return this.#literal(column, LITERAL.lastIndex - 1);
    let node: PlainNode;
    let end: number;
    if (this.#match(UNQUOTED)) {
      end = UNQUOTED.lastIndex;
      node = new PlainScalar(line, unquoted(this.#text.slice(this.#at, end)));
    } else if (this.#match(DOUBLE_QUOTED) || this.#match(SINGLE_QUOTED)) {
      end = DOUBLE_QUOTED.lastIndex || SINGLE_QUOTED.lastIndex;
      node = new PlainScalar(line, this.#text.slice(this.#at + 1, end - 1));
    } else if (this.#match(EMPTY_FLOW)) {
      end = EMPTY_FLOW.lastIndex;
      node = this.#text[this.#at] === '{' ? new PlainMap(line) : new PlainSeq(line);
    } else throw GIVE_UP;
    this.#nextLine(end);
    if (this.#column > column) throw GIVE_UP;
    return node;
  }

  /** `|` and `|-`: lines as they are, from the column of the first. */
  #literal(column: number, header: number): PlainScalar {
    const line = this.#line;
    const chomped = this.#text.charCodeAt(header - 1) === DASH;
    this.#nextLine(header);
    const inner = this.#column;
    if (inner <= column) throw GIVE_UP;
    let value = '';
    while (this.#column >= inner) {
      const end = this.#text.indexOf('\n', this.#at);
      // A text that ends without a newline, chomped or not: rare enough.
      if (end < 0) throw GIVE_UP;
      value += this.#text.slice(this.#at - this.#column + inner, end + 1);
      this.#nextLine(end);
    }
    if (this.#column > column) throw GIVE_UP;
    return new PlainScalar(line, chomped ? value.slice(0, -1) : value);
  }
}

function unquoted(text: string): Value {
  const first = text.charCodeAt(0);
  // Letters.
  if ((first | 0x20) >= 0x61 && (first | 0x20) <= 0x7a) {
    if (text.length > 5 || !SPECIAL.test(text)) return text;
    if (text.length === 5) return false;
    if ((first | 0x20) === 0x6e) return null;
    return true;
  }
  if (INTEGER.test(text)) return Number.parseInt(text, 10);
  if (NUMBER.test(text)) throw GIVE_UP;
  return text;
}
