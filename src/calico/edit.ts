/**
 * What-if edits: `ippool/default-ipv4-ippool.ipipMode=Never` applied to manifests
 * before they are planned. Only the characters of the value change, so that messages
 * about the result still name the lines of the user's file.
 */
import { isMap, isScalar, isSeq } from 'yaml';
import { found, PodwireError } from '../errors.ts';
import { knownFields, singletons } from './edit-fields.ts';
import type { ManifestFile } from './manifest.ts';
import {
  canonical,
  singletonFile,
  stepInto,
  textAt,
  type WrittenResource,
  writtenResources,
} from './written-resource.ts';
import { parseYaml, type YamlNode } from './yaml-document.ts';

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
  const all = writtenResources(files);
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
    return apply([...files, singletonFile(singleton, '--set')], edit);
  }
  if (chosen.length === 0) throw unknownResource(kind, rest, all, candidates);
  const path = readPath(edit, rest.slice(longest + 1));
  const target = preferred(chosen, path);
  return files.map((file, at) =>
    at === target.file ? { ...file, text: splice(file.text, change(target, path, value)) } : file,
  );
}

function unknownResource(
  kind: string,
  rest: string,
  all: readonly WrittenResource[],
  ofKind: readonly WrittenResource[],
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
function preferred(
  chosen: readonly { readonly resource: WrittenResource }[],
  path: string[],
): WrittenResource {
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

/** Walks as far as the path exists, then either replaces what stands there or adds the rest. */
function change(resource: WrittenResource, path: readonly string[], value: string): Splice {
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

const label = ({ kind, names }: WrittenResource, path: readonly string[]): string =>
  `${kind}/${names.at(-1)} ${path.join('.')}`;

/** A field that nobody reads would change nothing and say nothing. */
function refuseUnknown(
  resource: WrittenResource,
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
  resource: WrittenResource,
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
