/**
 * Which of several workers a flow belongs to: by addresses, protocol and ports, alike in
 * both directions. An ICMP error goes where the packet does that it quotes.
 */
import { flowHash } from '../node/flow-hash.ts';
import { hasPorts } from '../node/tuple.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';

/** All workers, and every machine, must agree. */
const SEED = 0x70646a;

/** The worker, 0 to `count` - 1, of the packet whose IPv4 header stands at `at`. */
export function flowHome(b: Buffer, at: number, end: number, count: number): number {
  const protocol = ipv4.protocol(b, at);
  const l4 = at + ipv4.headerLength(b, at);
  const source = ipv4.source(b, at);
  const destination = ipv4.destination(b, at);
  let near = 0;
  let far = 0;
  if (hasPorts(protocol) && end - l4 >= 4) {
    near = udp.sourcePort(b, l4);
    far = udp.destinationPort(b, l4);
  } else if (protocol === ipv4.PROTO_ICMP && end - l4 >= icmp.HEADER_LEN) {
    near = icmp.identifier(b, l4);
    far = near;
  }
  const hash = flowHash(SEED, source, destination, protocol, near, far);
  return (hash >>> 0) % count;
}
