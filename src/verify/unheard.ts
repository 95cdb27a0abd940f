/**
 * Senders that no capture shows. What they sent cannot be sent again; what came of it is
 * missing. Of a cluster whose captures somebody brought, others' captures have some of it.
 */
import type { NamespacePlan } from '../plan/plan.ts';
import type { Lab } from './lab.ts';
import { OUTSIDE } from './outside.ts';

export interface UnheardSender {
  readonly namespace: string;
  /** Of a pod or host; a node or router is unheard where none of its interfaces is heard. */
  readonly interface?: string;
  /** Whose captures are taken to show what it sent, if any may. */
  readonly heardBy?: string;
}

export const unheardSenders = (lab: Lab): UnheardSender[] => [
  ...lab.plan.namespaces
    .filter(({ name }) => !name.startsWith(OUTSIDE))
    .flatMap((namespace) => unheardOf(lab, namespace)),
  ...(lab.brought?.outside ?? []).map((namespace) => ({ namespace, heardBy: 'others' })),
];

function unheardOf({ frames, brought }: Lab, { name: namespace, role, devices }: NamespacePlan) {
  const unheard = devices
    .filter(({ name, kind, up, peer }) => {
      const sends = kind !== 'loopback' && (brought === undefined || (up && peer !== undefined));
      return sends && frames(namespace, name) === undefined;
    })
    .map(({ name, peer }): UnheardSender => {
      const by = brought === undefined ? undefined : peer?.namespace;
      return { namespace, interface: name, ...(by === undefined ? {} : { heardBy: by }) };
    });
  if (role === 'pod' || role === 'host') return unheard;
  const heard = devices.some(({ name }) => frames(namespace, name) !== undefined);
  return heard ? [] : [{ namespace }];
}
