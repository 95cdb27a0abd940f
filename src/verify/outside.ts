/**
 * What is around a cluster of which somebody brought tables and captures: gateways, other
 * nodes, whoever else is on its wires. Of them only MACs are known. They are there so that
 * a switch knows where a frame to them goes, and answer nothing: what they sent is in the
 * captures.
 */
import type { ClusterPlan, DevicePlan, NamespacePlan, SegmentPlan } from '../plan/plan.ts';
import { formatMac, type Mac, macAt } from '../wire/address.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { LabCapture } from './lab.ts';
import { byTime, type CapturedFrame, type Recording } from './recording.ts';

/** What the names of those begin with that are known by their MACs only. */
export const OUTSIDE = 'outside/';

/** Neighbours of one wire; more than any capture of a node names. */
const MOST = 1000;

/** The plan with those that are on its segments beside its namespaces. */
export function withOutside(plan: ClusterPlan, captures: readonly LabCapture[]): ClusterPlan {
  const around = plan.segments.map((segment) => hostsOn(segment, plan, captures));
  return {
    ...plan,
    namespaces: [...plan.namespaces, ...around.filter(({ devices }) => devices.length > 0)],
    segments: plan.segments.map((segment, i) => ({
      ...segment,
      members: [
        ...segment.members,
        ...around[i]!.devices.map(({ name: device }) => ({ namespace: around[i]!.name, device })),
      ],
    })),
  };
}

/**
 * What nodes sent whose NICs were not captured, as others on the same wire received it; by
 * `NAMESPACE:DEVICE`.
 */
export function overheard(
  { namespaces, segments }: ClusterPlan,
  captures: readonly LabCapture[],
): ReadonlyMap<string, Recording> {
  const known = new Map(namespaces.map((namespace) => [namespace.name, namespace]));
  const found = new Map<string, Recording>();
  for (const { members } of segments) {
    const captured = captures.filter(({ namespace, device }) =>
      members.some((one) => one.namespace === namespace && one.device === device),
    );
    for (const { namespace, device } of members) {
      const mac = known.get(namespace)?.devices.find(({ name }) => name === device)?.mac;
      if (mac === undefined || captured.some((c) => c.namespace === namespace)) continue;
      const frames = captured.flatMap((capture, i) => sentBy(mac, capture, i === 0));
      if (frames.length > 0) found.set(`${namespace}:${device}`, frames.sort(byTime));
    }
  }
  return found;
}

/** Frames from a MAC; those to everybody only where no other capture was asked before. */
const sentBy = (mac: Mac, { frames = [] }: LabCapture, isFirst: boolean): CapturedFrame[] =>
  frames.filter(
    ({ bytes }) =>
      bytes.length >= ethernet.HEADER_LEN &&
      macAt(bytes, 6) === mac &&
      (isFirst || !ethernet.isGroup(bytes, 0)),
  );

/** One namespace for all of them: a device each. */
function hostsOn(
  segment: SegmentPlan,
  { namespaces }: ClusterPlan,
  captures: readonly LabCapture[],
): NamespacePlan {
  const own = new Set<number>();
  const met = new Set<Mac>();
  for (const { namespace, device } of segment.members) {
    const plan = namespaces.find(({ name }) => name === namespace);
    const mac = plan?.devices.find(({ name }) => name === device)?.mac;
    if (plan === undefined || mac === undefined) continue;
    own.add(mac);
    const known = plan.neighbours.filter((neighbour) => neighbour.device === device);
    for (const neighbour of known) if (neighbour.mac !== undefined) met.add(neighbour.mac);
    const capture = captures.find((c) => c.namespace === namespace && c.device === device);
    for (const { bytes } of capture?.frames ?? []) {
      if (bytes.length < ethernet.HEADER_LEN) continue;
      const isSent = macAt(bytes, ethernet.field.source) === mac;
      if (!isSent) met.add(macAt(bytes, ethernet.field.source));
      else if (!ethernet.isGroup(bytes, 0)) met.add(macAt(bytes, 0));
    }
  }
  const others = [...met].filter((mac) => !own.has(mac)).slice(0, MOST);
  return {
    name: `${OUTSIDE}${segment.name.replace(/[^-.\w]/g, '-')}`,
    role: 'host',
    silent: true,
    forwarding: false,
    devices: others.map((mac, i) => outsider(mac, i + 1)),
    routes: [],
    neighbours: [],
    fdb: [],
  };
}

const outsider = (mac: Mac, index: number): DevicePlan => ({
  name: formatMac(mac),
  index,
  kind: 'nic',
  mac,
  mtu: 65535,
  up: true,
  addresses: [],
  proxyArp: false,
  queueLength: 1000,
  qdisc: 'noqueue',
  checksumOffload: true,
});
