/**
 * Three nodes that encrypt: what tshark finds in the messages on the NICs is what was
 * captured at the pods, byte for byte but for TTL and header checksum.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { later } from '../../src/packet/moment.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureFolder } from '../../src/replay/capture-folder.ts';
import { keyLogOf, Recording } from '../../src/replay/recording.ts';
import { formatKeyLog } from '../../src/wireguard/key-log.ts';
import { clusterOf, echo, felix, lab, originate, pool } from '../behaviour/lab.ts';
import { installed, printed, tshark } from '../judge.ts';

const root = mkdtempSync(join(tmpdir(), 'podwire-pods-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A packet as far as routers leave it alone, and a TTL. */
function seen(packet: Buffer, ttl = packet[8]!): string {
  const rest = Buffer.from(packet.subarray(0, packet.readUInt16BE(2)));
  rest[8] = ttl;
  rest.fill(0, 10, 12);
  return rest.toString('hex');
}

/** What a pod's device saw, the TTL as it is between the nodes: one less than sent, one more than received. */
const atPod = (file: string, own: string): string[] =>
  [...openCapture(file)]
    .flatMap(({ bytes }) => (bytes.readUInt16BE(12) === 0x0800 ? [bytes.subarray(14)] : []))
    .map((packet) => {
      const isSent = packet.subarray(12, 16).join('.') === own;
      return seen(packet, packet[8]! + (isSent ? -1 : 1));
    });

/** Packets that tshark found inside messages. */
function inside(file: string, options: readonly string[] = []): string[] {
  const text = printed('tshark', '-n', '-r', file, ...options, '-x');
  return [...text.matchAll(/^Decrypted Packet.*\n((?:[0-9a-f]{4} .*\n)+)/gm)].map(([, dump]) =>
    seen(
      Buffer.from(dump!.replace(/^[0-9a-f]{4} {2}(.{47}).*$/gm, '$1').replace(/\s/g, ''), 'hex'),
    ),
  );
}

const judged = installed('tshark', 'so it opened no capture');

describe.skipIf(!judged)('pods on three nodes that encrypt', () => {
  it.each([
    ['vxlanMode: Never', 'wireguardEnabled: true'],
    ['ipipMode: Always', 'wireguardEnabled: true, wireguardKeepAlive: 20s'],
  ])(
    'sent and got what is inside on the wire: %s, %s',
    (mode, settings) => {
      const cluster = clusterOf(lab(pool(mode), felix(settings)));
      const folder = mkdtempSync(join(root, 'run-'));
      const captures = new CaptureFolder(cluster, folder);
      const recording = new Recording(cluster, keyLogOf(cluster));
      captures.record(recording);
      for (const [round, size] of [28, 29, 84, 1311, 1440].entries()) {
        cluster.advance(later({ seconds: 1_700_000_000, nanoseconds: 0 }, round * 70_000));
        for (const from of [0, 1, 2]) {
          for (const to of [0, 1, 2].filter((other) => other !== from)) {
            const [source, target] = [`10.65.${from}.2`, `10.65.${to}.2`];
            originate(
              cluster,
              `x/w${from}`,
              echo(source, target, size, { id: 1 + round, ttl: 64 }),
            );
          }
        }
        cluster.run();
      }
      recording.stop();
      captures.close();
      const keyLog = join(folder, 'keys');
      writeFileSync(keyLog, cluster.keys.handshakes.map(formatKeyLog).join(''));
      for (const i of [0, 1, 2]) {
        const pod = atPod(join(folder, `x_w${i}.eth0.pcapng`), `10.65.${i}.2`).sort();
        // One to each of two pods and one from each.
        expect(pod).toHaveLength(5 * 2 * 2);
        const wire = join(folder, `n${i}.eth0.pcapng`);
        expect(inside(wire).sort()).toEqual(pod);
        // The same frames in a file that tells nothing: with the key log alone.
        const silent = join(folder, `n${i}.pcap`);
        printed('tshark', '-r', wire, '-F', 'pcap', '-w', silent);
        expect(inside(silent)).toEqual([]);
        expect(inside(silent, ['-o', `wg.keylog_file:${keyLog}`]).sort()).toEqual(pod);
      }
    },
    120_000,
  );

  it('wait for a node under load, which hands out cookies first', () => {
    const cluster = clusterOf(lab(pool('vxlanMode: Never'), felix('wireguardEnabled: true')));
    const folder = mkdtempSync(join(root, 'load-'));
    const captures = new CaptureFolder(cluster, folder);
    const recording = new Recording(cluster, keyLogOf(cluster));
    captures.record(recording);
    // An eighth of the kernel's queue, and some: initiations of nobody.
    const flood = (): void => {
      for (let i = 0; i < 520; i++) {
        originate(cluster, 'n2', [
          { layer: 'ipv4', src: '172.16.0.12', dst: '172.16.0.11' },
          { layer: 'udp', srcPort: 4000, dstPort: 51820 },
          { layer: 'payload', bytes: Buffer.alloc(148).fill(1, 0, 1) },
        ]);
      }
    };
    flood();
    originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', 84));
    // Shortly before REKEY_TIMEOUT, after which it is asked again.
    cluster.advance(later(cluster.now, 4_900));
    flood();
    cluster.run();
    recording.stop();
    captures.close();
    const rows = tshark(
      join(folder, 'n0.eth0.pcapng'),
      ['wg.type', 'udp.length', 'wg.mac2', 'wg.handshake_ok'],
      '-Y',
      'wg',
    ).map((line) =>
      line
        .replaceAll(':', '')
        .replace(/(?!0{32})[0-9a-f]{32}/, 'cookie')
        .replace('True', '1'),
    );
    const none = '0'.repeat(32);
    expect(rows.slice(0, 4)).toEqual([
      `1\t156\t${none}\t`,
      '3\t72\t\t',
      '1\t156\tcookie\t',
      `2\t100\t${none}\t1`,
    ]);
    expect(inside(join(folder, 'n0.eth0.pcapng'))).toEqual(
      atPod(join(folder, 'x_w0.eth0.pcapng'), '10.65.0.2'),
    );
  }, 60_000);
});
