/** Senders that no capture shows. What they sent cannot be sent again; what came of it is missing. */
import type { NamespacePlan } from '../plan/plan.ts';
import type { Lab } from './lab.ts';

export interface UnheardSender {
  readonly namespace: string;
  /** Of a pod or host; a node or router is unheard where none of its interfaces is heard. */
  readonly interface?: string;
}

export const unheardSenders = (lab: Lab): UnheardSender[] =>
  lab.plan.namespaces.flatMap((namespace) => unheardOf(lab, namespace));

function unheardOf({ frames }: Lab, { name: namespace, role, devices }: NamespacePlan) {
  const unheard = devices
    .filter(({ name, kind }) => kind !== 'loopback' && frames(namespace, name) === undefined)
    .map(({ name }) => ({ namespace, interface: name }));
  if (role === 'pod' || role === 'host') return unheard;
  const heard = devices.some(({ name }) => frames(namespace, name) !== undefined);
  return heard ? [] : [{ namespace }];
}
