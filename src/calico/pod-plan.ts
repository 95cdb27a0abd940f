/** A pod as data: one veth, and the routes that every pod has. */
import type { NamespacePlan } from '../plan/plan.ts';
import { type Addressing, usesEncapsulation } from './blocks.ts';
import type { ControlPlane } from './control-plane.ts';
import { loopback, POD_DEVICE, podVeth } from './devices.ts';
import type { Numbering } from './ifindex.ts';
import type { IpPool } from './ip-pool.ts';
import { podRoutes } from './routes.ts';
import type { Workload } from './workload.ts';

// The same in every pod, and there may be 100,000 of them.
const ROUTES = podRoutes(POD_DEVICE);
const NONE: readonly never[] = [];

/** What all pods' plans are made of. */
export interface PodContext {
  readonly pools: readonly IpPool[];
  readonly addressing: Addressing;
  readonly control: ControlPlane;
  readonly number: Numbering;
}

export function planPod(
  pod: Workload,
  { pools, addressing, control, number }: PodContext,
): NamespacePlan {
  const { mtus } = control.nodes.get(pod.node.value)!;
  // Loading the ipip module puts a tunl0 (down, and not planned) in every namespace,
  // at index 2; without it the CNI's veth is the first device after lo.
  const first = usesEncapsulation(pools, 'ipip') ? 3 : 2;
  const device = podVeth(pod, mtus.pod, addressing.pods.get(pod.key)!, first);
  return {
    name: pod.key,
    role: 'pod',
    node: pod.node.value,
    forwarding: false,
    devices: number(pod.key, [loopback, device], first),
    routes: ROUTES,
    neighbours: NONE,
    fdb: NONE,
  };
}
