/**
 * A long YAML file in pieces. `kubectl get pods -A -o yaml` prints one List of any
 * length, and a tree of all of it takes a hundred times the memory of its text; its
 * items one after the other take next to none.
 *
 *   apiVersion: v1      ┐ list
 *   items:              ┘
 *   - metadata: …       ┐ a batch of items, parsed by itself
 *   - metadata: …       ┘
 *   kind: List          ─ list
 *
 * The cuts go by indentation, so they hold for block style only, and for aliases that
 * stay within a batch. Who gets an error reads the file whole, to be sure and for the message.
 */
import { PodwireError } from '../errors.ts';
import { Field } from './field.ts';
import { MAX_LENGTH, parseYaml, type YamlDocument } from './yaml-document.ts';
import { plainYaml } from './yaml-plain.ts';

/** Characters from which on cutting pays. */
const LONG = 2 ** 18;
/** Of items below their List; tools print 0, 2 or 4. */
const MAX_INDENT = 16;
/** Characters of a batch, about. */
const BATCH = 2 ** 14;

export interface YamlPiece {
  readonly root: Field;
  /** For an item of a List: what the List says of its items. */
  readonly list: { readonly apiVersion: Field; readonly kind: Field } | undefined;
}

export type ReadYaml = (text: string, source: string) => Iterable<YamlPiece>;

/** Calls `load` with a reader of pieces, and once more with one of whole texts if that fails. */
export function inPieces<T>(
  files: readonly { readonly text: string }[],
  load: (read: ReadYaml) => T,
): T {
  try {
    return load(yamlPieces);
  } catch (error) {
    if (!(error instanceof PodwireError)) throw error;
    if (files.every(({ text }) => text.length <= LONG)) throw error;
    return load(wholeYaml);
  }
}

/**
 * The documents of a text, Lists item by item where they are long. Throws as `parseYaml`
 * does, but any error of a long text calls for `wholeYaml`. `long`: in characters.
 */
export function* yamlPieces(text: string, source: string, long = LONG): Generator<YamlPiece> {
  if (text.length > MAX_LENGTH || /^%/m.test(text)) {
    yield* wholeYaml(text, source);
    return;
  }
  if (text.length <= long) {
    yield* located(text, source, () => 0);
    return;
  }
  let line = 0;
  for (const [start, end] of batches(text, /^---(?=[ \t\r\n]|$)/gm, 0, text.length, long)) {
    const part = text.slice(start, end);
    const above = line;
    if (part.length <= long) yield* located(part, source, () => above);
    else yield* listItems(part, source, above);
    line += countLines(part);
  }
}

/** The documents of a text as they are. */
export function* wholeYaml(text: string, source: string): Generator<YamlPiece> {
  for (const document of parseYaml(text, source)) {
    yield { root: Field.root(document), list: undefined };
  }
}

/**
 * Runs of at least a batch between places that `mark`, a global expression, finds. What
 * is longer than `long` comes by itself: a List is cut only where nothing stands beside it.
 */
function* batches(
  text: string,
  mark: RegExp,
  from: number,
  to: number,
  long = Number.POSITIVE_INFINITY,
): Generator<readonly [number, number]> {
  let start = from;
  let last = from;
  mark.lastIndex = from + 1;
  for (let at = from; at < to; last = at) {
    at = Math.min(mark.exec(text)?.index ?? to, to);
    const isLong = at - last > long;
    if (isLong && last > start) {
      yield [start, last];
      start = last;
    }
    if (at - start < BATCH && !isLong && at < to) continue;
    yield [start, at];
    start = at;
  }
}

/** The documents of a part of a file; `before`: lines of the file above a line of the part. */
function* located(
  part: string,
  source: string,
  before: (line: number) => number,
): Generator<YamlPiece> {
  for (const document of plainYaml(part, source) ?? parseYaml(part, source)) {
    yield { root: Field.root(moved(document, before)), list: undefined };
  }
}

function moved(document: YamlDocument, before: (line: number) => number): YamlDocument {
  // Not the document itself, which holds on to all of its tree.
  const { source, root, lineOf, resolve } = document;
  return {
    source,
    root,
    resolve,
    lineOf: (node) => {
      const line = lineOf(node);
      return line + before(line);
    },
  };
}

function* listItems(part: string, source: string, above: number): Generator<YamlPiece> {
  const range = itemRange(part);
  if (range === undefined) {
    yield* located(part, source, () => above);
    return;
  }
  const { start, end, indent } = range;
  const first = countLines(part.slice(0, start));
  const rest = countLines(part.slice(start, end));
  const [list, ...others] = located(part.slice(0, start) + part.slice(end), source, (line) =>
    line > first ? above + rest : above,
  );
  const said = others.length === 0 ? list?.root : undefined;
  const about = said && { apiVersion: said.entry('apiVersion'), kind: said.entry('kind') };
  if (!about?.apiVersion.isText || !about.kind.isText || !about.kind.text().endsWith('List')) {
    yield* located(part, source, () => above);
    return;
  }
  let line = above + first;
  const item = new RegExp(`^ {${indent}}-(?=[ \\t\\r\\n]|$)`, 'gm');
  for (const [from, to] of batches(part, item, start, end)) {
    const text = part.slice(from, to);
    const skipped = line;
    for (const batch of located(text, source, () => skipped)) {
      for (const root of batch.root.items()) yield { root, list: about };
    }
    line += countLines(text);
  }
}

/** Where the items of a block-style List stand, from line to line. */
function itemRange(text: string): { start: number; end: number; indent: number } | undefined {
  const key = /^items:[ \t]*(?:#.*)?\r?\n/m.exec(text);
  if (key === null) return undefined;
  const start = key.index + key[0].length;
  // Indentation and first character of every line that is neither blank nor a comment.
  const content = /^( *)(?![ #\r\n])(-(?=[ \t\r\n]|$))?/gm;
  content.lastIndex = start;
  const first = content.exec(text);
  if (first?.[2] === undefined) return undefined;
  const indent = first[1]!.length;
  if (indent > MAX_INDENT) return undefined;
  const past = new RegExp(`^ {0,${indent}}(?! |#|\\r|\\n|$)`, 'gm');
  past.lastIndex = start;
  for (let match = past.exec(text); match !== null; match = past.exec(text)) {
    const at = match.index + match[0].length;
    const isItem = match[0].length === indent && /^-(?:[ \t\r\n]|$)/.test(text.slice(at, at + 2));
    if (!isItem) return { start, end: match.index, indent };
    // An empty match would be found again.
    past.lastIndex = at + 1;
  }
  return { start, end: text.length, indent };
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}
