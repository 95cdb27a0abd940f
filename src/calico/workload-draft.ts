/** The pods and endpoints of a cluster, gathered while the files are read. */
import { once } from './bgp-draft.ts';
import type { Field } from './field.ts';
import { compareNames } from './names.ts';
import { readLabels } from './network-set.ts';
import type { Labels } from './selector.ts';
import {
  mergeWorkload,
  type PodName,
  readEndpoint,
  readPod,
  type Skipped,
  type Workload,
} from './workload.ts';

const NO_LABELS: Labels = new Map();

export class WorkloadDraft {
  readonly #pods = new Map<string, Workload>();
  readonly #endpoints = new Map<string, Workload>();
  #labels = NO_LABELS;

  /** Why it has no place on the network, where that is so. Refuses a second one. */
  addPod(name: PodName, at: Field): Skipped | undefined {
    const pod = readPod(name, at, this.#readLabels);
    if (typeof pod === 'string') return pod;
    once(this.#pods, name.key, pod);
    return undefined;
  }

  addEndpoint(name: PodName, at: Field): void {
    once(this.#endpoints, name.key, readEndpoint(name, at, this.#readLabels));
  }

  /** All of them, in name order. */
  finish(): Workload[] {
    const workloads = new Map(this.#pods);
    for (const [key, endpoint] of this.#endpoints) {
      const pod = workloads.get(key);
      workloads.set(key, pod === undefined ? endpoint : mergeWorkload(pod, endpoint));
    }
    return [...workloads.values()].sort((a, b) => compareNames(a.key, b.key));
  }

  /** Pods of one owner stand side by side and have the same labels: then one map for all. */
  readonly #readLabels = (at: Field): Labels => {
    const labels = readLabels(at);
    if (labels.size === 0) return NO_LABELS;
    if (!isSame(labels, this.#labels)) this.#labels = labels;
    return this.#labels;
  };
}

function isSame(a: Labels, b: Labels): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}
