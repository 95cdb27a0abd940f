/**
 * What a node's own sockets had called, before the node translated it: a recording shows
 * the endpoint of a service, and only the listing of tracked connections the service.
 */
import { tryIp4 } from '../wire/address.ts';
import { i32, putI32 } from '../wire/bytes.ts';
import { replaceWord } from '../wire/checksum.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';

/** One direction of a connection; `ports`: source and destination, as the first word of the header. */
interface Tuple {
  readonly source: number;
  readonly destination: number;
  readonly ports: number;
}

const key = (protocol: number, { source, destination, ports }: Tuple): string =>
  `${protocol} ${source} ${destination} ${ports}`;

/** Connections of one namespace whose destination was translated, by what left the node. */
export class Dialled {
  private readonly called = new Map<string, Tuple>();
  /** Of a datagram in fragments the first one has the ports. */
  private readonly begun = new Map<string, Tuple>();

  /** Lines of `/proc/net/nf_conntrack`; what is no TCP or UDP, or no such line, is passed over. */
  constructor(lines: readonly string[]) {
    for (const line of lines) {
      const protocol = Number(/^ipv4\s+2\s+(?:tcp|udp)\s+(6|17)\s/.exec(line)?.[1] ?? 0);
      const [original, reply] = [...line.matchAll(TUPLE)].map(tupleOf);
      if (protocol === 0 || original === undefined || reply === undefined) continue;
      if (original.destination === reply.source) continue;
      const ports = (reply.ports >>> 16) | (reply.ports << 16);
      const sent = { source: reply.destination, destination: reply.source, ports };
      this.called.set(key(protocol, sent), original);
    }
  }

  /** The packet as its socket had sent it; itself where nothing was translated. */
  before(packet: Buffer): Buffer {
    if (this.called.size === 0) return packet;
    const protocol = ipv4.protocol(packet, 0);
    const l4 = ipv4.headerLength(packet, 0);
    const [source, destination] = [ipv4.source(packet, 0), ipv4.destination(packet, 0)];
    const datagram = key(protocol, { source, destination, ports: ipv4.identification(packet, 0) });
    const isFirst = ipv4.fragmentOffset(packet, 0) === 0;
    if (isFirst && packet.length < l4 + 8) return packet;
    const found = isFirst
      ? this.called.get(key(protocol, { source, destination, ports: i32(packet, l4) }))
      : this.begun.get(datagram);
    if (found === undefined) return packet;
    if (isFirst && ipv4.moreFragments(packet, 0)) this.begun.set(datagram, found);
    return readdress(packet, found, isFirst);
  }
}

const TUPLE = /src=([\d.]{7,15}) dst=([\d.]{7,15}) sport=(\d{1,5}) dport=(\d{1,5})/g;

function tupleOf(match: RegExpExecArray): Tuple | undefined {
  const [source, destination] = [tryIp4(match[1] ?? ''), tryIp4(match[2] ?? '')];
  if (source === undefined || destination === undefined) return undefined;
  return { source, destination, ports: (Number(match[3]) << 16) | Number(match[4]) };
}

/** Its addresses and ports made those of `to`, sums kept as right or wrong as they were. */
function readdress(packet: Buffer, to: Tuple, hasPorts: boolean): Buffer {
  const copy = Buffer.from(packet);
  const l4 = ipv4.headerLength(copy, 0);
  const isUdp = ipv4.protocol(copy, 0) === ipv4.PROTO_UDP;
  const sum = l4 + (isUdp ? udp.field.checksum : tcp.field.checksum);
  const summed = hasPorts && sum + 2 <= copy.length && !(isUdp && copy.readUInt16BE(sum) === 0);
  const put = (at: number, word: number, inHeader: boolean): void => {
    const before = i32(copy, at);
    putI32(copy, at, word);
    if (inHeader) replaceHalves(copy, ipv4.field.checksum, before, word);
    if (summed) replaceHalves(copy, sum, before, word);
  };
  put(ipv4.field.source, to.source, true);
  put(ipv4.field.destination, to.destination, true);
  if (hasPorts) put(l4, to.ports, false);
  return copy;
}

function replaceHalves(b: Buffer, sum: number, before: number, after: number): void {
  replaceWord(b, sum, before >>> 16, after >>> 16);
  replaceWord(b, sum, before & 0xffff, after & 0xffff);
}
