/**
 * What tells connections apart: nf_conntrack_tuple. Of ICMP the identifier stands
 * where the source port of others does, type and code where their destination port.
 */
import { bytes } from '../packet/arena.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';

/** Addresses signed; ports as source << 16 | destination. */
export interface Tuple {
  source: number;
  destination: number;
  ports: number;
  protocol: number;
  /** What `CT --zone` said, else 0. */
  zone: number;
}

/** The type that answers a type, both ways; -1 for what asks and answers nothing. */
const ANSWERING: readonly number[] = Array.from({ length: icmp.MAX_TYPE + 1 }, (_, type) => {
  if (type === icmp.ECHO_REQUEST) return icmp.ECHO_REPLY;
  if (type === icmp.ECHO_REPLY) return icmp.ECHO_REQUEST;
  // Timestamp 13 and 14, information 15 and 16, address mask 17 and 18.
  return type < 13 ? -1 : type % 2 === 1 ? type + 1 : type - 1;
});

/** Whether an ICMP message of this type carries an identifier: a query, or its answer. */
export const isQuery = (type: number): boolean => (ANSWERING[type] ?? -1) >= 0;

/** Whether one of this type may begin a connection: nf_conntrack_icmp_packet. */
export const asks = (type: number): boolean =>
  type === icmp.ECHO_REQUEST || (type >= 13 && type <= 17 && type % 2 === 1);

/** Protocols that begin with a source and a destination port. */
export const hasPorts = (protocol: number): boolean =>
  protocol === ipv4.PROTO_TCP || protocol === ipv4.PROTO_UDP || protocol === ipv4.PROTO_SCTP;

const swapped = (ports: number): number => (ports << 16) | (ports >>> 16);

const answered = (ports: number): number =>
  (ports & ~0xff00) | (ANSWERING[(ports >>> 8) & 0xff]! << 8);

/** The tuple of what comes back. */
export function invert({ source, destination, ports, protocol, zone }: Tuple): Tuple {
  const back = protocol === ipv4.PROTO_ICMP ? answered(ports) : swapped(ports);
  return { source: destination, destination: source, ports: back, protocol, zone };
}

/** The same, in place: nothing is allocated. */
export function invertInPlace(tuple: Tuple): void {
  const { source, ports } = tuple;
  tuple.source = tuple.destination;
  tuple.destination = source;
  tuple.ports = tuple.protocol === ipv4.PROTO_ICMP ? answered(ports) : swapped(ports);
}

/** Protocol and zone in one word. */
export const classOf = ({ protocol, zone }: Tuple): number => protocol | (zone << 8);

/** The tuple of the packet at `l3`, its zone aside; false where it has none (an ICMP message that is no query). */
export function readTuple(l3: number, end: number, into: Tuple): boolean {
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  into.source = ipv4.source(bytes, l3);
  into.destination = ipv4.destination(bytes, l3);
  into.protocol = ipv4.protocol(bytes, l3);
  into.ports = 0;
  if (hasPorts(into.protocol)) {
    if (end - l4 < 4) return false;
    into.ports = (udp.sourcePort(bytes, l4) << 16) | udp.destinationPort(bytes, l4);
  } else if (into.protocol === ipv4.PROTO_ICMP) {
    if (end - l4 < icmp.HEADER_LEN) return false;
    const type = icmp.type(bytes, l4);
    if (!isQuery(type)) return false;
    into.ports = (icmp.identifier(bytes, l4) << 16) | (type << 8) | icmp.code(bytes, l4);
  }
  return true;
}
