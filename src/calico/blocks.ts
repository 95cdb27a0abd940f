/**
 * Blocks and addresses: what the resources state, and for the rest Calico's own
 * allocator, asked by nodes and pods in name order as if they had come up that way.
 */
import type { BlockFacts } from '../plan/plan.ts';
import { contains, formatIp4, type Ip4 } from '../wire/address.ts';
import { impliedBlocks, statedBlocks } from './block-claims.ts';
import { type HeldBlock, type Obstacles, overlapping } from './block-pool.ts';
import type { CalicoNode } from './calico-node.ts';
import { onlyPodCidrs } from './host-local.ts';
import { type Encapsulation, type IpPool, poolOf } from './ip-pool.ts';
import type { BlockClaim } from './ipam-block.ts';
import {
  type Holders,
  podHolder,
  statedHolders,
  statements,
  TUNNELS,
  type Tunnel,
  tunnelHolder,
} from './ipam-holder.ts';
import { PoolChoice } from './ipam-pools.ts';
import { Reservations } from './ipam-reservation.ts';
import { type Block, Ledger } from './ledger.ts';
import type { Manifest } from './manifest.ts';
import { listNames } from './names.ts';
import type { Workload } from './workload.ts';

/** Who has which address. */
export interface Addressing {
  /** Blocks of the cluster's nodes, by address; no two overlap. */
  readonly blocks: readonly Block[];
  /** By node name; a node without one has no tunnel of that kind. */
  readonly tunnels: { readonly [T in Tunnel]: ReadonlyMap<string, Ip4> };
  /** By `namespace/pod`. */
  readonly pods: ReadonlyMap<string, Ip4>;
  /** Every block there is, also of strangers and of nobody, with its allocations; by address. Made on demand. */
  readonly facts: readonly BlockFacts[];
}

/** Does a node want a wireguard.cali address of its own? */
export type Encrypts = (node: CalicoNode) => boolean;

/**
 * Throws ERR_CONFIG_CONFLICT for what is claimed twice and for pods that no pool has
 * an address for, ERR_CONFIG_VALUE for pods on unknown nodes and for unknown pools.
 */
export function assignAddresses(
  manifest: Manifest,
  assumptions: string[],
  encrypts: Encrypts = () => false,
): Addressing {
  const { pools, nodes, workloads } = manifest;
  const stated = statedBlocks(manifest, assumptions);
  const holders = statedHolders(manifest, stated, assumptions);
  const implied = impliedBlocks(manifest, statements(manifest, holders), stated, assumptions);
  const given = [...stated, ...implied].sort(
    (a, b) => (a.cidr.address >>> 0) - (b.cidr.address >>> 0),
  );
  checkRequests(manifest, given);
  const ledger = new Ledger(pools, given, obstacles(manifest, given, holders), allocator(manifest));
  const choice = new PoolChoice(manifest);
  const round: Round = { manifest, ledger, choice, holders, notes: new Map(), assumptions };

  const waiting = waitingPods(round);
  const tunnels = nodes.map((node) => {
    const addresses = takeTunnels(node, round, encrypts(node));
    const first = waiting.get(node.name)?.[0];
    if (first !== undefined) claimFirst(node, choice.forPod(first, node), round);
    return { name: node.name, addresses };
  });
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const pods = new Map<string, Ip4>();
  for (const pod of workloads) {
    const address = holders.pods.get(pod.key)?.value;
    pods.set(pod.key, address ?? takePod(pod, byName.get(pod.node.value)!, round));
  }
  for (const node of nodes) claimFirst(node, choice.forNamespace('default', node), round);

  const blocks = ledger.sorted();
  noteAll(round, blocks, new Set(given.map(({ cidr }) => cidr)), pods);
  const ofTunnel = (kind: Tunnel): ReadonlyMap<string, Ip4> =>
    new Map(
      tunnels.flatMap(({ name, addresses }) => {
        const address = addresses.get(kind);
        return address === undefined ? [] : [[name, address] as const];
      }),
    );
  let facts: BlockFacts[] | undefined;
  return {
    blocks: blocks.flatMap(({ cidr, node, pool }) =>
      node !== undefined && byName.has(node) ? [{ cidr, node, pool }] : [],
    ),
    tunnels: { ipip: ofTunnel('ipip'), vxlan: ofTunnel('vxlan'), wireguard: ofTunnel('wireguard') },
    pods,
    get facts() {
      facts ??= blockFacts(blocks, holders);
      return facts;
    },
  };
}

/** Pod CIDRs are all there is where every node has one. */
const allocator = ({ setup, nodes, ipam }: Manifest): Manifest['ipam'] =>
  setup.hostLocal && nodes.every(({ podCidr }) => podCidr !== undefined)
    ? onlyPodCidrs(ipam)
    : ipam;

/** One assignment from start to end; `notes` gathers names by what was assumed of them. */
interface Round {
  readonly manifest: Manifest;
  readonly ledger: Ledger;
  readonly choice: PoolChoice;
  readonly holders: Holders;
  readonly notes: Map<Note, Set<string>>;
  readonly assumptions: string[];
}

/** In the order in which they are told. */
const NOTES = {
  block: 'without an IPAM block, so each took the one that Calico draws for its name',
  none: 'without an IPAM block, and no pool that selects the node has one left',
  ipip: 'without an IPIP tunnel address, so each took the next free one of its blocks',
  vxlan: 'without a VXLAN tunnel address, so each took the next free one of its blocks',
  wireguard: 'without a WireGuard address, so each took the next free one of its blocks',
  pod: "without an address, so each took the next free one of its node's blocks",
  borrowed: 'no block was left, so the address is borrowed from a block of another node',
} as const;
type Note = keyof typeof NOTES;

function note({ notes }: Round, what: Note, name: string): void {
  const names = notes.get(what);
  if (names === undefined) notes.set(what, new Set([name]));
  else names.add(name);
}

function noteAll(
  { manifest, notes, assumptions }: Round,
  blocks: readonly HeldBlock[],
  given: ReadonlySet<Block['cidr']>,
  pods: ReadonlyMap<string, Ip4>,
): void {
  for (const what of Object.keys(NOTES) as Note[]) {
    const names = notes.get(what);
    if (names !== undefined) assumptions.push(`${NOTES[what]}: ${listNames([...names])}`);
  }
  const clocked = new Set<string>();
  for (const { cidr, pool } of blocks) {
    if (pool?.blockSize === 32 && !given.has(cidr)) clocked.add(pool.name);
  }
  if (clocked.size > 0) {
    assumptions.push(
      `blocks of a single address, which Calico draws by the clock, were drawn by node name: ${listNames([...clocked])}`,
    );
  }
  const outside = [...pods].filter(
    ([, address]) => !poolOf(manifest.pools, { address, length: 32 }),
  );
  if (outside.length === 0) return;
  const names = outside.map(([key]) => key);
  assumptions.push(
    `without an IPPool around its address, so each is routed without encapsulation: ${listNames(names)}`,
  );
}

function obstacles(
  { reservations }: Manifest,
  given: readonly BlockClaim[],
  holders: Holders,
): Obstacles {
  const reserved = new Reservations(reservations);
  return {
    block: (cidr) => overlapping(given, cidr)?.cidr,
    reservation: (cidr) => {
      const around = reserved.around(cidr.address);
      return around !== undefined && around.length <= cidr.length ? around : undefined;
    },
    unavailable: (address) => holders.has(address) || reserved.around(address) !== undefined,
  };
}

/** AssignIP wants an enabled pool around the address, and with strict affinity an own block. */
function checkRequests({ pools, workloads, ipam }: Manifest, given: readonly BlockClaim[]): void {
  for (const { address, addressing, node } of workloads) {
    if (address === undefined || addressing !== 'requested') continue;
    const cidr = { address: address.value, length: 32 };
    if (poolOf(pools, cidr)?.disabled !== false) {
      throw address.at.conflict('an address in an enabled IPPool', formatIp4(address.value));
    }
    const owner = overlapping(given, cidr)?.node;
    if (!ipam.strictAffinity || owner === node.value) continue;
    throw address.at.conflict(
      `an address in a block of ${node.value}, since strictAffinity is set`,
      `${formatIp4(address.value)} in a block of ${owner ?? 'no node'}`,
    );
  }
}

/** Pods that nobody has named an address for, by node. */
function waitingPods({ manifest, holders }: Round): Map<string, Workload[]> {
  const known = new Set(manifest.nodes.map(({ name }) => name));
  const waiting = new Map<string, Workload[]>();
  for (const pod of manifest.workloads) {
    if (!known.has(pod.node.value)) {
      throw pod.node.at.refuse('the name of a Node among the resources');
    }
    if (holders.pods.has(pod.key)) continue;
    const others = waiting.get(pod.node.value);
    if (others === undefined) waiting.set(pod.node.value, [pod]);
    else others.push(pod);
  }
  return waiting;
}

/** A node in use has a block, so one is given to those that nothing was taken for. */
function claimFirst(node: CalicoNode, pools: readonly IpPool[], round: Round): void {
  const { ledger, manifest } = round;
  if (!manifest.ipam.autoAllocateBlocks || pools.length === 0) return;
  if (ledger.count(node.name, pools) > 0) return;
  note(round, ledger.claim(node.name, pools) === undefined ? 'none' : 'block', node.name);
}

/** calico-node takes these before any pod starts; WireGuard's waits for Felix's key. */
function takeTunnels(node: CalicoNode, round: Round, encrypts: boolean): Map<Tunnel, Ip4> {
  const addresses = new Map<Tunnel, Ip4>();
  for (const kind of TUNNELS) {
    const stated = round.holders.tunnels[kind].get(node.name)?.value;
    const inUse =
      kind === 'wireguard'
        ? encrypts || stated !== undefined
        : usesEncapsulation(round.manifest.pools, kind);
    if (!inUse) continue;
    const pools = stated === undefined ? round.choice.forTunnel(kind, node) : [];
    if (stated !== undefined) addresses.set(kind, stated);
    else if (pools.length > 0) {
      claimFirst(node, pools, round);
      const taken = round.ledger.take(node.name, pools);
      if ('refusal' in taken) {
        const what = `${kind} of ${node.name}`;
        throw node.at.conflict(`a free address on node ${node.name} for ${what}`, taken.refusal);
      }
      round.holders.hold({ value: taken.address, at: node.at }, tunnelHolder(node.name, kind));
      addresses.set(kind, taken.address);
      note(round, kind, node.name);
      if (taken.borrowed) note(round, 'borrowed', `${kind} of ${node.name}`);
    }
  }
  return addresses;
}

function takePod(pod: Workload, node: CalicoNode, round: Round): Ip4 {
  const taken = round.ledger.take(node.name, round.choice.forPod(pod, node));
  if ('refusal' in taken) {
    throw pod.at.conflict(`a free address on node ${node.name} for ${pod.key}`, taken.refusal);
  }
  round.holders.hold({ value: taken.address, at: pod.at }, podHolder(pod));
  note(round, 'pod', pod.key);
  if (taken.borrowed) note(round, 'borrowed', pod.key);
  return taken.address;
}

function blockFacts(blocks: readonly HeldBlock[], holders: Holders): BlockFacts[] {
  const used = holders.inIpam();
  let next = 0;
  return blocks.map(({ cidr, node, pool }) => {
    while (next < used.length && used[next]!.address >>> 0 < cidr.address >>> 0) next += 1;
    const first = next;
    while (next < used.length && contains(cidr, used[next]!.address)) next += 1;
    return {
      cidr,
      ...(pool === undefined ? {} : { pool: pool.name }),
      ...(node === undefined ? {} : { node }),
      allocations: used.slice(first, next).map(({ address, node: user, use }) => {
        return { address, node: user, use };
      }),
    };
  });
}

/** Disabled pools count: Felix keeps their tunnels while addresses may be in use. */
export const usesEncapsulation = (pools: readonly IpPool[], kind: Encapsulation): boolean =>
  pools.some((pool) => pool.encapsulation === kind);

/** The block that holds an address, in a list sorted by address. */
export const blockOf = (blocks: readonly Block[], address: Ip4): Block | undefined =>
  overlapping(blocks, { address, length: 32 });
