/**
 * The tables of one namespace. Those that few packets ask are made when one does: there may
 * be 100,000 namespaces, and what lies between the others' tables costs each packet time.
 */
import { mix } from '../node/flow-hash.ts';
import { Gathering } from '../node/gather.ts';
import { IcmpLimit } from '../node/icmp-limit.ts';
import { Identifications } from '../node/identification.ts';
import type { IdentificationCounters } from '../node/identification-counters.ts';
import type { NeighbourQuota } from '../node/neighbour-quota.ts';
import type { Netfilter } from '../node/netfilter.ts';
import type { Node, NodeState } from '../node/node.ts';
import { PathMtus } from '../node/path-mtu.ts';
import { Reassembly } from '../node/reassembly.ts';
import { SourcePorts } from '../node/source-port.ts';
import type { Tunnels } from '../node/wireguard-tunnel.ts';
import type { Packet } from '../packet/packet.ts';
import type { RoutePlan } from '../plan/plan.ts';
import type { BridgeFdb } from '../tables/bridge-fdb.ts';
import type { Fdb } from '../tables/fdb.ts';
import type { Fib } from '../tables/fib.ts';
import type { Neighbours } from '../tables/neighbours.ts';
import type { Routes } from '../tables/routes.ts';
import type { Rule } from '../tables/rules.ts';
import { bridgesOf } from './bridge-tables.ts';

interface Parts
  extends Pick<
    NodeState,
    'local' | 'rules' | 'routes' | 'neighbours' | 'neighbourQuota' | 'netfilter' | 'wireguard'
  > {
  readonly node: Node;
  readonly seed: number;
  /** Of the cluster. */
  readonly counters: IdentificationCounters;
  readonly fdb: () => Fdb;
}

/** What every packet asks for comes first, in two lines of the processor's cache. */
export class NamespaceTables implements NodeState {
  readonly rules: readonly Rule[];
  readonly routes: Routes<RoutePlan>;
  readonly netfilter: Netfilter | null;
  readonly local: Fib;
  readonly neighbours: Neighbours<Packet>;
  learnedPathMtus: PathMtus | null = null;
  private vxlans: Fdb | null = null;
  private outerPorts: SourcePorts | null = null;
  private identities: Identifications | null = null;
  readonly wireguard: Tunnels | null;
  readonly neighbourQuota: NeighbourQuota;
  private bridged: BridgeFdb | null = null;
  private errors: IcmpLimit | null = null;
  private fragments: Reassembly | null = null;
  private trains: Gathering | null = null;
  private readonly parts: Parts;

  constructor(parts: Parts) {
    this.rules = parts.rules;
    this.routes = parts.routes;
    this.netfilter = parts.netfilter;
    this.local = parts.local;
    this.neighbours = parts.neighbours;
    this.wireguard = parts.wireguard;
    this.neighbourQuota = parts.neighbourQuota;
    this.parts = parts;
    // What it lists as learned ages from now on.
    if (parts.node.devices.some(({ master }) => master >= 0)) this.makeBridges();
  }

  get pathMtus(): PathMtus {
    this.learnedPathMtus ??= new PathMtus();
    return this.learnedPathMtus;
  }

  get fdb(): Fdb {
    this.vxlans ??= this.parts.fdb();
    return this.vxlans;
  }

  get sourcePorts(): SourcePorts {
    this.outerPorts ??= new SourcePorts(mix(this.parts.seed, 0x5eed));
    return this.outerPorts;
  }

  get identifications(): Identifications {
    this.identities ??= new Identifications(this.parts.seed, this.parts.counters);
    return this.identities;
  }

  get bridges(): BridgeFdb {
    return this.bridged ?? this.makeBridges();
  }

  private makeBridges(): BridgeFdb {
    const { plan, devices, world } = this.parts.node;
    const made = bridgesOf(plan, devices, world.milliseconds());
    this.bridged = made;
    return made;
  }

  get icmpLimit(): IcmpLimit {
    const { icmpRateLimit, routeErrorCost } = this.parts.node.plan;
    this.errors ??= new IcmpLimit(icmpRateLimit ?? 1000, routeErrorCost ?? 1000);
    return this.errors;
  }

  get reassembly(): Reassembly {
    this.fragments ??= new Reassembly();
    return this.fragments;
  }

  get gathering(): Gathering {
    this.trains ??= new Gathering();
    return this.trains;
  }
}
