/**
 * What the sockets of pods and hosts answer, for packets that `send` makes or a capture
 * holds. What needs no socket (echo replies, resets, ICMP errors) the stack itself makes.
 */
import { buildFrame } from '../frame/build.ts';
import type { Layer } from '../frame/layer.ts';
import { decodeTcpOptions } from '../frame/tcp-options.ts';
import { mix } from '../node/flow-hash.ts';
import type { Node } from '../node/node.ts';
import { Room } from '../node/room.ts';
import { noteSender } from '../node/sockets.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { formatIp4, type Ip4 } from '../wire/address.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import type { Cluster } from './cluster.ts';
import {
  announcedMss,
  firstWindow,
  setsDontFragment,
  synAckOptions,
  TIMESTAMPS_LEN,
  timestamp,
} from './tcp-offer.ts';

/**
 * Has stacks answer for themselves while `action` runs, and listening TCP sockets every
 * SYN. `isEchoed`: the datagrams whose receiver sends the same bytes back.
 */
export function withAnswers<T>(
  cluster: Cluster,
  isEchoed: (p: Packet) => boolean,
  action: () => T,
): T {
  const { witness: before, answering } = cluster;
  cluster.answering = true;
  cluster.witness = {
    delivered: (node, p) => {
      const answer = node.silent ? undefined : answerTo(node, p, isEchoed(p));
      before?.delivered(node, p);
      if (answer !== undefined)
        sendAnswer(cluster, node, answer, p.traced === 0 ? 0 : p.traced + 1);
    },
    dropped: (node, p) => before?.dropped(node, p),
  };
  try {
    return action();
  } finally {
    cluster.witness = before;
    cluster.answering = answering;
  }
}

/** The answer goes when what is under way now has had its turn. */
function sendAnswer(cluster: Cluster, node: Node, answer: Buffer, traced: number): void {
  const p = cluster.create(answer.length);
  if (p === null) return;
  bytes.set(answer, p.data);
  p.l3 = p.data;
  p.traced = traced;
  noteSender(node, p.l3, p.tail);
  cluster.enqueue(node, p, Room.Route);
}

/** An IPv4 packet; `undefined` for what asks for nothing, a SYN ACK for instance. */
function answerTo(node: Node, p: Packet, isEchoed: boolean): Buffer | undefined {
  const packet = Buffer.from(bytes.subarray(p.l3, p.tail));
  const protocol = ipv4.protocol(packet, 0);
  if (protocol === ipv4.PROTO_TCP) return synAckTo(node, packet);
  return isEchoed && protocol === ipv4.PROTO_UDP ? datagramBack(packet) : undefined;
}

const AWAITED = tcp.SYN | tcp.ACK | tcp.RST | tcp.FIN;
/** ECT(0), ECT(1) and CE of the TOS byte. */
const ECN = 0x03;

/** The second step of the handshake, from the port that was asked for: tcp_make_synack. */
export function synAckTo(node: Node, packet: Buffer): Buffer | undefined {
  const l4 = ipv4.headerLength(packet, 0);
  if ((tcp.flags(packet, l4) & AWAITED) !== tcp.SYN) return undefined;
  const to = ipv4.source(packet, 0);
  const mss = announcedMss(node, to);
  const end = l4 + tcp.headerLength(packet, l4);
  const offered = decodeTcpOptions(packet, l4 + tcp.HEADER_LEN, end);
  const options = synAckOptions(offered, mss, timestamp(node, to));
  const isTimed = options.some(({ option }) => option === 'timestamps');
  // tcp_ecn_create_request: a SYN that is ECN-capable itself is taken for a mistake.
  const asksEcn = (tcp.flags(packet, l4) & (tcp.ECE | tcp.CWR)) === (tcp.ECE | tcp.CWR);
  const takesEcn = asksEcn && (ipv4.tos(packet, 0) & ECN) === 0;
  return buildFrame([
    { ...back(packet), ...identified(node, packet) },
    {
      layer: 'tcp',
      srcPort: tcp.destinationPort(packet, l4),
      dstPort: tcp.sourcePort(packet, l4),
      seq: mix(tcp.sequence(packet, l4), to) >>> 0,
      ack: (tcp.sequence(packet, l4) + 1) >>> 0,
      flags: takesEcn ? 'S.E' : 'S.',
      window: firstWindow(mss - (isTimed ? TIMESTAMPS_LEN : 0)),
      options,
    },
  ]);
}

function datagramBack(packet: Buffer): Buffer {
  const l4 = ipv4.headerLength(packet, 0);
  const data = l4 + udp.HEADER_LEN;
  return buildFrame([
    { ...back(packet), id: 1 },
    {
      layer: 'udp',
      srcPort: udp.destinationPort(packet, l4),
      dstPort: udp.sourcePort(packet, l4),
    },
    { layer: 'payload', bytes: packet.subarray(data, l4 + udp.length(packet, l4)) },
  ]);
}

const back = (packet: Buffer): Extract<Layer, { layer: 'ipv4' }> => ({
  layer: 'ipv4',
  src: formatIp4(ipv4.destination(packet, 0) as Ip4),
  dst: formatIp4(ipv4.source(packet, 0) as Ip4),
});

/** Whole packets that say so need no number: ip_build_and_send_pkt. */
function identified(node: Node, packet: Buffer): { readonly df: boolean; readonly id: number } {
  const [from, to] = [ipv4.destination(packet, 0), ipv4.source(packet, 0)];
  const df = setsDontFragment(node, to);
  return { df, id: df ? 0 : node.identifications.next(from, to, ipv4.PROTO_TCP) };
}
