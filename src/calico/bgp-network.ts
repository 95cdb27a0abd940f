/**
 * Who speaks BGP with whom: the mesh, BGPPeers, routers outside (bird.cfg.template
 * and confd's bgp_processor). Sessions carry routes only while they are up.
 */
import { contains, formatIp4, type Ip4 } from '../wire/address.ts';
import type { BgpConfiguration } from './bgp-configuration.ts';
import type { BgpFilter } from './bgp-filter.ts';
import { hasSeveralAses, MAX_MIXED_MESH } from './bgp-mesh.ts';
import type { BgpPeer } from './bgp-peer.ts';
import { UNDECLARED_ROUTER } from './bgp-router.ts';
import { PLAIN_POLICY, type Policy, type Session, type Speaker } from './bgp-session.ts';
import type { CalicoNode } from './calico-node.ts';
import { listNames } from './names.ts';
import { nicTowards } from './nic.ts';
import type { SessionOutage } from './outage.ts';
import type { Fabric } from './underlay.ts';

/** A peer that answers nowhere: an address nobody has, or one that does not peer back. */
export interface DeadEnd {
  readonly from: Speaker;
  readonly peer: Ip4;
  readonly kind: 'global' | 'node specific';
}

export interface BgpNetwork {
  readonly speakers: ReadonlyMap<string, Speaker>;
  /** Members of the node-to-node mesh, in name order. */
  readonly mesh: readonly Speaker[];
  /** Does the mesh lack a session between these two? */
  readonly meshDown: (a: Speaker, b: Speaker) => boolean;
  readonly meshOutages: boolean;
  /** All sessions but those of the mesh, by speaker, in configuration order. */
  readonly sessions: ReadonlyMap<Speaker, readonly Session[]>;
  readonly deadEnds: readonly DeadEnd[];
  /** Do BGPFilters or routers' `accept` look at single prefixes? */
  readonly filtered: boolean;
}

export interface BgpInput {
  readonly configuration: BgpConfiguration;
  readonly peers: readonly BgpPeer[];
  readonly filters: ReadonlyMap<string, BgpFilter>;
  readonly outages: readonly SessionOutage[];
  readonly nodes: readonly CalicoNode[];
  readonly fabric: Fabric;
}

/** What one speaker's configuration says of an address it peers with. */
interface Wish {
  readonly policy: Policy;
  readonly asNumber: number | undefined;
}

/** Throws ERR_CONFIG_VALUE for names of nodes and filters that do not exist. */
export function bgpNetwork(input: BgpInput, assumptions: string[]): BgpNetwork {
  const { configuration, nodes, fabric, outages } = input;
  const speakers = new Map<string, Speaker>();
  for (const node of nodes) {
    speakers.set(node.name, {
      name: node.name,
      role: 'node',
      address: fabric.nodes.get(node.name)!.own.address,
      asNumber: node.asNumber?.value ?? configuration.asNumber,
      clusterId: node.clusterId?.value || undefined,
      multipath: true,
    });
  }
  const wishes = peerWishes(input, speakers);
  addRouters(speakers, wishes, input, assumptions);

  const mesh = configuration.mesh
    ? [...speakers.values()].filter((s) => s.role === 'node' && s.clusterId === undefined)
    : [];
  const inMesh = new Set(mesh);
  const down = downPairs(outages, speakers);
  const isDown = (a: Speaker, b: Speaker): boolean => down.has(pairKey(a.name, b.name));
  if (mesh.length > MAX_MIXED_MESH && hasSeveralAses(mesh)) {
    assumptions.push(
      `nodes of the mesh have several AS numbers: what one of them tells another of a third is not modelled beyond ${MAX_MIXED_MESH} nodes`,
    );
  }

  const sessions = new Map<Speaker, Session[]>();
  const deadEnds: DeadEnd[] = [];
  const byAddress = speakerAddresses(speakers, fabric);
  for (const [from, list] of wishes) {
    for (const [address, { policy, asNumber }] of list) {
      const to = byAddress.get(address);
      if (to === from || (to !== undefined && inMesh.has(from) && inMesh.has(to))) continue;
      const source = sourceTowards(from, address, fabric);
      const back = to && answer(to, source, wishes);
      if (to === undefined || back === undefined) {
        if (policy.kind !== undefined) deadEnds.push({ from, peer: address, kind: policy.kind });
        continue;
      }
      const agreed =
        (asNumber ?? to.asNumber) === to.asNumber &&
        (back.asNumber ?? from.asNumber) === from.asNumber;
      const state = isDown(from, to) ? 'down' : agreed ? 'up' : 'wrong AS';
      const remote = back.policy;
      connect(sessions, { from, to, peer: address, source, policy, remote, state });
      // A router that waits for peers has no configuration of its own for them.
      if (wishes.get(to)?.has(source)) continue;
      connect(sessions, {
        ...{ from: to, to: from, peer: source, source: address },
        ...{ policy: remote, remote: policy, state },
      });
    }
  }
  return {
    speakers,
    mesh,
    meshDown: isDown,
    meshOutages: down.size > 0,
    sessions,
    deadEnds,
    filtered:
      input.filters.size > 0 || fabric.outsiders.some(({ bgp }) => bgp?.accept !== undefined),
  };
}

/** Nodes call from their node address, routers from the NIC that is nearest. */
function sourceTowards({ name, role, address }: Speaker, peer: Ip4, { outsiders }: Fabric): Ip4 {
  if (role === 'node') return address;
  const nics = outsiders.find((outsider) => outsider.name === name)?.nics ?? [];
  return nicTowards(nics, peer)?.address.address ?? address;
}

function connect(sessions: Map<Speaker, Session[]>, session: Session): void {
  const list = sessions.get(session.from);
  if (list === undefined) sessions.set(session.from, [session]);
  else list.push(session);
}

/** What the other end makes of a caller; `undefined` where it hangs up. */
function answer(
  to: Speaker,
  caller: Ip4,
  wishes: ReadonlyMap<Speaker, ReadonlyMap<Ip4, Wish>>,
): Wish | undefined {
  const own = wishes.get(to)?.get(caller);
  if (own !== undefined) return own;
  return to.role === 'router' ? wishes.get(to)?.get(ANYBODY) : undefined;
}

/** Key of a router's policy for peers that it does not list. */
const ANYBODY = 0 as Ip4;

type Wishes = Map<Speaker, Map<Ip4, Wish>>;

/** The BGPPeers as each node's configuration has them: global ones first, one for an address. */
function peerWishes(
  { peers, filters, nodes }: BgpInput,
  speakers: ReadonlyMap<string, Speaker>,
): Wishes {
  const wishes: Wishes = new Map();
  const wish = (from: Speaker, address: Ip4, value: Wish): void => {
    if (address === from.address) return;
    const list = wishes.get(from) ?? new Map<Ip4, Wish>();
    if (!list.has(address)) list.set(address, value);
    wishes.set(from, list);
  };
  const isGlobal = (peer: BgpPeer) => peer.node === undefined && peer.nodeSelector === undefined;
  const ordered = [...peers.filter(isGlobal), ...peers.filter((peer) => !isGlobal(peer))];
  for (const peer of ordered) {
    const policy: Policy = {
      kind: isGlobal(peer) ? 'global' : 'node specific',
      nextHop: peer.nextHop,
      allowedLocalAs: peer.allowedLocalAs,
      ...filterRules(peer, filters),
    };
    if (peer.node !== undefined && !speakers.has(peer.node.value)) {
      throw peer.node.at.refuse('the name of a Node among the resources');
    }
    const locals = nodes.filter(({ name, labels }) => {
      return peer.node === undefined
        ? (peer.nodeSelector?.(labels) ?? true)
        : peer.node.value === name;
    });
    const remotes = peer.peerSelector && nodes.filter(({ labels }) => peer.peerSelector!(labels));
    for (const local of locals) {
      const from = speakers.get(local.name)!;
      if (peer.peer !== undefined) {
        wish(from, peer.peer.value, { policy, asNumber: peer.asNumber });
      }
      for (const remote of remotes ?? []) {
        const to = speakers.get(remote.name)!;
        wish(from, to.address, { policy, asNumber: undefined });
        // Selected nodes get the session back without a BGPPeer of their own.
        wish(to, from.address, {
          policy: { ...policy, kind: 'node specific' },
          asNumber: undefined,
        });
      }
    }
  }
  return wishes;
}

function filterRules(
  { filters }: BgpPeer,
  known: ReadonlyMap<string, BgpFilter>,
): Pick<Policy, 'import' | 'export'> {
  const used = filters.map(({ value, at }) => {
    const filter = known.get(value);
    if (filter === undefined) throw at.refuse('the name of a BGPFilter among the resources');
    return filter;
  });
  return { import: used.map((f) => f.import), export: used.map((f) => f.export) };
}

/** Routers that speak BGP, because they say so or because a node has them as peer. */
function addRouters(
  speakers: Map<string, Speaker>,
  wishes: Wishes,
  { fabric }: BgpInput,
  assumptions: string[],
): void {
  const expected = new Map<Ip4, number | undefined>();
  for (const list of wishes.values()) {
    for (const [address, { asNumber }] of list) expected.set(address, asNumber);
  }
  const undeclared: string[] = [];
  for (const { name, nics, bgp } of fabric.outsiders) {
    const called = nics.find(({ address }) => expected.has(address.address));
    const first = called ?? nics[0];
    if (first === undefined || (bgp === undefined && called === undefined)) continue;
    if (bgp === undefined) undeclared.push(name);
    const router = bgp ?? UNDECLARED_ROUTER;
    const address = first.address.address;
    const speaker: Speaker = {
      name,
      role: 'router',
      address,
      asNumber: router.asNumber ?? expected.get(address) ?? 0,
      clusterId: router.reflector ? formatIp4(address) : undefined,
      multipath: router.multipath,
    };
    speakers.set(name, speaker);
    const { accept } = router;
    const policy: Policy = {
      ...PLAIN_POLICY,
      import:
        accept === undefined
          ? []
          : [
              (prefix) =>
                accept.some((r) => r.length <= prefix.length && contains(r, prefix.address))
                  ? undefined
                  : 'Reject',
            ],
    };
    const list = new Map<Ip4, Wish>();
    for (const peer of router.peers ?? []) list.set(peer, { policy, asNumber: undefined });
    if (router.peers === undefined) list.set(ANYBODY, { policy, asNumber: undefined });
    wishes.set(speaker, list);
  }
  if (undeclared.length > 0) {
    assumptions.push(
      `speak BGP with whoever peers with them, in the AS that BGPPeers name: ${listNames(undeclared)}`,
    );
  }
}

function speakerAddresses(
  speakers: ReadonlyMap<string, Speaker>,
  { outsiders }: Fabric,
): Map<Ip4, Speaker> {
  const byAddress = new Map<Ip4, Speaker>();
  for (const speaker of speakers.values()) byAddress.set(speaker.address, speaker);
  for (const { name, nics } of outsiders) {
    const speaker = speakers.get(name);
    for (const { address } of nics) {
      if (speaker !== undefined) byAddress.set(address.address, speaker);
    }
  }
  return byAddress;
}

const pairKey = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);

function downPairs(
  outages: readonly SessionOutage[],
  speakers: ReadonlyMap<string, Speaker>,
): Set<string> {
  const pairs = new Set<string>();
  for (const { a, b, at } of outages) {
    for (const [key, name] of [
      ['a', a],
      ['b', b],
    ] as const) {
      if (!speakers.has(name)) throw at.entry(key).refuse('the name of a speaker of BGP');
    }
    pairs.add(pairKey(a, b));
  }
  return pairs;
}
