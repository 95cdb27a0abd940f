/** tshark, given our key log, opens a conversation and reads the packets inside. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { later } from '../../src/packet/moment.ts';
import { formatIp4 } from '../../src/wire/address.ts';
import { formatKeyLog } from '../../src/wireguard/key-log.ts';
import { installed, tshark } from '../judge.ts';
import { type End, packet, pair, START } from './end.ts';

/** The plainest possible pcap of Ethernet frames. */
function pcap(frames: readonly Buffer[]): Buffer {
  const head = Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex');
  const records = frames.map((frame, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(START.seconds + i, 0);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return Buffer.concat([record, frame]);
  });
  return Buffer.concat([head, ...records]);
}

const judged = installed('tshark', 'so nothing was decrypted by it');

describe.skipIf(!judged)('tshark', () => {
  it.each([
    ['without a preshared key', undefined],
    ['with one', Buffer.alloc(32, 0x5a)],
  ])('decrypts both directions, new keys included, %s', (_, psk) => {
    let log = '';
    const more = psk === undefined ? {} : { presharedKey: psk };
    const [a, b] = pair(
      { a: more, b: more },
      {
        keyLog: (secrets) => {
          log += formatKeyLog(secrets);
        },
      },
    );
    const frames: Buffer[] = [];
    const carry = (): void => {
      for (;;) {
        const moving = [a, b].flatMap((from) => from.take().map((d) => ({ from, d })));
        if (moving.length === 0) return;
        for (const { from, d } of moving) {
          frames.push(frameOf(from, d));
          [a, b].find((end) => end.address === d.address)!.receive(d.bytes, from);
        }
      }
    };
    const sizes = [28, 84, 1000, 1420];
    const talk = (): void => {
      for (const [i, size] of sizes.entries()) {
        a.send(packet('10.0.0.1', '10.0.0.2', size, i));
        carry();
        b.send(packet('10.0.0.2', '10.0.0.1', size, i));
        carry();
      }
    };
    talk();
    for (const end of [a, b]) end.now = later(START, 130_000);
    talk();
    expect([a.delivered.length, b.delivered.length]).toEqual([8, 8]);

    const folder = mkdtempSync(join(tmpdir(), 'podwire-tshark-'));
    const [capture, keys] = [join(folder, 'a.pcap'), join(folder, 'wg.keys')];
    writeFileSync(capture, pcap(frames));
    writeFileSync(keys, log);
    const rows = tshark(
      capture,
      [
        'wg.type',
        'wg.handshake_ok',
        'wg.timestamp.nanoseconds',
        'ip.len',
        'icmp.seq',
        'icmp.checksum.status',
        '_ws.expert',
      ],
      '-o',
      `wg.keylog_file:${keys}`,
    ).map((row) => row.split('	'));
    rmSync(folder, { recursive: true, force: true });
    expect(rows.length).toBe(frames.length);
    const opened = rows.map(([type, ok, , lengths, seq, sum, expert]) => [
      type,
      ok,
      lengths!.split(',')[1],
      seq,
      sum,
      expert,
    ]);
    const data = (size: number, seq: number): unknown[] => ['4', '', `${size}`, `${seq}`, '1', ''];
    const note = 'Expert Info (Chat/Sequence): This is a Keepalive message';
    const keepalive = ['4', '', undefined, '', '', note];
    const exchange = sizes.flatMap((size, i) => [data(size, i), data(size, i)]);
    expect(opened).toEqual([
      ['1', '', undefined, '', '', ''],
      ['2', '1', undefined, '', '', ''],
      ...exchange,
      // The first packet after two minutes still has the old keys; the new ones follow.
      exchange[0],
      ['1', '', undefined, '', '', ''],
      ['2', '1', undefined, '', '', ''],
      keepalive,
      ...exchange.slice(1),
    ]);
  });
});

const frameOf = (from: End, d: { bytes: Buffer; address: number; port: number }): Buffer =>
  buildFrame([
    { layer: 'ethernet', src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' },
    { layer: 'ipv4', src: formatIp4(from.address), dst: formatIp4(d.address) },
    { layer: 'udp', srcPort: from.port, dstPort: d.port },
    { layer: 'payload', bytes: d.bytes },
  ]);
