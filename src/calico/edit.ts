/**
 * What-if edits: `ippool/default-ipv4-ippool.ipipMode=Never` applied to manifests
 * before they are planned. Only the characters of the value change, so that messages
 * about the result still name the lines of the user's file.
 */
import { isMap, isScalar, isSeq } from 'yaml';
import { found, PodwireError } from '../errors.ts';
import { knownFields, singletons } from './edit-fields.ts';
import type { ManifestFile } from './manifest.ts';
import { parseYaml, type YamlDocument, type YamlNode } from './yaml-document.ts';

/** A resource somewhere in the files. */
interface Resource {
  readonly file: number;
  readonly document: YamlDocument;
  readonly root: YamlNode;
  readonly kind: string;
  /** Bare, and with its namespace where it is in one. */
  readonly names: readonly string[];
}

/** Where characters of a file give way to others. */
interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** The text is a line of its own, indented like what follows it. */
  readonly line?: boolean;
  /** It goes behind the colon that follows the start: a block collection begins on a line of its own. */
  readonly colon?: boolean;
}

/**
 * The files with each edit made, in order. A field is meant inside `spec` unless it
 * begins with `metadata`, `spec` or `status`; `[N]` picks from a list. Throws
 * ERR_USAGE for what is no edit, ERR_NAME for a resource or field that is not known.
 */
export function editManifests(
  files: readonly ManifestFile[],
  edits: readonly string[],
): ManifestFile[] {
  return edits.reduce<ManifestFile[]>(apply, [...files]);
}

function apply(files: ManifestFile[], edit: string): ManifestFile[] {
  const [, kind, rest, value] = /^([^/=]+)\/([^=]+)=(.*)$/s.exec(edit) ?? [];
  if (kind === undefined || rest === undefined || value === undefined) {
    throw new PodwireError(
      'ERR_USAGE',
      `--set: expected KIND/NAME.field=value, found ${found(edit)}`,
    );
  }
  const all = files.flatMap(({ text, source }, file) =>
    parseYaml(text, source).flatMap((document) => resources(file, document, document.root)),
  );
  const singleton = singletons.get(canonical(kind));
  const candidates = all.filter((r) => canonical(r.kind) === canonical(kind));
  const hits = candidates.flatMap((resource) => {
    const name = resource.names.find((n) => rest.startsWith(`${n}.`) || rest === n);
    return name === undefined ? [] : [{ resource, name }];
  });
  // The longest name wins: names may hold dots.
  const longest = Math.max(...hits.map(({ name }) => name.length));
  const chosen = hits.filter(({ name }) => name.length === longest);
  if (chosen.length === 0 && singleton !== undefined && rest.startsWith('default.')) {
    return apply([...files, singletonFile(singleton)], edit);
  }
  if (chosen.length === 0) throw unknownResource(kind, rest, all, candidates);
  const path = readPath(edit, rest.slice(longest + 1));
  const target = preferred(chosen, path);
  return files.map((file, at) =>
    at === target.file ? { ...file, text: splice(file.text, change(target, path, value)) } : file,
  );
}

/** Calico takes these two without anybody having made them; YAML's own form of an empty one. */
const singletonFile = (kind: string): ManifestFile => ({
  text: `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: {name: default}\nspec: {}\n`,
  source: '--set',
});

const ALIASES: ReadonlyMap<string, string> = new Map([
  ['po', 'pod'],
  ['no', 'node'],
  ['ns', 'namespace'],
  ['svc', 'service'],
  ['wep', 'workloadendpoint'],
  ['pool', 'ippool'],
  ['felixconfig', 'felixconfiguration'],
  ['bgpconfig', 'bgpconfiguration'],
]);

/** `IPPools`, `ippool` and `pool` are one kind. */
function canonical(kind: string): string {
  const lower = kind.toLowerCase();
  const one = lower.length > 2 && /[^su]s$/.test(lower) ? lower.slice(0, -1) : lower;
  return ALIASES.get(lower) ?? ALIASES.get(one) ?? one;
}

/** A document's resources: itself, or the items of a List. */
function resources(
  file: number,
  document: YamlDocument,
  node: YamlNode,
  listed?: string,
): Resource[] {
  const root = document.resolve(node);
  const kind = textAt(document, root, ['kind']) ?? listed ?? '';
  const items = child(document, root, 'items');
  if (kind.endsWith('List') && items !== undefined && isSeq<YamlNode>(items)) {
    const itemKind = kind === 'List' ? undefined : kind.slice(0, -'List'.length);
    return items.items.flatMap((item) => resources(file, document, item, itemKind));
  }
  const name = textAt(document, root, ['metadata', 'name']);
  if (kind === '' || name === undefined) return [];
  const namespace = textAt(document, root, ['metadata', 'namespace']) ?? 'default';
  return [{ file, document, root, kind, names: [`${namespace}/${name}`, name] }];
}

function child(document: YamlDocument, node: YamlNode, key: string): YamlNode | undefined {
  const written = stepInto(node, key);
  return written === undefined ? undefined : document.resolve(written);
}

function textAt(
  document: YamlDocument,
  root: YamlNode,
  path: readonly string[],
): string | undefined {
  let at: YamlNode | undefined = root;
  for (const key of path) at = at === undefined ? undefined : child(document, at, key);
  return at !== undefined && isScalar(at) && typeof at.value === 'string' ? at.value : undefined;
}

function unknownResource(
  kind: string,
  rest: string,
  all: readonly Resource[],
  ofKind: readonly Resource[],
): PodwireError {
  const list = (words: readonly string[]): string => {
    const known = [...new Set(words)].sort();
    const more = known.length > 10 ? `, and ${known.length - 10} more` : '';
    return `${known.slice(0, 10).join(', ')}${more}`;
  };
  const message =
    ofKind.length === 0
      ? `expected one of ${list(all.map((r) => r.kind)) || 'no resources'}, found ${found(kind)}`
      : `expected a name of ${ofKind[0]!.kind} (${list(ofKind.map((r) => r.names.at(-1)!))}) ` +
        `and a field, found ${found(rest)}`;
  return new PodwireError('ERR_NAME', `--set ${kind}: ${message}`);
}

/** `addresses[0].address` as its steps, from the resource's root. */
function readPath(edit: string, text: string): string[] {
  const steps = [...text.matchAll(/([^.[\]]+)|\["([^"]+)"\]|\[(\d+)\]/g)].map(
    ([, plain, quoted, index]) => plain ?? quoted ?? index ?? '',
  );
  if (steps.length === 0) {
    throw new PodwireError(
      'ERR_USAGE',
      `--set: expected a field after the name, found ${found(edit)}`,
    );
  }
  return ['metadata', 'spec', 'status'].includes(steps[0]!) ? steps : ['spec', ...steps];
}

/** A node may be told by both calicoctl and kubectl: the one that has the field, else Calico's. */
function preferred(chosen: readonly { readonly resource: Resource }[], path: string[]): Resource {
  const list = chosen.map(({ resource }) => resource);
  const having = list.find((r) => {
    let at: YamlNode | undefined = r.root;
    for (const step of path) {
      at = at === undefined ? undefined : stepInto(r.document.resolve(at), step);
    }
    return at !== undefined;
  });
  const calico = list.find((r) =>
    textAt(r.document, r.root, ['apiVersion'])?.startsWith('projectcalico.org/'),
  );
  return having ?? calico ?? list[0]!;
}

/** What is written at a key of a mapping or an index of a list. */
function stepInto(node: YamlNode, step: string): YamlNode | undefined {
  if (isSeq<YamlNode>(node)) return /^\d+$/.test(step) ? node.items[Number(step)] : undefined;
  if (!isMap<YamlNode, YamlNode | null>(node)) return undefined;
  const pair = node.items.find((p) => isScalar(p.key) && String(p.key.value) === step);
  return pair?.value ?? undefined;
}

/** Walks as far as the path exists, then either replaces what stands there or adds the rest. */
function change(resource: Resource, path: readonly string[], value: string): Splice {
  const { document } = resource;
  let node = resource.root;
  let key: YamlNode | undefined;
  for (const [at, step] of path.entries()) {
    const holder = document.resolve(node);
    const inside = stepInto(holder, step);
    if (inside === undefined) {
      refuseUnknown(resource, path, at, holder);
      return insertion(resource, holder, path.slice(at), literal(value), path.slice(0, at));
    }
    key = keyOf(holder, step);
    // An alias in the last place gives way itself; what it stood for stays.
    node = inside;
  }
  if ((isMap(node) || isSeq(node)) && !/^[[{]/.test(value)) {
    const message = `${label(resource, path)}: expected a field with one value, found ${isMap(node) ? 'a mapping' : 'a list'}`;
    throw new PodwireError('ERR_USAGE', `--set ${message}`);
  }
  const [start, end] = node.range ?? [0, 0];
  const block = (isMap(node) || isSeq(node)) && !node.flow && key?.range;
  if (block) return { start: block[1], end, text: ` ${literal(value)}`, colon: true };
  return { start, end, text: literal(value) };
}

const keyOf = (holder: YamlNode, step: string): YamlNode | undefined =>
  isMap<YamlNode>(holder)
    ? holder.items.find(({ key }) => isScalar(key) && String(key.value) === step)?.key
    : undefined;

const label = ({ kind, names }: Resource, path: readonly string[]): string =>
  `${kind}/${names.at(-1)} ${path.join('.')}`;

/** A field that nobody reads would change nothing and say nothing. */
function refuseUnknown(
  resource: Resource,
  path: readonly string[],
  at: number,
  node: YamlNode,
): void {
  const known = knownFields(resource.kind, path.slice(0, at));
  if (known === 'any' || known?.includes(path[at]!)) return;
  const written = isMap<YamlNode>(node) ? node.items.map(({ key }) => String(key)) : [];
  const names = [...new Set([...(known ?? []), ...written])].sort().join(', ');
  throw new PodwireError(
    'ERR_NAME',
    `--set ${label(resource, path.slice(0, at))}: expected a field (${names || 'none here'}), found ${found(path[at])}`,
    { source: resource.document.source, line: resource.document.lineOf(node) },
  );
}

/** Numbers, booleans, null and flow collections as they are; all else as text. */
function literal(value: string): string {
  if (/^(true|false|null|-?(0|[1-9]\d{0,14}))$/.test(value)) return value;
  if (/^".*"$|^[[{]/s.test(value)) {
    const [document] = parseYaml(value, '--set');
    return document === undefined ? '""' : value.replace(/\s*\n\s*/g, ' ');
  }
  return JSON.stringify(value);
}

/** One more key in a mapping: in the same line of a flow mapping, else on a line above the first key. */
function insertion(
  resource: Resource,
  node: YamlNode,
  steps: readonly string[],
  value: string,
  path: readonly string[],
): Splice {
  const [key, ...inner] = steps.map((step) => JSON.stringify(step));
  const nested = inner.reduceRight((rest, step) => `{${step}: ${rest}}`, value);
  const pair = `${key}: ${nested}`;
  const [start, end] = node.range ?? [0, 0];
  if (!isMap<YamlNode>(node)) {
    // `spec:` with nothing after it reads as null.
    if (isScalar(node) && node.value === null) return { start, end, text: ` {${pair}}` };
    throw new PodwireError('ERR_USAGE', `--set ${label(resource, path)}: expected a mapping`);
  }
  if (node.flow) {
    return { start: start + 1, end: start + 1, text: node.items.length > 0 ? `${pair}, ` : pair };
  }
  const first = node.items[0]!.key.range?.[0] ?? start;
  return { start: first, end: first, text: pair, line: true };
}

function splice(text: string, { start: from, end, text: inserted, line, colon }: Splice): string {
  const start = colon ? text.indexOf(':', from) + 1 : from;
  // A list's dash counts as a blank for the keys below it.
  const column = start - (text.lastIndexOf('\n', start - 1) + 1);
  const indent = line ? `\n${' '.repeat(column)}` : '';
  const kept = /\s*$/.exec(text.slice(start, end))?.[0].includes('\n') ? '\n' : '';
  return text.slice(0, start) + inserted + indent + kept + text.slice(end);
}
