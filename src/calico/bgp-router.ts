/**
 * A router or host outside the cluster that speaks BGP: `bgp` of an Underlay's
 * router or host, every key optional but the AS number.
 *
 *   routers:
 *   - name: tor
 *     bgp:
 *       asNumber: 65001
 *       peers: [192.168.33.55]        # default: whoever asks
 *       advertise: [0.0.0.0/0]        # default: nothing of its own
 *       accept: [198.19.24.0/21]      # ranges taken from peers; default: everything
 *       reflector: false              # true: its iBGP peers are its clients
 *       multipath: true               # false: one next hop for each prefix
 *
 * A router without `bgp` speaks it all the same where a BGPPeer names its address.
 */
import type { Ip4, Prefix } from '../wire/address.ts';
import { readAsNumber } from './calico-node.ts';
import type { Field } from './field.ts';

export interface BgpRouter {
  /** Absent: what its peers expect. */
  readonly asNumber: number | undefined;
  readonly peers: readonly Ip4[] | undefined;
  readonly advertise: readonly Prefix[];
  readonly accept: readonly Prefix[] | undefined;
  readonly reflector: boolean;
  readonly multipath: boolean;
}

export const UNDECLARED_ROUTER: BgpRouter = {
  asNumber: undefined,
  peers: undefined,
  advertise: [],
  accept: undefined,
  reflector: false,
  multipath: true,
};

export function readBgpRouter(bgp: Field): BgpRouter | undefined {
  if (bgp.absent) return undefined;
  const list = <T>(key: string, read: (at: Field) => T): T[] | undefined =>
    bgp.entry(key).optional((f) => f.items().map(read));
  return {
    asNumber: readAsNumber(bgp.entry('asNumber')),
    peers: list('peers', (f) => f.ip4()),
    advertise: list('advertise', (f) => f.prefix()) ?? [],
    accept: list('accept', (f) => f.prefix()),
    reflector: bgp.entry('reflector').optional((f) => f.boolean()) ?? false,
    multipath: bgp.entry('multipath').optional((f) => f.boolean()) ?? true,
  };
}
