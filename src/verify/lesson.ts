/** ICMP errors after which a node does something else with what it sends: RFC 1191, and redirects. */
import { type Bytes, i32 } from '../wire/bytes.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { innermost } from './inner-packet.ts';

/**
 * What such an error says, and about which packet; null for anything else. Of a packet in
 * tunnels the innermost counts: identifications of tunnels are free.
 */
export function lessonOf(
  b: Bytes,
  at: number,
  end: number,
  ports: readonly number[],
): string | null {
  if (ipv4.check(b, at, end) !== 0 || ipv4.protocol(b, at) !== ipv4.PROTO_ICMP) return null;
  const l4 = at + ipv4.headerLength(b, at);
  if (ipv4.fragmentOffset(b, at) !== 0 || icmp.check(b, l4, end) !== 0) return null;
  const type = icmp.type(b, l4);
  const teaches =
    type === icmp.REDIRECT ||
    (type === icmp.UNREACHABLE && icmp.code(b, l4) === icmp.CODE_FRAG_NEEDED);
  const quote = l4 + icmp.HEADER_LEN;
  if (!teaches || end - quote < ipv4.HEADER_LEN) return null;
  const inner = innermost(b, quote, end, ports);
  return `${type} ${i32(b, l4 + icmp.field.rest)} ${quoted(b, inner)}`;
}

const quoted = (b: Bytes, at: number): string =>
  `${ipv4.source(b, at)} ${ipv4.destination(b, at)} ${ipv4.protocol(b, at)} ${ipv4.identification(b, at)}`;
