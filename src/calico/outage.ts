/**
 * Outage: podwire's own resource for what is broken at the moment. A session taken
 * down loses the routes it brought; tables from other sources stay.
 *
 *   apiVersion: podwire/v1
 *   kind: Outage
 *   metadata: {name: maintenance}
 *   spec:
 *     bgpSessions: [{a: worker-1, b: worker-2}]   # names of nodes, routers or hosts
 */
import type { Field } from './field.ts';

export interface SessionOutage {
  readonly a: string;
  readonly b: string;
  readonly at: Field;
}

export const readOutage = (resource: Field): SessionOutage[] =>
  resource
    .entry('spec')
    .entry('bgpSessions')
    .items()
    .map((at) => ({ a: at.entry('a').name(), b: at.entry('b').name(), at }));
