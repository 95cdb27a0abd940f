/**
 * The other end of a veth. `ip link` prints its ifindex and its namespace, which
 * are facts of another namespace: hence this lookup.
 */
import type { ClusterPlan, DevicePlan, NamespacePlan } from '../plan/plan.ts';

export interface PeerFacts {
  /** ifindex of the other end, in its own namespace. */
  readonly index: number;
  /** Name under `ip netns`, for `link-netns`; without one the number prints. */
  readonly netns?: string | undefined;
}

export type PeerLookup = (peer: NonNullable<DevicePlan['peer']>) => PeerFacts | undefined;

/** A lookup through all namespaces of a plan. */
export function peersOf(plan: ClusterPlan): PeerLookup {
  const indices = new Map<string, number>();
  for (const { name, devices } of plan.namespaces) {
    for (const device of devices) indices.set(`${name}\n${device.name}`, device.index);
  }
  return ({ namespace, device }) => {
    const index = indices.get(`${namespace}\n${device}`);
    return index === undefined ? undefined : { index };
  };
}

/** What follows the device's name: `@if6`, `@NONE` or nothing. */
export function peerName(ns: NamespacePlan, device: DevicePlan, peers?: PeerLookup): string {
  if (device.kind === 'ipip') return '@NONE';
  if (device.peer === undefined) return '';
  if (device.peer.namespace === ns.name) return `@${device.peer.device}`;
  // Better a question mark than a number that is not so.
  return `@if${peers?.(device.peer)?.index ?? '?'}`;
}

/** ` link-netns NAME` or ` link-netnsid N`. */
export function peerNamespace(ns: NamespacePlan, device: DevicePlan, peers?: PeerLookup): string {
  const number = peerNumber(ns, device);
  if (number === undefined || device.peer === undefined) return '';
  const netns = peers?.(device.peer)?.netns;
  return netns === undefined ? ` link-netnsid ${number}` : ` link-netns ${netns}`;
}

/** The other end's namespace by number, if it is another one: the kernel counts as it meets them. */
export function peerNumber(ns: NamespacePlan, { peer }: DevicePlan): number | undefined {
  if (peer === undefined || peer.namespace === ns.name) return undefined;
  const met = [...ns.devices]
    .sort((a, b) => a.index - b.index)
    .flatMap((d) => (d.peer && d.peer.namespace !== ns.name ? [d.peer.namespace] : []));
  return [...new Set(met)].indexOf(peer.namespace);
}
