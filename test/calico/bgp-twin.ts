/**
 * BGP the slow way: every speaker keeps what each neighbour last told it, decides
 * afresh, tells everybody, and again until nothing changes any more.
 */
import type { Announcement } from '../../src/calico/bgp-distribution.ts';
import type { BgpNetwork } from '../../src/calico/bgp-network.ts';
import type { Speaker } from '../../src/calico/bgp-session.ts';
import { formatIp4 } from '../../src/wire/address.ts';

interface Heard {
  readonly hop: number;
  readonly path: readonly number[];
  readonly clusters: readonly string[];
  readonly ibgp: boolean;
  readonly fromClient: boolean;
}

interface Wire {
  readonly from: Speaker;
  readonly to: Speaker;
  readonly nextHop: 'auto' | 'self' | 'keep';
  readonly allowed: number;
}

const client = (reflector: Speaker, peer: Speaker): boolean =>
  reflector.clusterId !== undefined && peer.clusterId !== reflector.clusterId;

/** Next hops by speaker's name, as text in order; nothing for origins and the ignorant. */
export function simulate(network: BgpNetwork, { origins, leaves }: Announcement) {
  const wires: Wire[] = [...network.sessions.values()]
    .flat()
    .flatMap((s) =>
      s.state === 'up'
        ? [{ from: s.from, to: s.to, nextHop: s.policy.nextHop, allowed: s.remote.allowedLocalAs }]
        : [],
    );
  for (const from of network.mesh) {
    for (const to of network.mesh) {
      if (from === to || network.meshDown(from, to)) continue;
      wires.push({ from, to, nextHop: 'auto', allowed: 0 });
    }
  }
  const speakers = [...network.speakers.values()];
  let heard = new Map<Wire, readonly Heard[]>();

  const decide = (speaker: Speaker): readonly Heard[] => {
    const all = wires.flatMap((wire) => (wire.to === speaker ? (heard.get(wire) ?? []) : []));
    const score = (h: Heard) => h.path.length * 2 + (h.ibgp ? 1 : 0);
    const best = Math.min(...all.map(score));
    const byHop = new Map<number, Heard>();
    for (const h of all.filter((candidate) => score(candidate) === best)) {
      const before = byHop.get(h.hop);
      const shorter = before !== undefined && h.clusters.length < before.clusters.length;
      const freer =
        before !== undefined &&
        h.clusters.length === before.clusters.length &&
        h.fromClient &&
        !before.fromClient;
      if (before === undefined || shorter || freer) byHop.set(h.hop, h);
    }
    return [...byHop.values()].sort((a, b) => (a.hop >>> 0) - (b.hop >>> 0));
  };

  for (let round = 0; round < 200; round++) {
    const next = new Map<Wire, readonly Heard[]>();
    const decided = new Map(speakers.map((s) => [s, decide(s)]));
    for (const wire of wires) {
      const { from, to } = wire;
      if (from.role === 'node' && !leaves(from)) continue;
      const own = origins.includes(from);
      const known: readonly Heard[] = own
        ? [{ hop: from.address, path: [], clusters: [], ibgp: false, fromClient: false }]
        : decided.get(from)!;
      const said: Heard[] = [];
      if (from.asNumber === to.asNumber) {
        for (const h of known) {
          const goesOn =
            !h.ibgp || (from.clusterId !== undefined && (h.fromClient || client(from, to)));
          if (!goesOn) continue;
          const clusters = h.ibgp ? [...h.clusters, from.clusterId!] : h.clusters;
          if (to.clusterId !== undefined && clusters.includes(to.clusterId)) continue;
          const hop = wire.nextHop === 'self' ? from.address : h.hop;
          said.push({ hop, path: h.path, clusters, ibgp: true, fromClient: client(to, from) });
        }
      } else {
        for (const h of wire.nextHop === 'keep' && !own ? known : known.slice(0, 1)) {
          const path = [from.asNumber, ...h.path];
          if (path.filter((as) => as === to.asNumber).length > wire.allowed) continue;
          const hop = wire.nextHop === 'keep' && !own ? h.hop : from.address;
          said.push({ hop, path, clusters: [], ibgp: false, fromClient: false });
        }
      }
      const usable = said.filter(({ hop }) => hop !== to.address);
      if (usable.length > 0) next.set(wire, usable);
    }
    const settled = JSON.stringify([...next.values()]) === JSON.stringify([...heard.values()]);
    heard = next;
    if (settled) {
      return new Map(
        speakers.flatMap((s) => {
          const hops = origins.includes(s) ? [] : decide(s).map(({ hop }) => formatIp4(hop));
          return hops.length === 0 ? [] : [[s.name, hops.sort()] as const];
        }),
      );
    }
  }
  return undefined;
}
