import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Announcement, spread } from '../../src/calico/bgp-distribution.ts';
import type { BgpNetwork } from '../../src/calico/bgp-network.ts';
import type { Policy, Session, Speaker } from '../../src/calico/bgp-session.ts';
import { formatIp4, type Ip4, parsePrefix } from '../../src/wire/address.ts';
import { simulate } from './bgp-twin.ts';

const policy = (nextHop: Policy['nextHop'], allowedLocalAs: number): Policy => ({
  kind: undefined,
  nextHop,
  allowedLocalAs,
  export: [],
  import: [],
});

interface Draft {
  readonly speakers: readonly { readonly as: number; readonly cluster: number; node: boolean }[];
  readonly links: readonly {
    readonly a: number;
    readonly b: number;
    readonly up: boolean;
    readonly hop: Policy['nextHop'];
    readonly allowed: number;
  }[];
  readonly mesh: boolean;
  readonly down: readonly number[];
}

function network({ speakers: drafts, links, mesh, down }: Draft): BgpNetwork {
  const speakers = drafts.map(
    ({ as, cluster, node }, i): Speaker => ({
      name: `s${i}`,
      role: node ? 'node' : 'router',
      address: ((10 << 24) | (i + 1)) as Ip4,
      asNumber: as,
      clusterId: cluster === 0 ? undefined : `244.0.0.${cluster}`,
      multipath: true,
    }),
  );
  const inMesh = mesh ? speakers.filter((s) => s.role === 'node' && s.clusterId === undefined) : [];
  const downPairs = new Set(down);
  const meshDown = (a: Speaker, b: Speaker) => {
    const [i, j] = [speakers.indexOf(a), speakers.indexOf(b)].sort((x, y) => x - y);
    return downPairs.has(i! * 8 + j!);
  };
  const sessions = new Map<Speaker, Session[]>();
  const seen = new Set<string>();
  for (const { a, b, up, hop, allowed } of links) {
    const from = speakers[a % speakers.length]!;
    const to = speakers[b % speakers.length]!;
    const pair = [from.name, to.name].sort().join();
    if (from === to || seen.has(pair) || (inMesh.includes(from) && inMesh.includes(to))) continue;
    seen.add(pair);
    const state = up ? 'up' : 'down';
    const [near, far] = [policy(hop, allowed), policy('auto', 0)];
    const add = (session: Session) =>
      sessions.set(session.from, [...(sessions.get(session.from) ?? []), session]);
    const ends = { peer: to.address, source: from.address };
    add({ from, to, ...ends, policy: near, remote: far, state });
    add({
      from: to,
      to: from,
      peer: from.address,
      source: to.address,
      policy: far,
      remote: near,
      state,
    });
  }
  return {
    speakers: new Map(speakers.map((s) => [s.name, s])),
    mesh: inMesh,
    meshDown,
    meshOutages: down.length > 0,
    sessions,
    deadEnds: [],
    filtered: false,
  };
}

const drafts: fc.Arbitrary<Draft> = fc.record({
  speakers: fc.array(
    fc.record({
      as: fc.constantFrom(64512, 64512, 64512, 65001, 65002),
      cluster: fc.constantFrom(0, 0, 1, 2),
      node: fc.boolean(),
    }),
    { minLength: 2, maxLength: 7 },
  ),
  links: fc.array(
    fc.record({
      a: fc.nat(6),
      b: fc.nat(6),
      up: fc.boolean(),
      hop: fc.constantFrom('auto', 'auto', 'self', 'keep'),
      allowed: fc.nat(1),
    }),
    { maxLength: 14 },
  ),
  mesh: fc.boolean(),
  down: fc.array(fc.nat(63), { maxLength: 3 }),
});

describe('bgp-distribution', () => {
  it('spreads as a simulation of every message does', () => {
    let compared = 0;
    let learned = 0;
    fc.assert(
      fc.property(drafts, fc.nat(6), fc.nat(6), fc.nat(127), (draft, first, second, closed) => {
        const net = network(draft);
        const speakers = [...net.speakers.values()];
        const origins = [...new Set([first, second].map((n) => speakers[n % speakers.length]!))];
        const announcement: Announcement = {
          prefix: parsePrefix('10.2.0.0/26'),
          origins,
          // Some nodes keep to themselves what they heard of.
          leaves: (node) =>
            origins.includes(node) || ((closed >> speakers.indexOf(node)) & 1) === 0,
          kernel: [],
        };
        const expected = simulate(net, announcement);
        // Some networks never come to rest; nobody can say what they hold.
        fc.pre(expected !== undefined);
        const made = spread(net, announcement);
        compared += 1;
        for (const speaker of speakers) {
          const hops = made.hopsAt(speaker)?.map(formatIp4).sort();
          if (hops !== undefined) learned += 1;
          expect([speaker.name, hops]).toEqual([speaker.name, expected!.get(speaker.name)]);
        }
      }),
      { numRuns: 2000 },
    );
    expect(compared).toBeGreaterThan(1000);
    expect(learned).toBeGreaterThan(1000);
  });

  it('says of the whole mesh at once only what holds for each of its members', () => {
    let whole = 0;
    fc.assert(
      fc.property(drafts, fc.nat(6), (draft, n) => {
        const links = draft.links.slice(0, 2);
        const net = network({ ...draft, mesh: true, links, down: [] });
        const speakers = [...net.speakers.values()];
        const origin = speakers[n % speakers.length]!;
        const made = spread(net, {
          prefix: parsePrefix('10.2.0.0/26'),
          origins: [origin],
          leaves: () => true,
          kernel: [],
        });
        if (made.throughoutMesh === undefined) return;
        whole += 1;
        for (const member of net.mesh) {
          if (member !== origin) expect(made.hopsAt(member)).toEqual(made.throughoutMesh);
        }
      }),
      { numRuns: 500 },
    );
    expect(whole).toBeGreaterThan(20);
  });
});
