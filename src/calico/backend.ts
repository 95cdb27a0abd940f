/**
 * Does calico-node run BIRD? The manifest says it in a ConfigMap (`calico_backend`),
 * the operator in its Installation (`bgp`). `undefined`: this resource does not say.
 */
import type { Field } from './field.ts';

/** Of the ConfigMap `calico-config`. */
export function backendOfConfigMap(resource: Field): boolean | undefined {
  const backend = resource.entry('data').entry('calico_backend');
  return backend.optional((f) => f.choice(['bird', 'vxlan', 'none'])) === undefined
    ? undefined
    : backend.text() === 'bird';
}

/** Of the operator's Installation. */
export const backendOfInstallation = (resource: Field): boolean | undefined =>
  resource
    .entry('spec')
    .entry('calicoNetwork')
    .entry('bgp')
    .optional((f) => f.choice(['Enabled', 'Disabled']) === 'Enabled');
