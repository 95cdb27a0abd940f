/** What a Linux TCP says of itself when a connection begins: tcp_connect_init, tcp_make_synack. */
import { linuxOptions } from '../frame/conversation.ts';
import type { TcpOption } from '../frame/tcp-options.ts';
import { mix } from '../node/flow-hash.ts';
import type { Node } from '../node/node.ts';
import { isPathMtuLocked, pathMtu } from '../node/path-mtu.ts';
import { RouteKind } from '../tables/routes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';

/** ip_rt_min_advmss, and the longest size that an option can say. */
const LEAST_MSS = 256;
const MOST_MSS = 65535 - ipv4.HEADER_LEN - tcp.HEADER_LEN;
/** tcp_win_from_space of net.ipv4.tcp_rmem[1], 131072. */
const RECEIVE_SPACE = 65536;
const MOST_WINDOW = 65535;
/** Of net.ipv4.tcp_rmem[2], 6291456: tcp_select_initial_window. */
export const WINDOW_SCALE = 7;
/** TCPOLEN_TSTAMP_ALIGNED. */
export const TIMESTAMPS_LEN = 12;

/** The segment size that a namespace announces to an address: ipv4_default_advmss. */
export function announcedMss(node: Node, to: number): number {
  const room = mtuTowards(node, to) - ipv4.HEADER_LEN - tcp.HEADER_LEN;
  return Math.min(Math.max(room, LEAST_MSS), MOST_MSS);
}

/** Bytes of the longest IPv4 packet that leaves whole, by what the namespace knows. */
export function mtuTowards(node: Node, to: number): number {
  const route = node.lookup(to);
  const leads = route >= 0 && node.routes.kind(route) === RouteKind.Unicast;
  if (leads) return pathMtu(node, route, to, false);
  return node.devices.find(({ plan }) => plan.kind === 'loopback')?.mtu ?? MOST_WINDOW;
}

/** Whether a socket without wishes of its own sets DF: ip_dont_fragment. */
export function setsDontFragment(node: Node, to: number): boolean {
  if (node.pmtuDiscovery !== 0) return false;
  const route = node.lookup(to);
  return route < 0 || !isPathMtuLocked(node, route, to);
}

/** The first window, a whole number of segments. */
export function firstWindow(mss: number): number {
  return Math.min(RECEIVE_SPACE - (RECEIVE_SPACE % mss), MOST_WINDOW);
}

/** Timestamps count milliseconds from a start that differs by the pair of addresses. */
export const timestamp = (node: Node, to: number): number =>
  (mix(node.position + 1, to) + node.world.milliseconds()) >>> 0;

/** All that a SYN offers. */
export const synOptions = (mss: number, value: number): TcpOption[] =>
  linuxOptions({ mss, sackPermitted: true, windowScale: WINDOW_SCALE }, { value, echo: 0 });

/** Of what a SYN offered, what the answer takes up. */
export function synAckOptions(
  offered: readonly TcpOption[],
  mss: number,
  value: number,
): TcpOption[] {
  const has = (name: TcpOption['option']): boolean => offered.some(({ option }) => option === name);
  const echoed = offered.find((one) => one.option === 'timestamps');
  return linuxOptions(
    {
      mss,
      sackPermitted: has('sackPermitted'),
      ...(has('windowScale') ? { windowScale: WINDOW_SCALE } : {}),
    },
    echoed && { value, echo: echoed.value },
  );
}
