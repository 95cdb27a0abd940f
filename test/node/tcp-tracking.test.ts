/**
 * What a real kernel (6.18) made of TCP conversations, disturbed at random: each line of
 * tcp-recording.txt is one, its segments as `side flags seq ack window bytes options state`
 * (N new, E established, I invalid), then the state and the seconds left of the entry.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { CtState } from '../../src/node/connection.ts';
import { TcpState } from '../../src/node/tcp-tracking.ts';
import { parseIp4 } from '../../src/wire/address.ts';
import * as tcp from '../../src/wire/tcp.ts';
import { IN, OUT, SmallNetwork } from './small-network.ts';

const RECORDED = readFileSync(join(import.meta.dirname, 'tcp-recording.txt'), 'utf8')
  .trim()
  .split('\n');

const STATE: Record<string, string> = {
  NONE: 'None',
  SYN_SENT: 'SynSent',
  SYN_RECV: 'SynReceived',
  ESTABLISHED: 'Established',
  FIN_WAIT: 'FinWait',
  CLOSE_WAIT: 'CloseWait',
  LAST_ACK: 'LastAck',
  TIME_WAIT: 'TimeWait',
  CLOSE: 'Closed',
  SYN_SENT2: 'SynSent2',
};
const LETTER: Record<number, string> = {
  [CtState.New]: 'N',
  [CtState.Established]: 'E',
  [CtState.Invalid]: 'I',
};

function segment(side: string, words: string[], port: number): Buffer {
  const [flags, seq, ack, window, length] = words.map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const options = words[5] === '-' ? Buffer.alloc(0) : Buffer.from(words[5]!, 'hex');
  const [src, dst] = side === 'a' ? [IN, OUT] : [OUT, IN];
  const [from, to] = side === 'a' ? [port, 80] : [80, port];
  const header = Buffer.alloc(tcp.HEADER_LEN);
  tcp.emit(header, 0, from, to, seq | 0, ack | 0, options.length, flags, window);
  const message = Buffer.concat([header, options, Buffer.alloc(length, 0x78)]);
  const frame = buildFrame([
    { layer: 'ipv4', src, dst, protocol: 6 },
    { layer: 'payload', bytes: message },
  ]);
  tcp.fillChecksum(frame, 20, message.length, 12);
  return frame;
}

describe('TCP conversations as a real kernel sees them', () => {
  it.each(RECORDED.map((line, i) => [i + 1, line] as const))('line %i', (i, line) => {
    const net = new SmallNetwork({ rules: '*filter\n:FORWARD ACCEPT\nCOMMIT\n' });
    const { cluster } = net;
    const gw = cluster.names.find('gw');
    let state = 0;
    cluster.observer = {
      see: (node, _device, p, outgoing) => {
        if (node === gw && outgoing) state = p.ctState;
      },
    };
    const segments = line.split(';');
    const [name, seconds, assured] = segments.pop()!.split(' ');
    const port = 20_000 + i;
    const got: string[] = [];
    for (const text of segments) {
      const [side = '', ...words] = text.split(' ');
      const wanted = words.pop();
      cluster.originate(
        cluster.names.find(side === 'a' ? 'in' : 'out'),
        segment(side, words, port),
      );
      got.push(`${side} ${words.join(' ')} ${LETTER[state]}`);
      expect(got.at(-1), got.join('\n')).toBe(`${side} ${words.join(' ')} ${wanted}`);
    }
    const { conntrack } = gw.netfilter!;
    const ids = [IN, OUT].map((address) =>
      conntrack.ofSource({
        source: parseIp4(address),
        destination: 0,
        ports: (address === IN ? port : 80) << 16,
        protocol: 6,
        zone: 0,
      }),
    );
    const id = Math.max(...ids);
    if (name === 'gone') {
      expect(id).toBe(-1);
      return;
    }
    const connection = conntrack.connection(id);
    expect(connection.tcp!.state).toBe(TcpState[STATE[name!] as keyof typeof TcpState]);
    expect(connection.tcp!.assured).toBe(assured === 'A');
    expect(Math.abs(connection.timeout / 1000 - Number(seconds))).toBeLessThanOrEqual(3);
  });
});
