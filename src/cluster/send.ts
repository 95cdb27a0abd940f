/** One packet sent by a pod or node, followed through every namespace. */
import { type Drop, dropInfo } from '../drop.ts';
import { found, PodwireError } from '../errors.ts';
import { buildFrame } from '../frame/build.ts';
import type { Layer } from '../frame/layer.ts';
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import { routeSource } from '../node/source.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { RouteKind } from '../tables/routes.ts';
import { TraceRing } from '../trace/ring.ts';
import { formatIp4, type Ip4 } from '../wire/address.ts';
import { withAnswers } from './answer.ts';
import type { Cluster } from './cluster.ts';
import { explain, type Step } from './explain.ts';
import { ownAddress } from './names.ts';
import { announcedMss, firstWindow, setsDontFragment, synOptions } from './tcp-offer.ts';

export type SendProtocol = 'tcp' | 'udp' | 'icmp';

export interface SendOptions {
  /** `namespace/pod`, a bare pod name where unambiguous, or a node, router or host. */
  readonly from: string;
  /** The same, an IPv4 address, or a service as `name.namespace`. */
  readonly to: string;
  /** Default icmp: an echo request. tcp sends a SYN, udp a datagram. */
  readonly protocol?: SendProtocol;
  /** Default 40000. */
  readonly sourcePort?: number;
  /** Default 80 for tcp, 53 for udp. */
  readonly destinationPort?: number;
  /** Bytes of the whole IPv4 packet. Default 84 for icmp, 60 for tcp, 60 for udp. */
  readonly size?: number;
  /** Sets Don't Fragment. Default: of TCP only, and not where the path MTU is locked. */
  readonly dontFragment?: boolean;
  /** Default 64. */
  readonly ttl?: number;
  /**
   * Also follows what comes back: an ICMP error, an echo reply, a reset, or the answer of
   * an open port (as all are of a namespace that nobody stated any of). Default false.
   */
  readonly reply?: boolean;
}

/** A frame as a packet socket on this device saw it. */
export interface SeenFrame {
  readonly node: string;
  readonly device: string;
  readonly hex: string;
}

export interface Trace {
  readonly outcome: 'delivered' | 'dropped';
  /** Where it ended. */
  readonly at: string;
  /** Name of the drop reason (drop.ts), where it was dropped. */
  readonly reason?: string;
  readonly steps: readonly Step[];
  readonly frames: readonly SeenFrame[];
  /** The packet that came back, where one was asked for and made. */
  readonly reply?: Trace;
}

/** Number of the packet that is followed; what answers it has the next (Packet.traced). */
const TRACED = 1;
const ANSWER = TRACED + 1;
/** Smallest packets; a SYN below 60 bytes goes without options. */
const HEADERS = { tcp: 40, udp: 28, icmp: 28 } as const;
const SYN_WITH_OPTIONS = 60;
const SIZES = { tcp: 60, udp: 60, icmp: 84 } as const;

/** What is seen of one followed packet. */
interface Fate {
  readonly frames: SeenFrame[];
  end?: { readonly node: Node; readonly drop: Drop };
}

/**
 * Told of each frame that a trace will list: of the packet (1) or of what came
 * back (2), and how many of its steps are behind it.
 */
export type FrameWatch = (packet: number, steps: number) => void;

export function send(cluster: Cluster, options: SendOptions, watch?: FrameWatch): Trace {
  const from = cluster.names.find(options.from);
  const to = cluster.names.address(options.to);
  const packet = buildPacket(from, to, options);
  const ring = new TraceRing();
  const fates: Fate[] = [{ frames: [] }, { frames: [] }];
  const before = cluster.witness;
  cluster.witness = {
    delivered: (node, p) => {
      const fate = fates[p.traced - TRACED];
      if (fate !== undefined) fate.end = { node, drop: 0 };
      before?.delivered(node, p);
    },
    dropped: (node, p) => {
      const fate = fates[p.traced - TRACED];
      if (fate !== undefined && fate.end?.drop !== 0) fate.end = { node, drop: p.drop };
      before?.dropped(node, p);
    },
  };
  cluster.observer = {
    see: (node: Node, device: Device, p: Packet) => {
      const hex = bytes.toString('hex', p.data, p.tail);
      const fate = fates[p.traced - TRACED];
      if (fate === undefined) return;
      fate.frames.push({ node: node.name, device: device.name, hex });
      watch?.(p.traced, [...ring].filter(({ packet: of }) => of === p.traced).length);
    },
  };
  try {
    cluster.recording(ring, () => {
      const follow = (): void => {
        cluster.originate(from, packet, TRACED);
        cluster.run();
      };
      if (options.reply === true || isStated(cluster)) {
        withAnswers(cluster, ({ traced }) => traced === TRACED, follow);
      } else follow();
    });
  } finally {
    cluster.witness = before;
    cluster.observer = null;
  }
  const records = [...ring];
  const trace = (number: number, start: string): Trace => {
    const { frames, end } = fates[number - TRACED]!;
    const steps = records
      .filter((record) => record.packet === number)
      .map((record) => explain(cluster.nodes, record));
    const result = { at: end?.node.name ?? start, steps, frames };
    if (end?.drop === 0) return { outcome: 'delivered', ...result };
    return { outcome: 'dropped', reason: dropInfo[end?.drop ?? 0].name, ...result };
  };
  const sent = trace(TRACED, from.name);
  const isAnswered = options.reply === true && records.some(({ packet }) => packet === ANSWER);
  return isAnswered ? { ...sent, reply: trace(ANSWER, sent.at) } : sent;
}

/** Where ports are stated to listen, a packet may be refused, whether an answer is asked for or not. */
const isStated = ({ nodes }: Cluster): boolean =>
  nodes.some(({ listensAsStated }) => listensAsStated);

function buildPacket(from: Node, to: Ip4, options: SendOptions): Buffer {
  const { protocol = 'icmp', sourcePort = 40000, ttl = 64 } = options;
  if (!Object.hasOwn(SIZES, protocol)) {
    throw new PodwireError(
      'ERR_USAGE',
      `protocol: expected tcp, udp or icmp, found ${found(protocol)}`,
    );
  }
  const size = inRange('size', options.size ?? SIZES[protocol], HEADERS[protocol], 65535);
  const destinationPort = options.destinationPort ?? (protocol === 'tcp' ? 80 : 53);
  inRange('source port', sourcePort, 0, 65535);
  inRange('destination port', destinationPort, 0, 65535);
  inRange('ttl', ttl, 0, 255);
  const df = options.dontFragment ?? (protocol === 'tcp' && setsDontFragment(from, to));
  const mss = announcedMss(from, to);
  const ip: Layer = {
    layer: 'ipv4',
    src: formatIp4(sourceAddress(from, to)),
    dst: formatIp4(to),
    ttl,
    id: 1,
    df,
  };
  const plain = protocol !== 'tcp' || size < SYN_WITH_OPTIONS;
  const fill = Buffer.alloc(size - (plain ? HEADERS[protocol] : SYN_WITH_OPTIONS), 0);
  for (let i = 0; i < fill.length; i++) fill[i] = i;
  const payload: Layer = { layer: 'payload', bytes: fill };
  const ports = { srcPort: sourcePort, dstPort: destinationPort };
  if (protocol === 'udp') return buildFrame([ip, { layer: 'udp', ...ports }, payload]);
  if (protocol === 'icmp') {
    return buildFrame([ip, { layer: 'icmp', type: 'echo-request', id: 1, seq: 1 }, payload]);
  }
  return buildFrame([
    ip,
    {
      layer: 'tcp',
      ...ports,
      seq: 1,
      ack: 0,
      flags: 'S',
      window: firstWindow(mss),
      options: plain ? [] : synOptions(mss, 1),
    },
    payload,
  ]);
}

/** The address that a namespace sends from to another, by its own tables. */
export function sourceAddress(from: Node, to: Ip4): Ip4 {
  const route = from.lookup(to);
  const kind = route < 0 ? -1 : from.routes.kind(route);
  if (kind === RouteKind.Unicast) return routeSource(from, route, to) as Ip4;
  if (kind === RouteKind.Local) return to;
  const own = ownAddress(from);
  if (own !== undefined) return own;
  throw new PodwireError('ERR_NAME', `${from.name}: expected an address to send from, found none`);
}

/** Throws ERR_USAGE. */
export function inRange(what: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new PodwireError(
    'ERR_USAGE',
    `${what}: expected ${least} to ${most}, found ${found(value)}`,
  );
}
