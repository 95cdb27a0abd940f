/** `bridge link`: the ports of bridges (bridge/link.c print_linkinfo). */
import type { NamespacePlan } from '../plan/plan.ts';
import { portState } from './link-bridge.ts';
import { linkFlags } from './link-kind.ts';
import { type PeerLookup, peerName } from './link-peer.ts';

/** Ports by index; every line ends in a blank. */
export const printBridgeLink = (ns: NamespacePlan, peers?: PeerLookup): string =>
  [...ns.devices]
    .sort((a, b) => a.index - b.index)
    .filter(({ master }) => master !== undefined)
    .map(
      (port) =>
        `${port.index}: ${port.name}${peerName(ns, port, peers)}: ${linkFlags(port)} ` +
        `mtu ${port.mtu} master ${port.master} state ${portState(port)} priority 32 cost 2 \n`,
    )
    .join('');
