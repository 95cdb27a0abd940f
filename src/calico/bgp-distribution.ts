/**
 * How one announcement spreads (RFC 4271 section 9, RFC 4456 for reflectors): each
 * speaker takes the best paths it hears of and passes on what the rules let it.
 * Shortest AS path first, then eBGP before iBGP; equals are merged (BIRD's merge
 * paths). Sessions are visited in order of that preference, so every speaker is
 * settled before it speaks.
 */
import { compareIp4, type Ip4, type Prefix } from '../wire/address.ts';
import { withMeshSessions } from './bgp-mesh.ts';
import type { BgpNetwork } from './bgp-network.ts';
import { isClient, type Policy, type Session, type Speaker } from './bgp-session.ts';

export interface Announcement {
  readonly prefix: Prefix;
  readonly origins: readonly Speaker[];
  /** Does Calico's export filter on this node let it out? Routers let out everything. */
  readonly leaves: (node: Speaker) => boolean;
  /** Nodes that have the prefix from Felix, by way of the kernel: said to eBGP peers only. */
  readonly kernel: readonly Speaker[];
}

export interface Spread {
  /** Next hops at a speaker, in order of address; `undefined` where it learned nothing. */
  hopsAt(speaker: Speaker): readonly Ip4[] | undefined;
  /** The list that every member of the mesh has but for the one origin, where that is so. */
  readonly throughoutMesh: readonly Ip4[] | undefined;
}

/** BIRD's limit of merged paths. */
const MAX_PATHS = 16;

/** To which iBGP peers a path learned by iBGP may go on. */
const Onward = { Nobody: 0, Clients: 1, Everybody: 2 } as const;
type Onward = (typeof Onward)[keyof typeof Onward];

interface Path {
  readonly hop: Ip4;
  readonly asPath: readonly number[];
  readonly clusters: readonly string[];
  readonly onward: Onward;
}

/** In order of preference among paths of one length; `Kernel` loses to every path by BGP. */
const Rank = { Origin: 0, External: 1, Internal: 2, Kernel: 3 } as const;
type Rank = (typeof Rank)[keyof typeof Rank];

interface Entry {
  readonly length: number;
  readonly rank: Rank;
  readonly paths: Path[];
}

const NOWHERE: readonly Session[] = [];

export function spread(network: BgpNetwork, announcement: Announcement): Spread {
  return new Flood(network, announcement);
}

class Flood implements Spread {
  readonly #network: BgpNetwork;
  readonly #announcement: Announcement;
  readonly #mesh: ReadonlySet<Speaker>;
  readonly #relays: ReadonlySet<Speaker>;
  readonly #sessions: Sessions;
  readonly #entries = new Map<Speaker, Entry>();
  /** What was said to the whole mesh. */
  readonly #broadcasts: { readonly from: Speaker; readonly length: number; readonly path: Path }[] =
    [];
  /** Speakers with something to say, by length and rank. */
  readonly #queue: Set<Speaker>[] = [];
  #handedOn: { readonly from: Speaker; readonly path: Path; readonly made: Path } | undefined;
  /** Lists of one hop; most speakers have the same. */
  readonly #single = new Map<Ip4, readonly Ip4[]>();

  constructor(network: BgpNetwork, announcement: Announcement) {
    this.#network = network;
    this.#announcement = announcement;
    const { mesh, relays, sessions } = rolesOf(network);
    this.#mesh = mesh;
    this.#relays = relays;
    this.#sessions = sessions;
    const self = { asPath: [], clusters: [], onward: Onward.Nobody };
    for (const origin of announcement.origins) {
      const paths = [{ ...self, hop: origin.address }];
      this.#settle(origin, { length: 0, rank: Rank.Origin, paths });
    }
    this.#run();
    for (const node of announcement.kernel) {
      const heard = this.#entries.get(node) ?? this.#heard(node);
      if (heard !== undefined) continue;
      const paths = [{ ...self, hop: node.address }];
      this.#settle(node, { length: 0, rank: Rank.Kernel, paths });
    }
    this.#run();
  }

  get throughoutMesh(): readonly Ip4[] | undefined {
    const [only, ...more] = this.#broadcasts;
    const settled = [...this.#entries.keys()].filter((speaker) => this.#mesh.has(speaker));
    const plain = more.length === 0 && settled.length === 1 && !this.#network.meshOutages;
    return plain && only !== undefined ? this.#only(only.path.hop) : undefined;
  }

  hopsAt(speaker: Speaker): readonly Ip4[] | undefined {
    const entry = this.#entries.get(speaker);
    if (entry === undefined && this.#broadcasts.length === 1 && !this.#network.meshOutages) {
      // The plain case: a mesh that heard one origin.
      return this.#mesh.has(speaker) ? this.#only(this.#broadcasts[0]!.path.hop) : undefined;
    }
    const { rank, paths } = entry ?? this.#heard(speaker) ?? { rank: Rank.Origin, paths: [] };
    if (rank === Rank.Origin || rank === Rank.Kernel) return undefined;
    const hops = paths.map(({ hop }) => hop).sort(compareIp4);
    const first = hops[0];
    if (first === undefined) return undefined;
    return hops.length === 1 || !speaker.multipath ? this.#only(first) : hops;
  }

  #only(hop: Ip4): readonly Ip4[] {
    const list = this.#single.get(hop) ?? [hop];
    this.#single.set(hop, list);
    return list;
  }

  /** What a member of the mesh without sessions of its own has from the broadcasts. */
  #heard(speaker: Speaker): Entry | undefined {
    if (!this.#mesh.has(speaker)) return undefined;
    let best: Entry | undefined;
    for (const { from, length, path } of this.#broadcasts) {
      if (from === speaker || this.#network.meshDown(from, speaker)) continue;
      if (best === undefined || length < best.length) {
        best = { length, rank: Rank.Internal, paths: [path] };
      } else if (length === best.length) merge(best.paths, path);
    }
    return best;
  }

  #settle(speaker: Speaker, entry: Entry): void {
    this.#entries.set(speaker, entry);
    this.#enqueue(speaker, entry);
  }

  #enqueue(speaker: Speaker, { length, rank }: Entry): void {
    // What came by iBGP goes on to clients and to other ASes only.
    if (rank === Rank.Internal && !this.#relays.has(speaker)) return;
    const slot = length * 4 + rank;
    while (this.#queue.length <= slot) this.#queue.push(new Set());
    this.#queue[slot]!.add(speaker);
  }

  #run(): void {
    for (let slot = 0; slot < this.#queue.length; slot++) {
      // A set that grows while it is walked is walked to its new end.
      for (const speaker of this.#queue[slot]!) {
        this.#queue[slot]!.delete(speaker);
        const entry = this.#entries.get(speaker)!;
        if (entry.length * 4 + entry.rank === slot) this.#speak(speaker, entry);
      }
    }
  }

  #speak(from: Speaker, entry: Entry): void {
    const { leaves } = this.#announcement;
    const allowed = from.role === 'router' || leaves(from);
    const learned = entry.rank === Rank.External || entry.rank === Rank.Internal;
    for (const session of this.#sessions.get(from) ?? NOWHERE) {
      if (session.state !== 'up') continue;
      const verdict = this.#verdict(session.policy, 'export', learned);
      if (verdict === 'Reject' || (verdict === undefined && !allowed)) continue;
      if (this.#verdict(session.remote, 'import', true) === 'Reject') continue;
      if (from.asNumber === session.to.asNumber) this.#internal(session, entry);
      else this.#external(session, entry);
    }
    const told = entry.rank === Rank.Origin || entry.rank === Rank.External;
    if (allowed && told && this.#mesh.has(from)) this.#broadcast(from, entry);
  }

  #verdict(
    policy: Policy,
    direction: 'import' | 'export',
    learned: boolean,
  ): 'Accept' | 'Reject' | undefined {
    for (const rules of policy[direction]) {
      const verdict = rules(this.#announcement.prefix, learned);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  }

  #broadcast(from: Speaker, { length, paths }: Entry): void {
    for (const path of paths) {
      const said = { ...path, onward: Onward.Nobody };
      this.#broadcasts.push({ from, length, path: said });
      for (const [to] of this.#sessions) {
        if (to === from || !this.#mesh.has(to) || this.#network.meshDown(from, to)) continue;
        this.#offer(to, length, Rank.Internal, said);
      }
    }
  }

  #internal({ from, to, source, policy }: Session, { length, rank, paths }: Entry): void {
    if (rank === Rank.Kernel) return;
    const own = rank === Rank.Origin || policy.nextHop === 'self';
    const onward =
      to.clusterId === undefined
        ? Onward.Nobody
        : isClient(to, from)
          ? Onward.Everybody
          : Onward.Clients;
    for (const path of paths) {
      if (rank === Rank.Internal) {
        if (path.onward === Onward.Nobody) continue;
        if (path.onward === Onward.Clients && !isClient(from, to)) continue;
      }
      const said = rank === Rank.Internal ? this.#reflected(from, path) : path;
      if (to.clusterId !== undefined && said.clusters.includes(to.clusterId)) continue;
      const same = !own && said.onward === onward;
      this.#offer(
        to,
        length,
        Rank.Internal,
        same ? said : { ...said, hop: own ? source : path.hop, onward },
      );
    }
  }

  /** The path as the reflector hands it on; clients get one and the same. */
  #reflected(from: Speaker, path: Path): Path {
    if (this.#handedOn?.path === path && this.#handedOn.from === from) return this.#handedOn.made;
    const clusters = [...path.clusters, from.clusterId ?? ''];
    const made = { ...path, clusters, onward: Onward.Nobody };
    this.#handedOn = { from, path, made };
    return made;
  }

  #external({ from, to, source, policy, remote }: Session, { rank, paths }: Entry): void {
    // Next hop self makes all paths one: the lowest address speaks for its equals.
    const keep = policy.nextHop === 'keep' && rank !== Rank.Origin && rank !== Rank.Kernel;
    for (const path of keep ? paths : [paths.reduce(lower)]) {
      const asPath = [from.asNumber, ...path.asPath];
      const own = asPath.filter((as) => as === to.asNumber).length;
      if (own > remote.allowedLocalAs) continue;
      this.#offer(to, asPath.length, Rank.External, {
        hop: keep ? path.hop : source,
        asPath,
        clusters: [],
        onward: Onward.Nobody,
      });
    }
  }

  #offer(to: Speaker, length: number, rank: Rank, path: Path): void {
    const before = this.#entries.get(to);
    const order = preference(length, rank);
    const settled = before === undefined ? Infinity : preference(before.length, before.rank);
    if (order > settled) return;
    if (before === undefined || order < settled) {
      this.#settle(to, { length, rank, paths: [path] });
    } else if (merge(before.paths, path)) this.#enqueue(to, before);
  }
}

const lower = (a: Path, b: Path): Path => (compareIp4(a.hop, b.hop) <= 0 ? a : b);

/** AS paths are short: 2^20 stands for no path at all, and for what only the kernel has. */
const preference = (length: number, rank: Rank): number =>
  rank === Rank.Kernel ? 2 ** 20 : rank === Rank.Origin ? -1 : length * 4 + rank;

/** Keeps one path for each next hop, the one that came by fewer reflectors. */
function merge(paths: Path[], path: Path): boolean {
  const i = paths.findIndex(({ hop }) => hop === path.hop);
  const before = paths[i];
  if (before === undefined) {
    if (paths.length === MAX_PATHS) return false;
    paths.push(path);
    return true;
  }
  const better =
    path.clusters.length < before.clusters.length ||
    (path.clusters.length === before.clusters.length && path.onward > before.onward);
  if (better) paths[i] = path;
  return better;
}

type Sessions = BgpNetwork['sessions'];

interface Roles {
  /** Members of a mesh of one AS, in which nobody passes on what it heard. */
  readonly mesh: ReadonlySet<Speaker>;
  /** Reflectors, and speakers with a peer in another AS. */
  readonly relays: ReadonlySet<Speaker>;
  /** With those of a mesh of several ASes. */
  readonly sessions: Sessions;
}

const roles = new WeakMap<BgpNetwork, Roles>();

function rolesOf(network: BgpNetwork): Roles {
  const known = roles.get(network);
  if (known !== undefined) return known;
  const apart = withMeshSessions(network);
  const sessions = apart ?? network.sessions;
  const relays = [...sessions].filter(([from, list]) => {
    return from.clusterId !== undefined || list.some(({ to }) => to.asNumber !== from.asNumber);
  });
  const made = {
    mesh: new Set(apart === undefined ? network.mesh : []),
    relays: new Set(relays.map(([from]) => from)),
    sessions,
  };
  roles.set(network, made);
  return made;
}
