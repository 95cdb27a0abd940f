/**
 * Which facts a question needs that no dump holds. A walk of its own over the plan,
 * slow and by the book: it stops where a table has no answer and says which one.
 */
import type { ClusterPlan, DevicePlan, NamespacePlan, RoutePlan } from '../plan/plan.ts';
import { formatDestination, routeEntry, tableRoutes } from '../text/ip-route.ts';
import { rulesOf } from '../text/ip-rule.ts';
import { contains, formatIp4, formatMac, type Ip4, type Mac } from '../wire/address.ts';

export interface MissingFact {
  /** Whose table it would stand in. */
  readonly node: string;
  /** The command that would have listed it; `any` where a whole namespace is unknown. */
  readonly command: 'ip route' | 'ip rule' | 'ip neigh' | 'bridge fdb show' | 'wg show' | 'any';
  /** A sentence: `node2's FDB entry for 66:…:e7 is not in the dump`. */
  readonly text: string;
}

/** A packet's two ends. */
export interface Question {
  /** A namespace's name. */
  readonly from: string;
  readonly to: Ip4;
}

/** Namespaces a packet may pass, tunnels counted: more than any sound cluster needs. */
const MAX_STEPS = 64;
/** Questions asked of a whole plan. */
const MAX_QUESTIONS = 20_000;

/** What the plan lacks to carry a packet from one end to the other; empty where it lacks nothing. */
export function missingFor(plan: ClusterPlan, { from, to }: Question): MissingFact[] {
  return new FactFinder(plan).ask(from, to);
}

/** What the plan lacks for packets between any two of its pods and nodes. */
export function missingFacts(plan: ClusterPlan): MissingFact[] {
  const finder = new FactFinder(plan);
  const targets = plan.namespaces.flatMap((n) => ownAddress(n) ?? []);
  const facts = new Map<string, MissingFact>();
  let questions = 0;
  for (const { name, role, routes } of plan.namespaces) {
    if (role !== 'pod' && role !== 'node') continue;
    const remote = routes
      .filter(({ via, destination }) => via !== undefined && destination.length > 0)
      .map(({ destination }) => destination.address);
    const asked = new Set(targets);
    for (const to of new Set([...targets, ...remote])) {
      if (questions++ === MAX_QUESTIONS) return [...facts.values()];
      // A block's first address stands for the way to it; nobody need have it.
      for (const fact of finder.ask(name, to, asked.has(to))) facts.set(fact.text, fact);
    }
  }
  return [...facts.values()];
}

const ownAddress = ({ devices }: NamespacePlan): Ip4 | undefined =>
  devices.find(({ kind, addresses }) => kind !== 'loopback' && addresses.length > 0)?.addresses[0]
    ?.address;

class FactFinder {
  private readonly plan: ClusterPlan;
  private readonly byName: ReadonlyMap<string, NamespacePlan>;
  private readonly owners = new Map<Ip4, NamespacePlan>();
  private facts: MissingFact[] = [];
  private steps = 0;
  private whole = true;
  private source: Ip4 | undefined;

  constructor(plan: ClusterPlan) {
    this.plan = plan;
    this.byName = new Map(plan.namespaces.map((n) => [n.name, n]));
    for (const namespace of plan.namespaces) {
      for (const { kind, addresses } of namespace.devices) {
        if (kind === 'loopback') continue;
        for (const { address } of addresses) this.owners.set(address, namespace);
      }
    }
  }

  /** `whole`: the way ends at the address itself, not only at its block. */
  ask(from: string, to: Ip4, whole = true): MissingFact[] {
    this.facts = [];
    this.whole = whole;
    this.steps = 0;
    const start = this.byName.get(from);
    this.source = start && ownAddress(start);
    if (start !== undefined) this.reach(start, to, false);
    return this.facts;
  }

  private lack(node: string, command: MissingFact['command'], what: string): undefined {
    this.facts.push({ node, command, text: `${what} is not in the dump` });
    return undefined;
  }

  /** The namespace that takes packets for `to` in, or undefined once a fact is missing. */
  private reach(start: NamespacePlan, to: Ip4, outer: boolean): NamespacePlan | undefined {
    let at: NamespacePlan | undefined = start;
    while (at !== undefined && this.steps++ < MAX_STEPS) {
      if (at.rules !== undefined && !at.rules.some(({ table }) => table === 'local')) {
        return this.lack(at.name, 'ip rule', `${at.name}'s rule for its local table`);
      }
      if (owns(at, to)) return at;
      at = this.hop(at, to, outer);
    }
    return undefined;
  }

  private hop(at: NamespacePlan, to: Ip4, outer: boolean): NamespacePlan | undefined {
    const route = lookUp(at, to, outer);
    const owner = this.owners.get(to);
    if (route === undefined)
      return this.lack(at.name, 'ip route', `${at.name}'s route to ${formatIp4(to)}`);
    const local = owner !== undefined && owner.node === at.name;
    if (route.type !== 'unicast') {
      if (local)
        return this.lack(at.name, 'ip route', `${at.name}'s route to its pod ${formatIp4(to)}`);
      if (owner === undefined && this.whole)
        return this.lack(
          at.name,
          'any',
          `who has ${formatIp4(to)}, behind ${at.name}'s ${routeEntry(route)},`,
        );
      return undefined;
    }
    // Calico routes every block by itself; a default route that serves a pod stands in for one.
    if (route.destination.length === 0 && at.role === 'node' && owner?.role === 'pod') {
      this.lack(
        at.name,
        'ip route',
        `${at.name}'s route to ${formatIp4(to)} (${owner.name} on ${owner.node ?? 'no node'})`,
      );
    }
    const name = route.nextHops?.[0]?.device ?? route.device;
    const device = at.devices.find((d) => d.name === name);
    if (device === undefined) return undefined;
    const next = route.nextHops?.[0]?.via ?? route.via ?? to;
    switch (device.kind) {
      case 'veth':
        return this.throughVeth(at, device, route.via);
      case 'vxlan':
        return this.throughVxlan(at, device, next);
      case 'ipip':
        return this.reach(at, next, true);
      case 'wireguard':
        return this.throughWireguard(at, device, to);
      default:
        return this.onSegment(at, device, next, route);
    }
  }

  private throughVeth(
    at: NamespacePlan,
    { name, peer }: DevicePlan,
    via: Ip4 | undefined,
  ): NamespacePlan | undefined {
    const other = this.byName.get(peer?.namespace ?? '');
    if (other === undefined)
      return this.lack(at.name, 'any', `what is behind ${at.name}'s ${name}`);
    this.checkBack(other, peer?.device);
    if (via === undefined || owns(other, via) || macOf(at, name, via) !== undefined) return other;
    // As a proxy a node answers ARP only for what it has a route to by another device.
    const way = lookUp(other, via, false);
    if (way?.type !== 'unicast' || way.device === peer?.device) {
      const asked = `${other.name}'s route to ${formatIp4(via)}, such as a default route, for which it answers ARP,`;
      this.lack(other.name, 'ip route', asked);
    }
    return other;
  }

  /** A strict rp_filter lets in only what it has a route back to, by the same device. */
  private checkBack(at: NamespacePlan, device: string | undefined): void {
    const filter = at.devices.find(({ name }) => name === device)?.rpFilter ?? 0;
    if (filter === 0 || this.source === undefined) return;
    const back = lookUp(at, this.source, false);
    const known = back?.type === 'unicast';
    const same = back?.device === device || back?.nextHops?.some((hop) => hop.device === device);
    if (known && (same || filter === 2)) return;
    this.lack(
      at.name,
      'ip route',
      `${at.name}'s route to ${formatIp4(this.source)} by ${device}, which its rp_filter asks for,`,
    );
  }

  private throughVxlan(
    at: NamespacePlan,
    device: DevicePlan,
    next: Ip4,
  ): NamespacePlan | undefined {
    if (device.vxlan === undefined)
      return this.lack(at.name, 'any', `${at.name}'s \`ip -d link\` of ${device.name}`);
    const mac = macOf(at, device.name, next);
    if (mac === undefined) {
      return this.lack(
        at.name,
        'ip neigh',
        `${at.name}'s neighbour entry for ${formatIp4(next)} on ${device.name}`,
      );
    }
    const entry = at.fdb.find((f) => f.device === device.name && f.mac === mac);
    if (entry?.destination === undefined) {
      return this.lack(at.name, 'bridge fdb show', `${at.name}'s FDB entry for ${formatMac(mac)}`);
    }
    return this.reach(at, entry.destination, true);
  }

  private throughWireguard(
    at: NamespacePlan,
    device: DevicePlan,
    to: Ip4,
  ): NamespacePlan | undefined {
    const peer = device.wireguard?.peers.find(({ allowedIps }) =>
      allowedIps.some((p) => contains(p, to)),
    );
    if (peer === undefined) {
      return this.lack(at.name, 'wg show', `${at.name}'s WireGuard peer for ${formatIp4(to)}`);
    }
    return this.reach(at, peer.endpoint.address, true);
  }

  private onSegment(
    at: NamespacePlan,
    device: DevicePlan,
    next: Ip4,
    route: RoutePlan,
  ): NamespacePlan | undefined {
    const segment = this.plan.segments.find(({ members }) =>
      members.some((m) => m.namespace === at.name && m.device === device.name),
    );
    for (const { namespace, device: name } of segment?.members ?? []) {
      const other = this.byName.get(namespace);
      const end = other?.devices.find((d) => d.name === name);
      if (other !== at && end?.addresses.some(({ address }) => address === next)) return other;
    }
    const mac = macOf(at, device.name, next);
    const who = mac === undefined ? '' : ` (${formatMac(mac)})`;
    const text = `the host at ${formatIp4(next)}${who}, next hop of ${at.name}'s route ${formatDestination(route.destination)} by ${device.name},`;
    return this.lack(at.name, 'any', text);
  }
}

const owns = ({ devices }: NamespacePlan, address: Ip4): boolean =>
  devices.some(
    ({ kind, addresses }) => kind !== 'loopback' && addresses.some((a) => a.address === address),
  );

const macOf = ({ neighbours }: NamespacePlan, device: string, address: Ip4): Mac | undefined =>
  neighbours.find((n) => n.device === device && n.address === address)?.mac;

/** The rules in order; what a tunnel sends itself carries the mark that skips its table. */
function lookUp(at: NamespacePlan, to: Ip4, outer: boolean): RoutePlan | undefined {
  const asked = at.rules?.filter(({ fwmark, not }) => fwmark === undefined || not !== outer) ?? [];
  for (const { table, suppressLength = -1 } of asked.length > 0 ? asked : rulesOf({})) {
    if (table === undefined || table === 'local') continue;
    let best: RoutePlan | undefined;
    for (const route of tableRoutes(at, table === 'default' ? 253 : table)) {
      const longer = route.destination.length > (best?.destination.length ?? -1);
      if (longer && contains(route.destination, to)) best = route;
    }
    if (best !== undefined && best.type !== 'throw' && best.destination.length > suppressLength)
      return best;
  }
  return undefined;
}
