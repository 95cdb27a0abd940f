/** What a resource is called, for its key and for messages about it. */
import type { Field } from './field.ts';

/** `metadata.name`, and the resource called by it. */
export function named(kind: string, root: Field): [string, Field] {
  const at = root.named(kind);
  const name = at.entry('metadata').entry('name').name();
  return [name, root.named(`${kind}/${name}`)];
}

/** Kubernetes puts what names no namespace into `default`. */
export function namespaced(kind: string, root: Field): [string, string, Field] {
  const [name, at] = named(kind, root);
  const namespace =
    at
      .entry('metadata')
      .entry('namespace')
      .optional((f) => f.name()) ?? 'default';
  return [namespace, name, root.named(`${kind}/${namespace}/${name}`)];
}

/** `apiVersion` or `kind`, which a typed List may say for its items. */
export function inherited(root: Field, key: string, fallback: string | undefined): string {
  const at = root.entry(key);
  if (at.absent && fallback !== undefined) return fallback;
  return at.text('a Kubernetes resource with apiVersion and kind');
}
