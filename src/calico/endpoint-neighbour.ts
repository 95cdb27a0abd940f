/** Neighbours that Felix makes for the pods of a node. */
import type { NeighbourPlan } from '../plan/plan.ts';
import type { Addressing } from './blocks.ts';
import { type Workload, workloadMac } from './workload.ts';

/** Felix pins the neighbour of an endpoint with a MAC (route_table.go addStaticARPEntry). */
export const endpointNeighbours = (pods: readonly Workload[], { pods: addresses }: Addressing) =>
  pods
    .filter(({ endpointMac }) => endpointMac !== undefined)
    .map(
      (pod): NeighbourPlan => ({
        device: pod.device,
        address: addresses.get(pod.key)!,
        mac: workloadMac(pod),
        state: 'PERMANENT',
      }),
    );
