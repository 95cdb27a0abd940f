/** Label selectors of Kubernetes, as its policies write them. */
import type { Field } from './field.ts';
import { ORCHESTRATOR_LABEL } from './party.ts';
import type { Labels } from './selector.ts';

/** Policies of Kubernetes speak of its pods alone. */
export const isPod = (labels: Labels): boolean => labels.get(ORCHESTRATOR_LABEL) === 'k8s';

/** matchLabels and matchExpressions, all of which must hold; an empty one holds for all. */
export function labelSelector(at: Field): (labels: Labels) => boolean {
  const tests: ((labels: Labels) => boolean)[] = [];
  for (const [key, f] of at.entry('matchLabels').entries()) {
    const value = f.text();
    tests.push((labels) => labels.get(key) === value);
  }
  for (const f of at.entry('matchExpressions').items()) {
    const key = f.entry('key').text();
    const operator = f.entry('operator').choice(['In', 'NotIn', 'Exists', 'DoesNotExist']);
    const values = new Set(
      f
        .entry('values')
        .items()
        .map((item) => item.text()),
    );
    const wanted = operator === 'In' || operator === 'Exists';
    tests.push((labels) => {
      const value = labels.get(key);
      const holds = operator.endsWith('In')
        ? value !== undefined && values.has(value)
        : labels.has(key);
      return holds === wanted;
    });
  }
  return (labels) => tests.every((holds) => holds(labels));
}
