/**
 * The network between the nodes as it will be plugged: every NIC with its segment,
 * from an Underlay resource, or without one from the nodes' own subnets.
 */
import type { SegmentPlan } from '../plan/plan.ts';
import {
  contains,
  formatIp4,
  formatMac,
  formatPrefix,
  type InterfaceAddress,
  type Ip4,
  networkOf,
} from '../wire/address.ts';
import type { CalicoNode } from './calico-node.ts';
import type { Field } from './field.ts';
import type { Manifest } from './manifest.ts';
import { IPIP_DEVICE, listNames, nicMac, VXLAN_DEVICE } from './names.ts';
import { type Network, type Nic, nicTowards } from './nic.ts';
import { deriveNetwork } from './subnet.ts';
import type { Member, Outsider, Segment, StaticRoute, Underlay } from './underlay-resource.ts';

/** A node on the underlay. */
export interface Attachment {
  /** Node address and mask as Calico knows them. */
  readonly own: InterfaceAddress;
  /** The NIC that has the node address. */
  readonly parent: Nic;
  /** All of them, in the order of the segments. */
  readonly nics: readonly Nic[];
}

export interface Fabric {
  readonly segments: readonly SegmentPlan[];
  readonly nodes: ReadonlyMap<string, Attachment>;
  readonly outsiders: readonly (Outsider & { readonly nics: readonly Nic[] })[];
}

/** Throws ERR_CONFIG_VALUE and ERR_CONFIG_CONFLICT at the member, node or route at fault. */
export function buildFabric(manifest: Manifest, assumptions: string[]): Fabric {
  const underlay = manifest.underlay;
  const nics =
    underlay === undefined
      ? deriveNetwork(manifest.nodes, assumptions)
      : plugMembers(underlay, manifest.nodes);
  const nodes = new Map<string, Attachment>();
  const owners = new Map<Ip4, string>();
  for (const node of manifest.nodes) {
    const attachment = attach(node, nics.of, underlay);
    const { address } = attachment.own;
    const before = owners.get(address);
    if (before !== undefined) {
      throw (node.address?.at ?? node.at).conflict(
        `an address of its own, since Node/${before} has this one`,
        formatIp4(address),
      );
    }
    owners.set(address, node.name);
    nodes.set(node.name, attachment);
  }
  return {
    segments: nics.segments,
    nodes,
    outsiders: nics.outsiders.map((outsider) => ({
      ...outsider,
      nics: nics.of.get(outsider.name) ?? [],
    })),
  };
}

function attach(
  node: CalicoNode,
  nicsOf: ReadonlyMap<string, readonly Nic[]>,
  underlay: Underlay | undefined,
): Attachment {
  const nics = nicsOf.get(node.name) ?? [];
  const first = nics[0];
  if (first === undefined) {
    throw (underlay?.at ?? node.at).conflict(`Node/${node.name} among the members`, 'no such one');
  }
  if (node.address === undefined) return { own: first.address, parent: first, nics };
  const own = node.address.value;
  const parent = nics.find(({ address }) => address.address === own.address);
  if (parent === undefined) {
    throw node.address.at.conflict(
      "an address of one of the node's NICs in the Underlay",
      `${formatPrefix(own)} beside ${listNames(nics.map(({ address }) => formatPrefix(address)))}`,
    );
  }
  return { own, parent, nics };
}

function plugMembers(underlay: Underlay, nodes: readonly CalicoNode[]): Network {
  const { segments, outsiders, srcDstCheck } = underlay;
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const others = new Map<string, Outsider>();
  for (const outsider of outsiders) {
    const at = outsider.at.entry('name');
    if (byName.has(outsider.name)) throw at.conflict('a name no Node has', outsider.name);
    if (others.has(outsider.name)) throw at.conflict('a name of its own', outsider.name);
    others.set(outsider.name, outsider);
  }

  const of = new Map<string, Nic[]>();
  const names = new Set<string>();
  const plans: SegmentPlan[] = [];
  for (const segment of segments) {
    if (names.has(segment.name)) {
      throw segment.at.entry('name').conflict('each segment once', segment.name);
    }
    names.add(segment.name);
    const unique = uniqueOn(segment);
    const members = segment.members.map((member) => {
      const node = byName.get(member.name);
      if (node === undefined && !others.has(member.name)) {
        throw member.at.entry('name').refuse('the name of a Node, router or host');
      }
      const nics = of.get(member.name) ?? [];
      of.set(member.name, nics);
      const nic = plug(segment, member, node, nics);
      unique(member, nic);
      nics.push(nic);
      return { namespace: member.name, device: nic.device };
    });
    plans.push({ name: segment.name, mtu: segment.mtu, members, srcDstCheck });
  }
  for (const outsider of outsiders) {
    const nics = of.get(outsider.name);
    if (nics === undefined) {
      throw outsider.at.conflict(`${outsider.name} among the members`, 'no such one');
    }
    checkRoutes(outsider.routes, nics);
  }
  return { segments: plans, of, outsiders };
}

function plug(
  segment: Segment,
  member: Member,
  node: CalicoNode | undefined,
  before: readonly Nic[],
): Nic {
  const device = member.device ?? `eth${before.length}`;
  const reserved = node === undefined ? ['lo'] : ['lo', VXLAN_DEVICE, IPIP_DEVICE];
  if (reserved.includes(device) || before.some((nic) => nic.device === device)) {
    throw member.at.entry('interface').conflict('a NIC of its own on each segment', device);
  }
  const address = member.address?.value ?? (before.length === 0 ? node?.address?.value : undefined);
  if (address === undefined) throw member.at.entry('address').refuse('an IPv4 ADDRESS/LENGTH');
  const gateway = node === undefined ? undefined : segment.gateway;
  if (gateway !== undefined && !contains(networkOf(address), gateway.value)) {
    throw gateway.at.conflict(
      `an address in ${formatPrefix(networkOf(address))}, the network of ${member.name}`,
      formatIp4(gateway.value),
    );
  }
  return {
    device,
    mac: member.mac ?? nicMac(member.name, device),
    mtu: segment.mtu,
    ...(member.up ? {} : { up: false }),
    address,
    gateway: gateway?.value === address.address ? undefined : gateway?.value,
  };
}

/** A switch cannot tell two members with one MAC apart, nor ARP two with one address. */
function uniqueOn(segment: Segment): (member: Member, nic: Nic) => void {
  const seen = new Map<string, Member>();
  const check = (key: string, at: Field, member: Member): void => {
    const before = seen.get(key);
    if (before !== undefined) {
      throw (at.absent ? member.at : at).conflict(
        `a value of its own on segment ${segment.name}, since ${before.name} has this one`,
        key,
      );
    }
    seen.set(key, member);
  };
  return (member, nic) => {
    check(formatMac(nic.mac), member.at.entry('mac'), member);
    check(formatIp4(nic.address.address), member.at.entry('address'), member);
  };
}

/** The kernel refuses an unreachable gateway and a second route to one prefix. */
function checkRoutes(routes: readonly StaticRoute[], nics: readonly Nic[]): void {
  const known = new Set(nics.map(({ address }) => formatPrefix(networkOf(address))));
  for (const { destination, via, at } of routes) {
    const key = formatPrefix(destination);
    if (known.has(key)) throw at.conflict('one route for each prefix', `another for ${key}`);
    known.add(key);
    if (nicTowards(nics, via) !== undefined) continue;
    throw at.conflict('a next hop on a connected network', formatIp4(via));
  }
}

/** Default route of a node: by the NIC with the node address, else by the first that has one. */
export function defaultGateway({ parent, nics }: Attachment): { nic: Nic; via: Ip4 } | undefined {
  for (const nic of [parent, ...nics]) {
    if (nic.gateway !== undefined && nic.up !== false) return { nic, via: nic.gateway };
  }
  return undefined;
}
