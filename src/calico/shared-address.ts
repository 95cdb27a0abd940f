/** Pods of one node that report one address: a fault of a cluster, for which Felix has a rule. */
import type { DevicePlan } from '../plan/plan.ts';
import type { Ip4 } from '../wire/address.ts';
import type { Workload } from './workload.ts';

export interface SharedAddresses {
  /** One pod for each address: of several that of the highest interface index. */
  readonly routed: readonly Workload[];
  /** The others. */
  readonly standby: readonly Workload[];
}

/** Whom the node's routes lead to (felix/routetable recalculateDesiredKernelRoute). */
export function sharedAddresses(
  pods: readonly Workload[],
  addresses: ReadonlyMap<string, Ip4>,
  devices: readonly DevicePlan[],
): SharedAddresses {
  const oneEach = onePerAddress(pods, addresses);
  if (oneEach.length === pods.length) return { routed: pods, standby: [] };
  const indices = new Map(devices.map(({ name, index }) => [name, index]));
  const byIndex = [...pods].sort((a, b) => indices.get(b.device)! - indices.get(a.device)!);
  const winners = new Set(onePerAddress(byIndex, addresses));
  return {
    routed: pods.filter((pod) => winners.has(pod)),
    standby: pods.filter((pod) => !winners.has(pod)),
  };
}

/** The first pod of each address. */
export function onePerAddress(
  pods: readonly Workload[],
  addresses: ReadonlyMap<string, Ip4>,
): readonly Workload[] {
  const taken = new Set<Ip4>();
  return pods.filter(({ key }) => {
    const address = addresses.get(key)!;
    const isFirst = !taken.has(address);
    taken.add(address);
    return isFirst;
  });
}
