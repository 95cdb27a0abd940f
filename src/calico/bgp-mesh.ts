/**
 * The node-to-node mesh. Where all its nodes are of one AS nobody passes on what it
 * heard (RFC 4271 section 9.2.1), and no session needs a record of its own. With several
 * AS numbers it is a net of iBGP and eBGP sessions like any other.
 */
import type { BgpNetwork } from './bgp-network.ts';
import { PLAIN_POLICY, type Session, type Speaker } from './bgp-session.ts';

/** The work grows with the cube of the nodes. */
export const MAX_MIXED_MESH = 160;

export const hasSeveralAses = (mesh: readonly Speaker[]): boolean =>
  mesh.some(({ asNumber }) => asNumber !== mesh[0]!.asNumber);

/** All sessions, those of the mesh first; `undefined` for a mesh of one AS or too many nodes. */
export function withMeshSessions({
  mesh,
  meshDown,
  sessions,
}: BgpNetwork): BgpNetwork['sessions'] | undefined {
  if (mesh.length > MAX_MIXED_MESH || !hasSeveralAses(mesh)) return undefined;
  const all = new Map<Speaker, readonly Session[]>();
  for (const from of mesh) {
    const own = mesh.flatMap((to): Session[] => {
      if (from === to || meshDown(from, to)) return [];
      const ends = { peer: to.address, source: from.address };
      const both = { policy: PLAIN_POLICY, remote: PLAIN_POLICY };
      return [{ from, to, ...ends, ...both, state: 'up' }];
    });
    all.set(from, own);
  }
  for (const [from, own] of sessions) all.set(from, [...(all.get(from) ?? []), ...own]);
  return all;
}
