/**
 * The rooms of the dataplane and the ends of a walk. A room returns the next
 * room (positive) or an end (negative); walk.ts is the only file that knows
 * which function a room is.
 */
export const Room = {
  /** A frame from a link or out of a tunnel: for me? ARP or IPv4? */
  Ingress: 1,
  /** ARP: answer, learn. */
  Arp: 2,
  /** IPv4 header checks, padding cut. */
  IpInput: 3,
  /** FIB lookup. */
  Route: 4,
  /** TTL and size rules of a router. */
  Forward: 5,
  /** Next hop and device are known: sizes of what is born here, tunnel loops. */
  Output: 6,
  /** Next hop to MAC, or wait for ARP. */
  Neighbour: 7,
  /** Onto the device. */
  Transmit: 8,
  /** Addressed to this namespace. */
  Local: 9,
  VxlanOut: 10,
  VxlanIn: 11,
  IpipOut: 12,
  IpipIn: 13,
  /** Netfilter's hooks: node/netfilter.ts. */
  Prerouting: 14,
  Input: 15,
  ForwardFilter: 16,
  LocalOut: 17,
  Postrouting: 18,
  /** Fragments and checksums, after the last hook: ip_finish_output. */
  Finish: 19,
  /** Out of a tunnel: segments that follow each other are put together (GRO). */
  Gather: 20,
  /** All that arrived together has been gathered. */
  Poll: 21,
  WireguardOut: 22,
  WireguardIn: 23,
  /** From a port of a bridge, and from the namespace by the bridge: node/bridge.ts. */
  BridgeIn: 24,
  BridgeOut: 25,
} as const;
export type Room = (typeof Room)[keyof typeof Room];

/** Who owns the packet's slot after the walk. */
export const End = {
  /** The link of the output device. */
  Sent: -1,
  /** This namespace: a socket would have it. */
  Delivered: -2,
  /** A queue: of an unresolved neighbour, of a tunnel without a session. */
  Parked: -3,
  /** Nobody; the reason is in `packet.drop`. */
  Dropped: -4,
  /** Nobody: a message of ARP or WireGuard that did its work. */
  Consumed: -5,
} as const;
export type End = (typeof End)[keyof typeof End];

export type Next = Room | End;

export const roomName: { readonly [R in Room]: string } = {
  [Room.Ingress]: 'ingress',
  [Room.Arp]: 'arp',
  [Room.IpInput]: 'ip-input',
  [Room.Route]: 'route',
  [Room.Forward]: 'forward',
  [Room.Output]: 'output',
  [Room.Neighbour]: 'neighbour',
  [Room.Transmit]: 'transmit',
  [Room.Local]: 'local',
  [Room.VxlanOut]: 'vxlan-out',
  [Room.VxlanIn]: 'vxlan-in',
  [Room.IpipOut]: 'ipip-out',
  [Room.IpipIn]: 'ipip-in',
  [Room.Prerouting]: 'prerouting',
  [Room.Input]: 'input',
  [Room.ForwardFilter]: 'forward-filter',
  [Room.LocalOut]: 'local-out',
  [Room.Postrouting]: 'postrouting',
  [Room.Finish]: 'finish',
  [Room.Gather]: 'gather',
  [Room.Poll]: 'poll',
  [Room.WireguardOut]: 'wireguard-out',
  [Room.WireguardIn]: 'wireguard-in',
  [Room.BridgeIn]: 'bridge-in',
  [Room.BridgeOut]: 'bridge-out',
};
