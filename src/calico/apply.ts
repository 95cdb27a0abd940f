/**
 * `calicoctl apply` and `calicoctl patch` on manifests: what they do to the resources,
 * and what they say (calicoctl/commands/apply.go, patch.go).
 */
import { found, PodwireError } from '../errors.ts';
import { singletons } from './edit-fields.ts';
import { Field } from './field.ts';
import type { ManifestFile } from './manifest.ts';
import {
  canonical,
  singletonFile,
  type WrittenResource,
  writtenResources,
} from './written-resource.ts';
import { parseYaml } from './yaml-document.ts';

/** Manifests after a change, and what calicoctl prints about it. */
export interface Applied {
  readonly files: readonly ManifestFile[];
  readonly message: string;
}

/**
 * Every resource of `given` in place of the one with its kind and name, or beside the
 * others where there is none. Throws ERR_CONFIG_SYNTAX, and ERR_CONFIG_VALUE for what
 * is no resource.
 */
export function applyManifests(
  files: readonly ManifestFile[],
  given: readonly ManifestFile[],
): Applied {
  const news = writtenResources(given);
  if (news.length === 0) return { files, message: 'No resources specified\n' };
  let result = [...files];
  for (const resource of news) {
    const value = plain(resource);
    const [before] = writtenResources(result).filter((one) => same(one, resource));
    result =
      before === undefined
        ? [...result, { text: line(value), source: given[resource.file]!.source }]
        : replaced(result, before, value);
  }
  const kinds = new Set(news.map(({ kind }) => kind));
  const what = kinds.size === 1 ? ` '${news[0]!.kind}'` : '';
  return {
    files: result,
    message: `Successfully applied ${news.length}${what} resource(s)\n`,
  };
}

/**
 * A merge patch in JSON (RFC 7396) on one resource: objects are merged, null takes a
 * field away, all else replaces. Throws ERR_NAME for a resource that is not there and
 * ERR_CONFIG_SYNTAX for a patch that is no JSON object.
 */
export function patchManifests(
  files: readonly ManifestFile[],
  { kind, name, patch }: { readonly kind: string; readonly name: string; readonly patch: string },
): Applied {
  const change = readPatch(patch);
  const ofKind = (all: readonly ManifestFile[]): WrittenResource[] =>
    writtenResources(all)
      .filter((one) => canonical(one.kind) === canonical(kind))
      // calicoctl means Calico's own where Kubernetes has one of the name too.
      .sort((a, b) => Number(calicos(b)) - Number(calicos(a)));
  const singleton = name === 'default' ? singletons.get(canonical(kind)) : undefined;
  let all = files;
  let target = ofKind(all).find(({ names }) => names.includes(name));
  if (target === undefined && singleton !== undefined) {
    all = [...files, singletonFile(singleton, 'patch')];
    target = ofKind(all).find(({ names }) => names.includes(name));
  }
  if (target === undefined) {
    const known = ofKind(files).map(({ names }) => names.at(-1));
    throw new PodwireError(
      'ERR_NAME',
      `patch ${kind}: expected a name (${known.slice(0, 10).join(', ') || 'there is none'}), found ${found(name)}`,
    );
  }
  return {
    files: replaced(all, target, merged(plain(target), change)),
    message: `Successfully patched 1 '${target.kind}' resource\n`,
  };
}

const same = (a: WrittenResource, b: WrittenResource): boolean =>
  a.kind === b.kind && a.names[0] === b.names[0] && calicos(a) === calicos(b);

/** `Node` and `NetworkPolicy` are both Calico's and Kubernetes'. */
const calicos = ({ group }: WrittenResource): boolean => /(^|\.)projectcalico\.org\//.test(group);

/** A resource as plain data; an item of a List with what the List says of it. */
function plain({ document, root, kind, group }: WrittenResource): object {
  const value = Field.root({ ...document, root }).plain();
  return { apiVersion: group, kind, ...(value as object) };
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** The text of a resource gives way; the lines of those above it stay. */
function replaced(
  files: readonly ManifestFile[],
  { file, root }: WrittenResource,
  value: unknown,
): ManifestFile[] {
  const [start = 0, end = 0] = root.range ?? [];
  return files.map((one, at) => {
    if (at !== file) return one;
    const kept = /\s*$/.exec(one.text.slice(start, end))![0];
    const text = `${one.text.slice(0, start)}${JSON.stringify(value)}${kept}${one.text.slice(end)}`;
    return { ...one, text };
  });
}

function readPatch(patch: string): object {
  // JSON is YAML, whose reader has the limits.
  parseYaml(patch, 'patch');
  let value: unknown;
  try {
    value = JSON.parse(patch);
  } catch {
    value = undefined;
  }
  if (isObject(value)) return value;
  throw new PodwireError('ERR_CONFIG_SYNTAX', `expected an object in JSON, found ${found(patch)}`, {
    source: 'patch',
    line: 1,
  });
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function merged(before: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const entries = new Map(isObject(before) ? Object.entries(before) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || value === undefined) entries.delete(key);
    else entries.set(key, merged(entries.get(key), value));
  }
  return Object.fromEntries(entries);
}
