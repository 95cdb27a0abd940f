/** How a cluster is to live, beside what its plan says. */
import type { PlanOptions } from '../calico/cluster-plan.ts';

/**
 * `warm` (default): ARP has learned what a cluster in use knows. `listed`: the neighbours of
 * the plan, and no others. `cold`: those alone too, and switches have learned nothing yet.
 */
export type KnownNeighbours = 'warm' | 'listed' | 'cold';

export interface ClusterOptions extends PlanOptions {
  /** Decides every byte that a kernel draws at random and that is not declared. Default 1. */
  readonly seed?: number;
  readonly neighbours?: KnownNeighbours;
  /**
   * Packets of a flow that was seen go the way of those before them without walking
   * again. The outcome is the same; `false` is for who doubts it. Default true.
   */
  readonly flowCache?: boolean;
  /**
   * `false`: no rules, no NAT and no connection tracking in any namespace, as on nodes
   * whose netfilter is empty; routes, neighbours, tunnels and MTUs are as ever. The plan
   * and the printed tables say so. To see what rules cost, or what routes alone would do.
   * Default true.
   */
  readonly netfilter?: boolean;
}
