/** What an ICMP error is sent about, as a real kernel answered packets whose TTL ran out. */
import { expect, it } from 'vitest';
import * as icmp from '../../src/wire/icmp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { IN, OUT, SmallNetwork } from './small-network.ts';

/** Whether the router says that the TTL ran out. */
function isAnswered(type: number): boolean {
  const message = Buffer.alloc(icmp.HEADER_LEN);
  icmp.emit(message, 0, type, 0, 0, message.length);
  const seen = new SmallNetwork().send('in', [
    { layer: 'ipv4', src: IN, dst: OUT, ttl: 1, protocol: ipv4.PROTO_ICMP },
    { layer: 'payload', bytes: message },
  ]);
  // The error is longer than what was sent: it quotes it.
  return seen.some(({ packet }) => packet.length > ipv4.HEADER_LEN + message.length);
}

it('of ICMP messages only questions and their answers: Linux takes the other types for errors', () => {
  const types = Array.from({ length: 42 }, (_, type) => type);
  // Recorded: one message of each type with TTL 1.
  expect(types.filter(isAnswered)).toEqual([0, 8, 13, 14, 15, 16, 17, 18]);
});
