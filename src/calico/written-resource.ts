/** Where each resource stands in the files it was written in, for edits of their text. */
import { isMap, isScalar, isSeq } from 'yaml';
import type { ManifestFile } from './manifest.ts';
import { parseYaml, type YamlDocument, type YamlNode } from './yaml-document.ts';

/** A resource somewhere in the files. */
export interface WrittenResource {
  readonly file: number;
  readonly document: YamlDocument;
  readonly root: YamlNode;
  readonly kind: string;
  /** `apiVersion`, its own or its List's; empty where neither says one. */
  readonly group: string;
  /** Bare, and with its namespace where it is in one. */
  readonly names: readonly string[];
}

/** All resources of all files, those in Lists too. Throws ERR_CONFIG_SYNTAX. */
export const writtenResources = (files: readonly ManifestFile[]): WrittenResource[] =>
  files.flatMap(({ text, source }, file) =>
    parseYaml(text, source).flatMap((document) => resources(file, document, document.root)),
  );

/** Calico takes these two without anybody having made them; YAML's own form of an empty one. */
export const singletonFile = (kind: string, source: string): ManifestFile => ({
  text: `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: {name: default}\nspec: {}\n`,
  source,
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
export function canonical(kind: string): string {
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
  within = '',
): WrittenResource[] {
  const root = document.resolve(node);
  const kind = textAt(document, root, ['kind']) ?? listed ?? '';
  const group = textAt(document, root, ['apiVersion']) ?? within;
  const items = child(document, root, 'items');
  if (kind.endsWith('List') && items !== undefined && isSeq<YamlNode>(items)) {
    const itemKind = kind === 'List' ? undefined : kind.slice(0, -'List'.length);
    return items.items.flatMap((item) => resources(file, document, item, itemKind, group));
  }
  const name = textAt(document, root, ['metadata', 'name']);
  if (kind === '' || name === undefined) return [];
  const namespace = textAt(document, root, ['metadata', 'namespace']) ?? 'default';
  return [{ file, document, root, kind, group, names: [`${namespace}/${name}`, name] }];
}

function child(document: YamlDocument, node: YamlNode, key: string): YamlNode | undefined {
  const written = stepInto(node, key);
  return written === undefined ? undefined : document.resolve(written);
}

export function textAt(
  document: YamlDocument,
  root: YamlNode,
  path: readonly string[],
): string | undefined {
  let at: YamlNode | undefined = root;
  for (const key of path) at = at === undefined ? undefined : child(document, at, key);
  return at !== undefined && isScalar(at) && typeof at.value === 'string' ? at.value : undefined;
}

/** What is written at a key of a mapping or an index of a list. */
export function stepInto(node: YamlNode, step: string): YamlNode | undefined {
  if (isSeq<YamlNode>(node)) return /^\d+$/.test(step) ? node.items[Number(step)] : undefined;
  if (!isMap<YamlNode, YamlNode | null>(node)) return undefined;
  const pair = node.items.find((p) => isScalar(p.key) && String(p.key.value) === step);
  return pair?.value ?? undefined;
}
