/** Tables that namespaces share, each made once: see plan/common-tables.ts. */
import type { Device } from '../node/device.ts';
import { IdentificationCounters } from '../node/identification-counters.ts';
import { NeighbourQuota } from '../node/neighbour-quota.ts';
import type { Node } from '../node/node.ts';
import type { Packet } from '../packet/packet.ts';
import type { CommonList } from '../plan/common-tables.ts';
import type { NeighbourLimits } from '../plan/neighbour-limits.ts';
import type { FdbPlan, NamespacePlan, NeighbourPlan, RoutePlan } from '../plan/plan.ts';
import { CommonRoutes, isDistinct } from '../tables/common-routes.ts';
import { Fdb } from '../tables/fdb.ts';
import { Neighbours, Nud } from '../tables/neighbours.ts';
import { WordMemory } from '../tables/word-memory.ts';
import { macHigh, macLow } from '../wire/address.ts';
import { kindOf, nudOf } from './kernel-number.ts';

/** Routes to share, and by owner the numbers of those that it lacks. */
export interface SharedRoutes {
  readonly routes: CommonRoutes<RoutePlan>;
  readonly hidden: ReadonlyMap<string, readonly number[]>;
}

export class CommonState {
  readonly counters = new IdentificationCounters();
  /** Of all namespaces' tables. */
  readonly memory = new WordMemory();
  private readonly routeLists = new Map<CommonList<RoutePlan>, SharedRoutes | null>();
  private readonly neighbourLists = new Map<CommonList<NeighbourPlan>, Neighbours<Packet>>();
  private readonly fdbLists = new Map<CommonList<FdbPlan>, Fdb>();
  private readonly quotas = new Map<string, NeighbourQuota>();
  private readonly limits: ReadonlyMap<string, NeighbourLimits | undefined>;

  constructor(namespaces: readonly NamespacePlan[]) {
    this.limits = new Map(namespaces.map((ns) => [ns.name, ns.neighbourLimits]));
  }

  /** How many neighbours a node and its pods may know together; `table` is one more of theirs. */
  quota({ name, node = name }: NamespacePlan, table: Neighbours<Packet>): NeighbourQuota {
    const quota = this.quotas.get(node) ?? new NeighbourQuota(this.limits.get(node));
    this.quotas.set(node, quota);
    quota.join(table);
    return quota;
  }

  /** Null where the routes are not as simple as sharing needs them. */
  routes(list: CommonList<RoutePlan>): SharedRoutes | null {
    const known = this.routeLists.get(list);
    if (known !== undefined) return known;
    const made = shareable(list.entries) ? shared(list) : null;
    this.routeLists.set(list, made);
    return made;
  }

  /** Of one device, under the number 0. */
  neighbours(list: CommonList<NeighbourPlan>): Neighbours<Packet> {
    const known = this.neighbourLists.get(list);
    if (known !== undefined) return known;
    const made = new Neighbours<Packet>();
    for (const { address, mac = 0, state } of list.entries) {
      made.set(0, address, macHigh(mac), macLow(mac), nudOf[state]);
    }
    this.neighbourLists.set(list, made);
    return made;
  }

  /** Of one device, under the number 0. */
  fdb(list: CommonList<FdbPlan>): Fdb {
    const known = this.fdbLists.get(list);
    if (known !== undefined) return known;
    const made = new Fdb();
    for (const { mac, destination } of list.entries) {
      if (destination !== undefined) made.set(0, macHigh(mac), macLow(mac), destination);
    }
    this.fdbLists.set(list, made);
    return made;
  }
}

/** One next hop each, one metric, in the main table, each prefix once. */
const shareable = (routes: readonly RoutePlan[]): boolean =>
  routes.every(
    ({ table, metric, tos, nextHops }) =>
      table === 'main' && metric === 0 && (tos ?? 0) === 0 && nextHops === undefined,
  ) && isDistinct(routes.map(({ destination }) => destination));

function shared({ entries, owners }: CommonList<RoutePlan>): SharedRoutes {
  const routes = new CommonRoutes(
    entries.map((origin) => ({
      address: origin.destination.address,
      length: origin.destination.length,
      kind: kindOf[origin.type],
      gateway: origin.via ?? 0,
      device: origin.device ?? '',
      mtu: origin.mtu ?? 0,
      source: origin.source ?? 0,
      origin,
    })),
  );
  const hidden = new Map<string, number[]>();
  for (const [id, owner] of owners.entries()) {
    const mine = hidden.get(owner);
    if (mine === undefined) hidden.set(owner, [id]);
    else mine.push(id);
  }
  return { routes, hidden };
}

const isPermanent = (state: Nud): boolean => state === Nud.Permanent;

/** Copies the shared neighbours of a device, those that are there for good or others, which ends the sharing. */
export function ownNeighbours(
  node: Node,
  device: Device,
  isKept: (state: Nud) => boolean = isPermanent,
): void {
  const { learned } = device;
  if (learned === null) return;
  const kept = [...learned].filter((id) => isKept(learned.state(id)));
  if (kept.length === 0) return;
  device.learned = null;
  for (const id of kept) {
    const address = learned.address(id);
    if (device.addresses.includes(address)) continue;
    if (node.neighbours.find(device.position, address) >= 0) continue;
    const [high, low] = [learned.macHigh(id), learned.macLow(id)];
    node.neighbours.set(device.position, address, high, low, learned.state(id));
  }
}
