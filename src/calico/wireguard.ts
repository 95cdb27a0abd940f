/**
 * WireGuard as routing (felix/wireguard/wireguard.go): a rule in front of the main
 * table sends what is not yet encrypted to a table of its own, where the prefixes of
 * nodes that can decrypt lead to the device and all others back to the main table.
 */
import type { RoutePlan, RulePlan, WireguardPeerPlan, WireguardSettings } from '../plan/plan.ts';
import { compareIp4, contains, formatPrefix, type Ip4, type Prefix } from '../wire/address.ts';
import type { Addressing } from './blocks.ts';
import type { CalicoNode } from './calico-node.ts';
import type { Destination } from './destination.ts';
import type { FelixOf, FelixSettings } from './felix-configuration.ts';
import type { Flavour } from './release.ts';
import { route } from './route-entry.ts';
import { ruleStyle } from './rule-style.ts';
import type { Fabric } from './underlay.ts';
import { type KeySource, type NodeKeys, wireguardKeys } from './wireguard-keys.ts';

/** Felix's defaults (config_params.go). */
const DEVICE = 'wireguard.cali';
const PORT = 51820;
const RULE_PRIORITY = 99;
/** The first index that no other table has. */
const TABLE = 1;

export const wireguardDevice = (felix: FelixSettings): string =>
  felix.wireguardInterfaceName ?? DEVICE;

/** A node as the others encrypt to it. */
interface Member {
  readonly node: CalicoNode;
  readonly publicKey: string;
  readonly peer: WireguardPeerPlan;
  /** What leads to the node, by address. */
  readonly cidrs: readonly Prefix[];
  /** `CIDR dev wireguard.cali`, one for each of `cidrs`; shared by all nodes. */
  readonly into: readonly RoutePlan[];
}

export interface WireguardMesh {
  /** Who decrypts, in name order. */
  readonly members: ReadonlyMap<string, Member>;
  /** What leads to each node, member or not, by address. */
  readonly cidrs: ReadonlyMap<string, readonly Prefix[]>;
  /** Keys of the nodes that encrypt, also of those with one key for two. */
  readonly keys: ReadonlyMap<string, NodeKeys>;
}

export interface WireguardInput {
  readonly nodes: readonly CalicoNode[];
  readonly felixOf: FelixOf;
  readonly destinations: readonly Destination[];
  readonly addressing: Addressing;
  readonly fabric: Fabric;
  readonly keySource: KeySource;
}

const encrypts = ({ wireguardUnable }: CalicoNode, felix: FelixSettings): boolean =>
  felix.wireguardEnabled === true && !wireguardUnable;

/** Only nodes with an address of their own; with host encryption the node address serves. */
export const wantsWireguardAddress = (node: CalicoNode, felix: FelixSettings): boolean =>
  encrypts(node, felix) && felix.wireguardHostEncryptionEnabled !== true;

/** `undefined` where no node encrypts. */
export function wireguardMesh(
  { nodes, felixOf, destinations, addressing, fabric, keySource }: WireguardInput,
  assumptions: string[],
): WireguardMesh | undefined {
  const enabled = nodes.filter((node) => encrypts(node, felixOf(node.name)));
  if (enabled.length === 0) return undefined;
  const keys = wireguardKeys(enabled, keySource, assumptions);
  const cidrs = cidrsByNode(nodes, felixOf, destinations, addressing, fabric);
  const owners = new Map<string, number>();
  for (const { publicKey } of keys.values())
    owners.set(publicKey, (owners.get(publicKey) ?? 0) + 1);
  const members = new Map<string, Member>();
  for (const node of enabled) {
    const { publicKey } = keys.get(node.name)!;
    // A key that two nodes claim is nobody's.
    if (owners.get(publicKey) !== 1) continue;
    const felix = felixOf(node.name);
    const own = cidrs.get(node.name)!;
    const address = fabric.nodes.get(node.name)!.own.address;
    members.set(node.name, {
      node,
      publicKey,
      peer: {
        publicKey,
        endpoint: { address, port: felix.wireguardListeningPort ?? PORT },
        allowedIps: own,
      },
      cidrs: own,
      into: own.map((cidr) =>
        route(
          { device: wireguardDevice(felix), scope: 'link', table: TABLE, origin: 'felix' },
          cidr,
        ),
      ),
    });
  }
  return { members, cidrs, keys };
}

/** Blocks, borrowed addresses and tunnel addresses; the node's own where hosts encrypt. */
function cidrsByNode(
  nodes: readonly CalicoNode[],
  felixOf: FelixOf,
  destinations: readonly Destination[],
  { tunnels }: Addressing,
  fabric: Fabric,
): Map<string, Prefix[]> {
  const cidrs = new Map(nodes.map(({ name }) => [name, new Map<string, Prefix>()]));
  const add = (node: string, cidr: Prefix): void => {
    cidrs.get(node)?.set(formatPrefix(cidr), cidr);
  };
  const single = (node: string, address: Ip4): void => add(node, { address, length: 32 });
  // Each Felix goes by its own routeSource; here one for all is taken for granted.
  for (const { cidr, node, known } of destinations) {
    if (known === (felixOf(node).routeSource ?? 'CalicoIPAM')) add(node, cidr);
  }
  for (const addresses of [tunnels.ipip, tunnels.vxlan, tunnels.wireguard]) {
    for (const [node, address] of addresses) single(node, address);
  }
  for (const { name } of nodes) {
    if (felixOf(name).wireguardHostEncryptionEnabled !== true) continue;
    single(name, fabric.nodes.get(name)!.own.address);
  }
  return new Map(
    [...cidrs].map(([name, own]) => [
      name,
      [...own.values()].sort((a, b) => compareIp4(a.address, b.address) || a.length - b.length),
    ]),
  );
}

export function wireguardSettings(
  mesh: WireguardMesh,
  node: CalicoNode,
  felix: FelixSettings,
  flavour: Flavour,
): WireguardSettings {
  const self = mesh.members.get(node.name);
  const keepalive = felix.wireguardKeepAlive ?? 0;
  return {
    ...mesh.keys.get(node.name)!,
    listenPort: felix.wireguardListeningPort ?? PORT,
    fwmark: ruleStyle(felix, flavour).marks.wireguard,
    // A node whose key is not its own has no peers that would answer it.
    peers:
      self === undefined
        ? []
        : [...mesh.members.values()].flatMap((member) =>
            member === self
              ? []
              : [
                  keepalive === 0
                    ? member.peer
                    : { ...member.peer, persistentKeepalive: keepalive },
                ],
          ),
  };
}

export function wireguardRules(felix: FelixSettings, flavour: Flavour): RulePlan[] {
  const mark = ruleStyle(felix, flavour).marks.wireguard;
  return [
    { priority: 0, not: false, table: 'local' },
    {
      priority: felix.wireguardRoutingRulePriority ?? RULE_PRIORITY,
      not: true,
      fwmark: { value: mark, mask: mark },
      table: TABLE,
    },
    { priority: 32766, not: false, table: 'main' },
    { priority: 32767, not: false, table: 'default' },
  ];
}

/** The table that the rule asks. A throw sends the lookup on to the main table. */
export function wireguardRoutes(
  { members, cidrs }: WireguardMesh,
  name: string,
  felix: FelixSettings,
): RoutePlan[] {
  const device = wireguardDevice(felix);
  const back = (cidr: Prefix): RoutePlan => ({
    ...route({ table: TABLE, protocol: 'boot', origin: 'felix' }, cidr),
    type: 'throw',
  });
  const isMember = members.has(name);
  return [...cidrs].flatMap(([node, own]) => {
    if (node === name) return uncovered(own).map(back);
    const member = isMember ? members.get(node) : undefined;
    if (member === undefined) return own.map(back);
    const first = member.into[0];
    return first === undefined || first.device === device
      ? [...member.into]
      : member.into.map((into) => ({ ...into, device }));
  });
}

/** `sorted` by address, wider first: without what lies in a prefix before it. */
function uncovered(sorted: readonly Prefix[]): Prefix[] {
  const kept: Prefix[] = [];
  for (const cidr of sorted) {
    const last = kept.at(-1);
    if (last === undefined || !contains(last, cidr.address)) kept.push(cidr);
  }
  return kept;
}
