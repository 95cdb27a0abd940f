/**
 * Whole exchanges between two namespaces: a TCP connection from SYN to the last ACK, or a
 * UDP query and its answer. Both ends are played packet by packet through the cluster, so
 * that routing, NAT, policy and path MTUs decide what comes of it; captures see all of it.
 */
import { dropInfo } from '../drop.ts';
import { found, PodwireError } from '../errors.ts';
import { buildFrame } from '../frame/build.ts';
import type { Node } from '../node/node.ts';
import { bytes } from '../packet/arena.ts';
import { later, type Moment } from '../packet/moment.ts';
import type { Packet } from '../packet/packet.ts';
import { formatIp4, type Ip4 } from '../wire/address.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import { synAckTo } from './answer.ts';
import type { Cluster } from './cluster.ts';
import { inRange, sourceAddress } from './send.ts';
import { type Endpoint, TcpEnd } from './tcp-end.ts';
import { mtuTowards, setsDontFragment } from './tcp-offer.ts';

export interface ExchangeOptions {
  /** As `SendOptions.from` and `to`: a pod, a node, an address, a service. */
  readonly from: string;
  readonly to: string;
  /** Default tcp. */
  readonly protocol?: 'tcp' | 'udp';
  /** Default 40000. */
  readonly sourcePort?: number;
  /** Default 80 for tcp, 53 for udp. */
  readonly destinationPort?: number;
  /** What each side says; text is UTF-8. Default nothing. UDP says it in one datagram. */
  readonly request?: Uint8Array | string;
  readonly response?: Uint8Array | string;
}

/** One packet of an end, and what became of it. */
export interface ExchangedPacket extends Moment {
  readonly from: 'client' | 'server';
  /** IPv4, as it was sent. */
  readonly bytes: Buffer;
  /** Name of the drop reason; absent where it was delivered. */
  readonly dropped?: string;
}

export interface Exchanged {
  /** `refused` by a reset or "port unreachable", `lost` where no packet came through any more. */
  readonly outcome: 'complete' | 'refused' | 'lost';
  /** Who answered, where anybody did: behind a service one of its pods. */
  readonly server?: string;
  readonly packets: readonly ExchangedPacket[];
}

/** Milliseconds: a packet's way, the first wait for an answer (RFC 6298; it doubles), and how often. */
const WAY_MS = 0.1;
const TIMEOUT_MS = 1000;
const RETRIES = 6;
/** TCP_INIT_CWND, and RFC 5681 section 4.2: an ACK for every second full segment. */
const BURST = 10;
const SEGMENTS_PER_ACK = 2;

/** Numbers of `Packet.traced`: what an end sent, and what a stack answered to that. */
const PLAYED = 1;
const ANSWER = PLAYED + 1;

/** Plays an exchange until it is complete or nothing more comes through. Throws ERR_NAME, ERR_USAGE. */
export function exchange(cluster: Cluster, options: ExchangeOptions): Exchanged {
  const { protocol = 'tcp', sourcePort = 40000 } = options;
  if (protocol !== 'tcp' && protocol !== 'udp') {
    throw new PodwireError('ERR_USAGE', `protocol: expected tcp or udp, found ${found(protocol)}`);
  }
  const destinationPort = options.destinationPort ?? (protocol === 'tcp' ? 80 : 53);
  const node = cluster.names.find(options.from);
  const to = cluster.names.address(options.to);
  const own = {
    address: sourceAddress(node, to),
    port: inRange('source port', sourcePort, 1, 65535),
  };
  const peer = { address: to, port: inRange('destination port', destinationPort, 1, 65535) };
  const request = Buffer.from(options.request ?? '');
  const response = Buffer.from(options.response ?? '');
  const play = new Play(cluster);
  return play.during(() =>
    protocol === 'tcp'
      ? converse(play, new TcpEnd(node, own, peer), request, response)
      : ask(play, node, own, peer, request, response),
  );
}

interface Arrival {
  readonly node: Node;
  /** IPv4, as it was delivered. */
  readonly packet: Buffer;
}

/** The cluster while ends are played in it. */
class Play {
  private readonly cluster: Cluster;
  private readonly packets: ExchangedPacket[] = [];
  private arrived: Arrival | undefined;
  private dropped: string | undefined;
  private server: string | undefined;
  /** A reset or "port unreachable" came back. */
  private refused = false;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** Whether all was said; what stands in the way of that is found out on the way. */
  during(action: () => boolean): Exchanged {
    const { cluster } = this;
    const { witness: before, answering } = cluster;
    cluster.answering = true;
    cluster.witness = {
      delivered: (node, p) => {
        this.see(node, p);
        before?.delivered(node, p);
      },
      dropped: (node, p) => {
        if (p.traced === PLAYED) this.dropped = dropInfo[p.drop].name;
        before?.dropped(node, p);
      },
    };
    try {
      const isComplete = action();
      const outcome = isComplete ? 'complete' : this.refused ? 'refused' : 'lost';
      const { server, packets } = this;
      return { outcome, ...(server === undefined ? {} : { server }), packets };
    } finally {
      cluster.witness = before;
      cluster.answering = answering;
    }
  }

  get isRefused(): boolean {
    return this.refused;
  }

  /** One packet through the cluster. */
  send(from: 'client' | 'server', node: Node, packet: Buffer): Arrival | undefined {
    const { cluster } = this;
    this.wait(WAY_MS);
    this.arrived = undefined;
    this.dropped = undefined;
    const { seconds, nanoseconds } = cluster.now;
    cluster.originate(node, packet, PLAYED);
    cluster.run();
    const arrived: Arrival | undefined = this.arrived;
    const fate = arrived === undefined ? { dropped: this.dropped ?? dropInfo[0].name } : {};
    this.packets.push({ from, seconds, nanoseconds, bytes: packet, ...fate });
    return arrived;
  }

  /** The same again, after longer and longer waits, until it arrives or nobody would try on. */
  insist(from: 'client' | 'server', node: Node, make: () => Buffer): Arrival | undefined {
    for (let tries = 0; ; tries++) {
      const arrived = this.send(from, node, make());
      if (arrived !== undefined || this.refused || tries === RETRIES) return arrived;
      this.wait(TIMEOUT_MS * 2 ** tries);
    }
  }

  wait(milliseconds: number): void {
    this.cluster.advance(later(this.cluster.now, milliseconds));
  }

  answeredBy({ name }: Node): void {
    this.server = name;
  }

  private see(node: Node, p: Packet): void {
    if (p.traced === PLAYED) {
      this.arrived = { node, packet: Buffer.from(bytes.subarray(p.l3, p.tail)) };
    } else if (p.traced === ANSWER && isRefusal(p)) this.refused = true;
  }
}

function isRefusal({ l3 }: Packet): boolean {
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  const protocol = ipv4.protocol(bytes, l3);
  if (protocol === ipv4.PROTO_TCP) return (tcp.flags(bytes, l4) & tcp.RST) !== 0;
  return protocol === ipv4.PROTO_ICMP && isPortUnreachable(l4);
}

const isPortUnreachable = (l4: number): boolean =>
  icmp.type(bytes, l4) === icmp.UNREACHABLE && icmp.code(bytes, l4) === icmp.CODE_PORT;

/** A datagram, and one back. */
function ask(
  play: Play,
  node: Node,
  own: Endpoint,
  peer: Endpoint,
  request: Buffer,
  response: Buffer,
): boolean {
  const asked = play.send('client', node, datagram(node, own, peer, request));
  if (asked === undefined) return false;
  play.answeredBy(asked.node);
  const { from, to } = endsOf(asked.packet);
  return play.send('server', asked.node, datagram(asked.node, to, from, response)) !== undefined;
}

/** As a socket sends it: DF where it fits, else in fragments. */
function datagram(node: Node, own: Endpoint, peer: Endpoint, data: Buffer): Buffer {
  const length = ipv4.HEADER_LEN + udp.HEADER_LEN + data.length;
  const df = length <= mtuTowards(node, peer.address) && setsDontFragment(node, peer.address);
  return buildFrame([
    {
      layer: 'ipv4',
      src: formatIp4(own.address as Ip4),
      dst: formatIp4(peer.address as Ip4),
      id: node.identifications.next(own.address, peer.address, ipv4.PROTO_UDP),
      df,
    },
    { layer: 'udp', srcPort: own.port, dstPort: peer.port },
    { layer: 'payload', bytes: data },
  ]);
}

/** Handshake, request, response, and the client closes first. */
function converse(play: Play, client: TcpEnd, request: Buffer, response: Buffer): boolean {
  const syn = play.insist('client', client.node, () => client.syn());
  if (syn === undefined) return false;
  play.answeredBy(syn.node);
  const { from, to } = endsOf(syn.packet);
  const answer = (): Buffer => synAckTo(syn.node, syn.packet)!;
  const synAck = play.insist('server', syn.node, answer);
  if (synAck === undefined) return false;
  const sequence = tcp.sequence(synAck.packet, ipv4.headerLength(synAck.packet, 0));
  const server = new TcpEnd(syn.node, to, from, sequence);
  server.receive(syn.packet);
  client.receive(synAck.packet);
  const ends = { client, server };
  if (!pass(play, ends, 'client', '.', 0)) return false;
  return (
    say(play, ends, 'client', request) &&
    say(play, ends, 'server', response) &&
    pass(play, ends, 'client', 'F.', request.length) &&
    pass(play, ends, 'server', 'F.', response.length) &&
    pass(play, ends, 'client', '.', request.length + 1)
  );
}

interface Ends {
  readonly client: TcpEnd;
  readonly server: TcpEnd;
}

type Side = keyof Ends;
const OTHER: { readonly [S in Side]: Side } = { client: 'server', server: 'client' };

/** One segment without data, until it arrives. */
function pass(play: Play, ends: Ends, from: Side, flags: string, offset: number): boolean {
  const { node } = ends[from];
  const arrived = play.insist(from, node, () => ends[from].segment(flags, offset));
  if (arrived !== undefined) ends[OTHER[from]].receive(arrived.packet);
  return arrived !== undefined;
}

/** All data of one side, what was lost again and again; false where nothing comes through. */
function say(play: Play, ends: Ends, from: Side, data: Buffer): boolean {
  const sender = ends[from];
  for (let failures = 0; sender.sent < data.length; ) {
    const before = sender.sent;
    sendBurst(play, ends, from, data);
    if (play.isRefused || failures === RETRIES) return false;
    if (sender.sent > before) failures = 0;
    else play.wait(TIMEOUT_MS * 2 ** failures++);
  }
  return true;
}

function sendBurst(play: Play, ends: Ends, from: Side, data: Buffer): void {
  const [sender, receiver] = [ends[from], ends[OTHER[from]]];
  let offset = sender.sent;
  let unanswered = 0;
  for (let n = 1; n <= BURST && offset < data.length && !play.isRefused; n++) {
    const piece = data.subarray(offset, offset + sender.room);
    const isLast = offset + piece.length === data.length;
    const arrived = play.send(
      from,
      sender.node,
      sender.segment(isLast ? 'P.' : '.', offset, piece),
    );
    offset += piece.length;
    if (arrived === undefined) continue;
    receiver.receive(arrived.packet);
    unanswered++;
    if (unanswered < SEGMENTS_PER_ACK && !isLast && n < BURST) continue;
    unanswered = 0;
    const ack = play.send(OTHER[from], receiver.node, receiver.segment('.', receiver.sent));
    if (ack !== undefined) sender.receive(ack.packet);
  }
}

/** The two ends of a TCP or UDP packet. */
function endsOf(packet: Buffer): { readonly from: Endpoint; readonly to: Endpoint } {
  const l4 = ipv4.headerLength(packet, 0);
  return {
    from: { address: ipv4.source(packet, 0), port: udp.sourcePort(packet, l4) },
    to: { address: ipv4.destination(packet, 0), port: udp.destinationPort(packet, l4) },
  };
}
