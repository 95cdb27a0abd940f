/** `calicoctl node status`: a node's BGP sessions as BIRD tells them. */
import type { BgpSession, Inventory, NamespacePlan } from '../plan/plan.ts';
import { formatIp4 } from '../wire/address.ts';
import { printBox } from './calicoctl-table.ts';

/** The SINCE column for a session: `16:38:32`, or a date once a day has gone by. */
export type Since = (session: BgpSession) => string;

/** As a listing told it, which may be where the session is known from; midnight where nobody did. */
const AS_LISTED: Since = ({ since = '00:00:00' }) => since;

const HEADINGS = ['Peer address', 'Peer type', 'State', 'Since', 'Info'];

/**
 * Sessions in the order of the inventory, which is BIRD's. A router or host runs
 * no Calico; a cluster whose pools are all VXLAN and that has no session runs no BIRD.
 */
export function printNodeStatus(
  ns: NamespacePlan,
  inventory: Inventory,
  since: Since = AS_LISTED,
): string {
  if (!inventory.nodes.some(({ name }) => name === ns.name)) {
    return 'Calico process is not running.\n';
  }
  const running = 'Calico process is running.\n';
  if (!hasBird(inventory)) return `${running}\nThe BGP backend process (BIRD) is not running.\n\n`;
  const rows = inventory.sessions
    .filter(({ node }) => node === ns.name)
    .map((s) => [formatIp4(s.peer), s.kind, s.state, since(s), s.info]);
  const peers = rows.length === 0 ? 'No IPv4 peers found.\n' : printBox(HEADINGS, rows);
  return `${running}\nIPv4 BGP status\n${peers}\nIPv6 BGP status\nNo IPv6 peers found.\n\n`;
}

const hasBird = ({ sessions, pools }: Inventory): boolean =>
  sessions.length > 0 || pools.length === 0 || pools.some(({ vxlanMode }) => vxlanMode === 'Never');
