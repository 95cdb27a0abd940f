/** Three nodes talk through WireGuard; tshark reads their wires with the cluster's key log. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { later } from '../../src/packet/moment.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { formatKeyLog } from '../../src/wireguard/key-log.ts';
import { clusterOf, felix, lab, originate, pool, underlay } from '../behaviour/lab.ts';
import { installed, tshark } from '../judge.ts';

const FIELDS = ['wg.type', 'wg.handshake_ok', 'ip.src', 'ip.dst', 'ip.id', 'udp.payload'] as const;
type Row = Record<(typeof FIELDS)[number], string>;

function read(file: string, ...options: string[]): Row[] {
  const lines = tshark(file, FIELDS, ...options, '-E', 'occurrence=l');
  return lines.map((line) => {
    const values = line.split('	');
    return Object.fromEntries(FIELDS.map((field, i) => [field, values[i] ?? ''])) as Row;
  });
}

const judged = installed('tshark', 'so it decrypted nothing');

describe.skipIf(!judged)('tshark with the key log', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-keys-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const cluster = clusterOf(
    lab(pool('vxlanMode: Always'), underlay(), felix('wireguardEnabled: true')),
  );
  const writers: CaptureWriter[] = [];
  const capture = (at: string, linkType: number): string => {
    const file = join(folder, `${at.replace(/[^a-z0-9]/g, '-')}.pcap`);
    const writer = new CaptureWriter(file, { linkType });
    writers.push(writer);
    captureAt(cluster, cluster.names.port(at), writer);
    return file;
  };
  const wires = [0, 1, 2].map((i) => capture(`n${i}:eth0`, 1));
  const pods = [0, 1, 2].map((i) => capture(`w${i}:eth0`, 1));
  const sent = 3 * 2 * 20;
  for (let round = 0; round < 20; round++) {
    for (const from of [0, 1, 2]) {
      for (const to of [0, 1, 2].filter((i) => i !== from)) {
        originate(cluster, `x/w${from}`, [
          { layer: 'ipv4', src: `10.65.${from}.2`, dst: `10.65.${to}.2`, id: 1000 + round },
          { layer: 'udp', srcPort: 4000, dstPort: 5000 + round },
          { layer: 'payload', bytes: Buffer.alloc(7 * round + 1, 0x30 + round) },
        ]);
      }
    }
    // Past REKEY_AFTER_TIME on the way: more than one handshake.
    cluster.advance(later(cluster.now, 10_000));
  }
  cluster.run();
  for (const writer of writers) writer.close();
  const keys = join(folder, 'keys');
  writeFileSync(keys, cluster.keys.handshakes.map(formatKeyLog).join(''));

  const inner = (rows: readonly Row[]): string[] =>
    rows.map((row) => [row['ip.src'], row['ip.dst'], row['ip.id'], row['udp.payload']].join(' '));

  it('opens every handshake and prints the packets that the pods saw', () => {
    const onWires = wires.map((file) => read(file, '-o', `wg.keylog_file:${keys}`));
    const atPods = pods.map((file) => read(file).filter((row) => row['udp.payload'] !== ''));
    for (const [i, rows] of onWires.entries()) {
      const data = rows.filter((row) => row['wg.type'] === '4');
      const packets = data.filter((row) => row['ip.src'].startsWith('10.65.'));
      expect(inner(packets).sort()).toEqual(inner(atPods[i]!).sort());
      expect(packets).toHaveLength((sent / 3) * 2);
      const responses = rows.filter((row) => row['wg.type'] === '2');
      expect(responses.length).toBeGreaterThan(2);
      for (const row of responses) expect(row['wg.handshake_ok']).toMatch(/^(1|True)$/);
    }
  });

  it('sees nothing inside without it', () => {
    for (const file of wires) {
      expect(read(file).some((row) => row['ip.src'].startsWith('10.65.'))).toBe(false);
    }
  });
});
