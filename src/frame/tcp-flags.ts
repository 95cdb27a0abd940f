/** TCP flags as text, in the letters and the order of tcpdump: `FSRP.UEW`. */
import * as tcp from '../wire/tcp.ts';
import { type Spot, wrong } from './field-value.ts';
import type { TcpFlags } from './layer.ts';

const letters: readonly (readonly [string, keyof TcpFlags, number])[] = [
  ['F', 'fin', tcp.FIN],
  ['S', 'syn', tcp.SYN],
  ['R', 'rst', tcp.RST],
  ['P', 'psh', tcp.PSH],
  ['.', 'ack', tcp.ACK],
  ['U', 'urg', tcp.URG],
  ['E', 'ece', tcp.ECE],
  ['W', 'cwr', tcp.CWR],
];

/** `none` where no flag is set, as tcpdump says. */
export function formatTcpFlags(bits: number): string {
  const text = letters.map(([letter, , bit]) => (bits & bit ? letter : '')).join('');
  return text === '' ? 'none' : text;
}

/** The flags byte. */
export function tcpFlagBits(flags: string | TcpFlags, spot: Spot): number {
  if (flags === 'none') return 0;
  if (typeof flags === 'object' && flags !== null) {
    return letters.reduce((bits, [, name, bit]) => (flags[name] === true ? bits | bit : bits), 0);
  }
  if (typeof flags !== 'string') throw wrong(spot, 'flags', 'letters of FSRP.UEW', flags);
  let bits = 0;
  for (const letter of flags) {
    const known = letters.find((row) => row[0] === letter);
    if (known === undefined) throw wrong(spot, 'flags', 'letters of FSRP.UEW', flags);
    bits |= known[2];
  }
  return bits;
}
