/** Which pools a request may draw on, the preferred one first (ipam.go determinePools). */
import { formatPrefix } from '../wire/address.ts';
import type { CalicoNode } from './calico-node.ts';
import type { Given } from './field.ts';
import type { IpPool } from './ip-pool.ts';
import type { Tunnel } from './ipam-holder.ts';
import type { Manifest } from './manifest.ts';
import { bareLabels } from './namespace.ts';
import type { Workload } from './workload.ts';

/** Remembers its answers: the pods of one namespace on one node get the same. */
export class PoolChoice {
  readonly #pools: readonly IpPool[];
  readonly #namespaces: Manifest['namespaces'];
  readonly #called = new Map<string, IpPool>();
  readonly #asked = new Map<Given<readonly string[]>, readonly IpPool[]>();
  /** By node, then by namespace. */
  readonly #automatic = new Map<CalicoNode, Map<string, readonly IpPool[]>>();

  constructor({ pools, namespaces }: Manifest) {
    this.#pools = pools;
    this.#namespaces = namespaces;
    for (const pool of pools) {
      if (!pool.disabled) this.#called.set(pool.name, pool).set(formatPrefix(pool.cidr), pool);
    }
  }

  /**
   * An annotation of the pod, or else of its namespace, overrules selectors and Manual.
   * Refuses annotations that name no enabled pool for workloads.
   */
  forPod(pod: Workload, node: CalicoNode): readonly IpPool[] {
    const asked = pod.pools ?? this.#namespaces.get(pod.namespace)?.pools;
    if (asked === undefined) return this.forNamespace(pod.namespace, node);
    let pools = this.#asked.get(asked);
    if (pools === undefined) {
      pools = this.#resolve(asked);
      this.#asked.set(asked, pools);
    }
    return pools;
  }

  /** For a pod of the namespace that asks for nothing. */
  forNamespace(name: string, node: CalicoNode): readonly IpPool[] {
    let byName = this.#automatic.get(node);
    if (byName === undefined) {
      byName = new Map();
      this.#automatic.set(node, byName);
    }
    let pools = byName.get(name);
    if (pools === undefined) {
      const labels = this.#namespaces.get(name)?.labels ?? bareLabels(name);
      pools = this.#pools.filter((pool) => pool.offersPods(node.labels, labels));
      byName.set(name, pools);
    }
    return pools;
  }

  /** WireGuard takes any pool, a tunnel of one kind those of that kind (allocateip.go). */
  forTunnel(kind: Tunnel, node: CalicoNode): readonly IpPool[] {
    return this.#pools.filter(
      (pool) =>
        (kind === 'wireguard' || pool.encapsulation === kind) && pool.offersTunnels(node.labels),
    );
  }

  #resolve({ value, at }: Given<readonly string[]>): IpPool[] {
    const pools = value.map((name) => {
      const pool = this.#called.get(name);
      if (pool === undefined) throw at.refuse('names or CIDRs of enabled IPPools');
      return pool;
    });
    const allowed = pools.filter(({ allowedUses }) => allowedUses.includes('Workload'));
    if (allowed.length === 0) throw at.refuse('an IPPool with Workload among its allowedUses');
    return [...new Set(allowed)];
  }
}
