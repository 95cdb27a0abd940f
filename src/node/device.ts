/** A network device of a namespace, as the packet path sees it. */
import type { Packet } from '../packet/packet.ts';
import type { DevicePlan, VxlanSettings } from '../plan/plan.ts';
import { Changes } from '../tables/changes.ts';
import type { Neighbours } from '../tables/neighbours.ts';
import { type Mac, macHigh, macLow } from '../wire/address.ts';
import type { Node } from './node.ts';

/** How frames leave a device, and whether they carry an Ethernet header. */
export const DeviceKind = {
  Loopback: 0,
  Nic: 1,
  Veth: 2,
  Vxlan: 3,
  Ipip: 4,
  Wireguard: 5,
  Bridge: 6,
} as const;
export type DeviceKind = (typeof DeviceKind)[keyof typeof DeviceKind];

const kindOf: { readonly [K in DevicePlan['kind']]: DeviceKind } = {
  loopback: DeviceKind.Loopback,
  nic: DeviceKind.Nic,
  veth: DeviceKind.Veth,
  vxlan: DeviceKind.Vxlan,
  ipip: DeviceKind.Ipip,
  wireguard: DeviceKind.Wireguard,
  bridge: DeviceKind.Bridge,
};

/** A field of VXLAN's outer header that is the inner packet's. */
export const INHERIT = -1;
export type VxlanDf = NonNullable<VxlanSettings['df']> | 'unset';

const orInherit = (told: number | 'inherit' = 0): number => (told === 'inherit' ? INHERIT : told);

/** Shared: every pod has a veth without addresses on its node. */
const NONE: readonly never[] = [];

/** Sees every frame that enters or leaves a device, as a packet socket does. */
export interface Tap {
  /** Frame bytes are `bytes[packet.data, packet.tail)` of the arena, valid during the call. */
  see(node: Node, device: Device, packet: Packet, outgoing: boolean): void;
}

/** What every packet that enters asks for comes first, in one or two lines of the processor's cache. */
export class Device {
  /** Position in the node's device list (not the ifindex). */
  readonly position: number;
  /** Position of its namespace in the cluster's list. */
  namespace = 0;
  /** Frames on it start with an Ethernet header. */
  readonly ethernet: boolean;
  readonly checksumOffload: boolean;
  mtu: number;
  plan: DevicePlan;
  readonly name: string;
  readonly kind: DeviceKind;
  readonly macHigh: number;
  readonly macLow: number;
  up: boolean;
  /** Up, and with a carrier. */
  running: boolean;
  readonly proxyArp: boolean;
  readonly receiveOffload: boolean;
  readonly rpFilter: number;
  readonly routeLocalnet: boolean;
  readonly acceptLocal: boolean;
  readonly arpAccept: number;
  /** VXLAN settings; 0 on other devices. Addresses are signed. */
  readonly vni: number;
  readonly local: number;
  /** UDP: where VXLAN sends to, where WireGuard listens; 0 on other devices. */
  readonly port: number;
  /** Of VXLAN's outer header: TTL, 0 for the default; TOS; both INHERIT for the inner packet's. */
  readonly ttl: number;
  readonly tos: number;
  /** Of the outer header: never, always, or as the inner one. */
  readonly df: VxlanDf;
  readonly udpChecksum: boolean;
  /** Whether a VXLAN device learns, and how long that counts there and on a bridge, ms. */
  readonly learning: boolean;
  readonly ageing: number;
  /** Of the packets that WireGuard sends. */
  readonly mark: number;
  /** Addresses and prefix lengths in the order of `ip addr`. */
  addresses: readonly number[];
  readonly lengths: readonly number[];
  /** Whether an address of this device has link or host scope only. */
  readonly narrow: readonly boolean[];
  /** Position of the link's end in the cluster; see cluster/links.ts. -1: no cable. */
  link = -1;
  /** Position of the bridge that it is a port of; -1: of none. */
  master = -1;
  private watcher: Tap | null = null;
  private readonly changes: Changes;
  /**
   * Neighbours that many devices share, of device 0: what ARP had learned on a link before the
   * run began, the other VTEPs on a VXLAN device. One becomes the node's own when it is used.
   */
  learned: Neighbours<Packet> | null = null;

  /** `changes` of its cluster. */
  constructor(plan: DevicePlan, position: number, changes: Changes = new Changes()) {
    this.plan = plan;
    this.name = plan.name;
    this.position = position;
    this.changes = changes;
    this.kind = kindOf[plan.kind];
    this.ethernet =
      this.kind !== DeviceKind.Loopback &&
      this.kind !== DeviceKind.Ipip &&
      this.kind !== DeviceKind.Wireguard;
    const mac = plan.mac ?? (0 as Mac);
    this.macHigh = macHigh(mac);
    this.macLow = macLow(mac);
    this.mtu = plan.mtu;
    this.up = plan.up;
    this.running = plan.up && plan.carrier !== false;
    this.proxyArp = plan.proxyArp;
    this.checksumOffload = plan.checksumOffload;
    this.receiveOffload = plan.receiveOffload ?? false;
    this.rpFilter = plan.rpFilter ?? 0;
    this.routeLocalnet = plan.routeLocalnet ?? false;
    this.acceptLocal = plan.acceptLocal ?? false;
    this.arpAccept = plan.arpAccept ?? 0;
    this.vni = plan.vxlan?.vni ?? 0;
    this.port = plan.vxlan?.port ?? plan.wireguard?.listenPort ?? 0;
    this.mark = plan.wireguard?.fwmark ?? 0;
    this.local = plan.vxlan?.local ?? 0;
    this.ttl = orInherit(plan.vxlan?.ttl);
    this.tos = orInherit(plan.vxlan?.tos);
    this.df = plan.vxlan?.df ?? 'unset';
    this.learning = plan.vxlan?.learning ?? false;
    this.ageing = 1000 * (plan.bridge?.ageing ?? plan.vxlan?.ageing ?? 300);
    this.udpChecksum = plan.vxlan?.udpChecksum ?? true;
    const bare = plan.addresses.length === 0;
    this.addresses = bare ? NONE : plan.addresses.map((a) => a.address);
    this.lengths = bare ? NONE : plan.addresses.map((a) => a.length);
    this.narrow = bare ? NONE : plan.addresses.map((a) => a.scope !== 'global');
  }

  get tap(): Tap | null {
    return this.watcher;
  }

  set tap(tap: Tap | null) {
    this.watcher = tap;
    this.changes.note();
  }
}
