/** Namespace: labels that pools select by, and the pools that its pods ask for. */
import type { Field, Given } from './field.ts';
import { readPoolRequest } from './ipam-request.ts';
import type { Labels } from './selector.ts';

export interface Namespace {
  readonly name: string;
  readonly labels: Labels;
  readonly pools: Given<readonly string[]> | undefined;
  readonly at: Field;
}

/** The API server puts this label on every namespace. */
const NAME_LABEL = 'kubernetes.io/metadata.name';

/** A Namespace as kubectl prints it. */
export function readNamespace(name: string, resource: Field): Namespace {
  const metadata = resource.entry('metadata');
  const labels = metadata
    .entry('labels')
    .entries()
    .map(([key, f]) => [key, f.text()] as const);
  return {
    name,
    labels: new Map([[NAME_LABEL, name], ...labels]),
    pools: readPoolRequest(metadata.entry('annotations')),
    at: resource,
  };
}

/** The labels of a namespace that no resource describes. */
export const bareLabels = (name: string): Labels => new Map([[NAME_LABEL, name]]);
