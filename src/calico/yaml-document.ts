/**
 * YAML text to node trees that are safe to read: bounded in depth, without cycles,
 * without duplicate keys, and with aliases that cannot blow up.
 */
import {
  type Alias,
  Composer,
  type CST,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  Parser,
  type YAMLParseError,
} from 'yaml';
import { found, PodwireError, printable } from '../errors.ts';

/** Characters of one file; a `kubectl get pods` of some ten thousand pods fits. */
export const MAX_LENGTH = 64 * 2 ** 20;
const MAX_DOCUMENTS = 10_000;
const MAX_DEPTH = 64;
/** Nodes that aliases may add to a document beyond those written in it. */
const MAX_ALIASED = 100_000;

export type YamlNode = Node;

/** One document; every alias in it has a target, and no target contains itself. */
export interface YamlDocument {
  readonly source: string;
  readonly root: YamlNode;
  /** Line of a node, from 1. */
  lineOf(node: YamlNode): number;
  /** The node itself, or what an alias stands for. */
  resolve(node: YamlNode): YamlNode;
}

/** The non-empty documents of a text. Throws ERR_CONFIG_SYNTAX with a line. */
export function parseYaml(text: string, source: string): YamlDocument[] {
  if (text.length > MAX_LENGTH) {
    throw new PodwireError(
      'ERR_CONFIG_SYNTAX',
      `expected at most ${MAX_LENGTH} characters, found ${text.length}`,
      { source, line: 1 },
    );
  }
  const lines = new LineCounter();
  const fail = (message: string, offset: number): PodwireError =>
    new PodwireError('ERR_CONFIG_SYNTAX', message, { source, line: lineAt(lines, offset) });
  const composer = new Composer({
    lineCounter: lines,
    // Compares every key with every other; the walk below does it in linear time.
    uniqueKeys: false,
    merge: false,
    // Also under `%YAML 1.1`, where 52:54:00:12:34:56 would be a number in base 60.
    schema: 'core',
    prettyErrors: false,
    logLevel: 'silent',
  });
  keepFirstError(composer);
  const check = (errors: readonly YAMLParseError[]): void => {
    const error = errors[0];
    if (error === undefined) return;
    const message = printable(error.message, 120);
    throw fail(`expected well-formed YAML, found: ${message}`, error.pos[0]);
  };
  const checked: YamlDocument[] = [];
  for (const { errors, contents } of composer.compose(tokens(text, lines, fail))) {
    check(errors);
    if (contents === null || (isScalar(contents) && contents.value === null)) continue;
    if (checked.length === MAX_DOCUMENTS) {
      throw fail(`expected at most ${MAX_DOCUMENTS} documents, found more`, contents.range[0]);
    }
    checked.push(checkDocument(contents, source, lines));
  }
  check(composer.streamInfo().errors);
  return checked;
}

/** What a Composer has beside its types: where it takes up what it finds wrong. */
interface ErrorHook {
  onError: (source: unknown, code: string, message: string, warning?: boolean) => void;
  readonly errors: readonly YAMLParseError[];
}

/**
 * A composer goes on after an error, and only the first counts: one with its stack for each
 * line of a megabyte would take ten seconds.
 */
function keepFirstError(composer: Composer): void {
  const hook = composer as unknown as ErrorHook;
  const { onError } = hook;
  hook.onError = (source, code, message, warning) => {
    if (warning !== true && hook.errors.length === 0) onError(source, code, message);
  };
}

/**
 * Refuses depth before the composer sees it: that one recurses, and a stack that
 * runs out while V8 compiles a regular expression ends the process, not the call.
 */
function* tokens(
  text: string,
  lines: LineCounter,
  fail: (message: string, offset: number) => PodwireError,
): Generator<CST.Token> {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme);
    // The document itself is on the stack too.
    if (parser.stack.length > MAX_DEPTH + 1) throw fail(tooDeep, parser.offset);
  }
  yield* parser.end();
}

const lineAt = (lines: LineCounter, offset: number): number => lines.linePos(offset).line || 1;

const tooDeep = `expected at most ${MAX_DEPTH} levels of nesting, found more`;

/** Expanded size in nodes and height in levels, aliases counted as what they stand for. */
interface Extent {
  readonly size: number;
  readonly height: number;
}

function checkDocument(root: YamlNode, source: string, lines: LineCounter): YamlDocument {
  const anchors = new Map<string, YamlNode>();
  /** Of anchored nodes only: there may be millions of others. */
  const extents = new Map<YamlNode, Extent>();
  const targets = new Map<Alias, YamlNode>();
  let written = 0;

  const lineOf = (node: YamlNode): number => lineAt(lines, node.range?.[0] ?? 0);
  const refuse = (message: string, node: YamlNode): PodwireError =>
    new PodwireError('ERR_CONFIG_SYNTAX', message, { source, line: lineOf(node) });

  const aliased = (alias: Alias): Extent => {
    const target = anchors.get(alias.source);
    if (target === undefined) throw refuse('expected an anchor above its alias, found none', alias);
    const extent = extents.get(target);
    if (extent === undefined)
      throw refuse('expected no cycle, found an alias inside itself', alias);
    if (extent.size > MAX_ALIASED) throw refuse(tooMany, alias);
    targets.set(alias, target);
    return extent;
  };

  const children = (node: YamlNode): YamlNode[] => {
    if (isSeq<YamlNode>(node)) return node.items;
    if (!isMap<YamlNode, YamlNode | null>(node)) return [];
    checkKeys(node.items, refuse);
    return node.items.flatMap(({ key, value }) => (value === null ? [key] : [key, value]));
  };

  const measure = (node: YamlNode, depth: number): Extent => {
    if (depth > MAX_DEPTH) throw refuse(tooDeep, node);
    written += 1;
    if (isAlias(node)) {
      const extent = aliased(node);
      if (depth + extent.height > MAX_DEPTH) throw refuse(tooDeep, node);
      return extent;
    }
    const anchored = 'anchor' in node && typeof node.anchor === 'string';
    if (anchored) anchors.set(node.anchor!, node);
    let size = 1;
    let height = 1;
    for (const child of children(node)) {
      const extent = measure(child, depth + 1);
      size += extent.size;
      height = Math.max(height, extent.height + 1);
    }
    const extent = { size, height };
    if (anchored) extents.set(node, extent);
    return extent;
  };

  if (measure(root, 1).size - written > MAX_ALIASED) throw refuse(tooMany, root);
  return {
    source,
    root,
    lineOf,
    resolve: (node) => {
      let at = node;
      while (isAlias(at)) at = targets.get(at)!;
      return at;
    },
  };
}

const tooMany = `expected aliases that add at most ${MAX_ALIASED} nodes, found more`;

/** YAML 1.2 section 3.2.1.3: keys of a mapping are unique. */
function checkKeys(
  pairs: readonly Pair<YamlNode, YamlNode | null>[],
  refuse: (message: string, node: YamlNode) => PodwireError,
): void {
  const seen = new Set<string>();
  for (const { key } of pairs) {
    if (!isScalar(key)) continue;
    const text = String(key.value);
    if (text === '<<' && key.type === 'PLAIN') {
      throw refuse(
        'expected keys written out, found a merge key (<<), which YAML 1.2 has not',
        key,
      );
    }
    if (seen.has(text)) throw refuse(`expected each key once, found ${found(text)} again`, key);
    seen.add(text);
  }
}
