/** The words for what a WireGuard device did with a packet: which peer, why, with which key. */
import type { Node } from '../node/node.ts';
import type { WireguardPeerPlan } from '../plan/plan.ts';
import type { TraceRecord } from '../trace/ring.ts';
import { contains, formatIp4, formatPrefix, type Ip4, type Prefix } from '../wire/address.ts';
import type { Finding } from './explain.ts';

/** The peer that an address belongs to: by longest prefix, of equal ones the last. */
function peerOf(
  peers: readonly WireguardPeerPlan[],
  address: number,
): { peer: WireguardPeerPlan; by: Prefix } | undefined {
  let best: { peer: WireguardPeerPlan; by: Prefix } | undefined;
  for (const peer of peers) {
    for (const by of peer.allowedIps) {
      if (!contains(by, address as Ip4) || (best?.by.length ?? -1) > by.length) continue;
      best = { peer, by };
    }
  }
  return best;
}

const key = (index: number): string => `key 0x${(index >>> 0).toString(16).padStart(8, '0')}`;

export function tellWireguardOut(node: Node, record: TraceRecord): Finding {
  const { noteA: to, noteB: counter, noteC: index, output } = record;
  const found = peerOf(node.devices[output]?.plan.wireguard?.peers ?? [], to);
  if (found === undefined) return { note: `no peer has ${formatIp4(to)} among its allowed IPs` };
  const { peer, by } = found;
  const entry = `peer ${peer.publicKey} allowed ips ${formatPrefix(by)}`;
  const end = `${formatIp4(peer.endpoint.address)}:${peer.endpoint.port}`;
  if (counter < 0) {
    return {
      entry,
      note: `WireGuard: no session with ${end} yet, the packet waits for a handshake`,
    };
  }
  return { entry, note: `WireGuard: encrypted for ${end}, counter ${counter}, ${key(index)}` };
}

export function tellWireguardIn(node: Node, record: TraceRecord): Finding {
  const { noteA: from, noteB: counter, noteC: index } = record;
  if (counter < 0) return { note: 'a WireGuard message without a packet' };
  const note = `WireGuard: decrypted, counter ${counter}, ${key(index)}`;
  const all = node.devices.flatMap(({ plan }) => plan.wireguard?.peers ?? []);
  const found = peerOf(all, from);
  if (found === undefined) return { note };
  const { peer, by } = found;
  return { entry: `peer ${peer.publicKey} allowed ips ${formatPrefix(by)}`, note };
}
