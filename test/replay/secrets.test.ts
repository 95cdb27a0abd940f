/** Captures of encrypted nodes that open by themselves: tshark gets the pcapng and nothing else. */
import '../accounts.ts';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { editManifests } from '../../src/calico/edit.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { readManifests } from '../../src/cluster/load.ts';
import { dissect } from '../../src/frame/dissect.ts';
import { later } from '../../src/packet/moment.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureFolder } from '../../src/replay/capture-folder.ts';
import { keyLogOf, Recording } from '../../src/replay/recording.ts';
import { readScenarios, runScenario } from '../../src/replay/scenario.ts';
import { sendRecorded } from '../../src/report/trace-captures.ts';
import { parseKeyLog } from '../../src/wireguard/key-log.ts';
import { Transcript } from '../../src/wireguard/transcript.ts';
import { clusterOf, echo, felix, lab, originate, pool, underlay } from '../behaviour/lab.ts';
import { installed, tshark } from '../judge.ts';

const root = mkdtempSync(join(tmpdir(), 'podwire-secrets-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const encrypted = () =>
  clusterOf(lab(pool('vxlanMode: Always'), underlay(), felix('wireguardEnabled: true')));

const fields = ['wg.type', 'ip.src', 'ip.dst', 'ip.id'];
// Fragments are counted one by one, as they lie on the wire.
const read = (file: string, more: readonly string[] = []): string[] =>
  tshark(file, fields, '-o', 'ip.defragment:FALSE', ...more);

/** The same columns from the capture and the secrets in it. */
function ours(file: string): string[] {
  const tunnels = new Transcript([]);
  const types = ['', 'initiation', 'response', 'cookie-reply', 'data'];
  const capture = openCapture(file);
  let known = 0;
  return [...capture].map(({ bytes }) => {
    for (; known < capture.secrets.length; known++) {
      for (const secrets of parseKeyLog(capture.secrets[known]!.data.toString())) {
        tunnels.trust(secrets);
      }
    }
    const { layers, inner } = dissect(bytes, { tunnels });
    const headers = [...layers, ...(inner?.layers ?? [])].flatMap((l) =>
      l.layer === 'ipv4' ? [l] : [],
    );
    const message = layers.find((l) => l.layer === 'wireguard');
    return [
      message === undefined ? '' : types.indexOf(message.type),
      headers.map((h) => h.src).join(','),
      headers.map((h) => h.dst).join(','),
      headers.map((h) => `0x${h.id.toString(16).padStart(4, '0')}`).join(','),
    ].join('\t');
  });
}

const judged = installed('tshark', 'so it opened no capture');

describe.skipIf(!judged)('captures of encrypted nodes', () => {
  it('open with what they hold, rekeyed and in every direction', () => {
    const cluster = encrypted();
    const folder = join(root, 'all');
    const captures = new CaptureFolder(cluster, folder);
    const recording = new Recording(cluster, keyLogOf(cluster));
    captures.record(recording);
    for (let round = 0; round < 20; round++) {
      for (const from of [0, 1, 2]) {
        const to = (from + 1) % 3;
        originate(cluster, `x/w${from}`, [
          { layer: 'ipv4', src: `10.65.${from}.2`, dst: `10.65.${to}.2`, id: 1000 + round },
          { layer: 'udp', srcPort: 4000, dstPort: 5000 },
          { layer: 'payload', bytes: Buffer.alloc(7 * round + 1, 0x30) },
        ]);
      }
      // Past REKEY_AFTER_TIME on the way: more than one handshake.
      cluster.advance(later(cluster.now, 10_000));
    }
    cluster.run();
    recording.stop();
    captures.close();
    expect(cluster.keys.handshakes.length).toBeGreaterThan(6);
    for (const node of ['n0', 'n1', 'n2']) {
      const file = join(folder, `${node}.eth0.pcapng`);
      const lines = read(file);
      const opened = lines.filter((line) => /^4\t.*,10\.65\./.test(line));
      expect(opened).toHaveLength(40);
      expect(lines.filter((line) => /^[12]\t/.test(line)).length).toBeGreaterThan(4);
      // A keepalive aside, which has nothing to show, they agree line by line.
      expect(ours(file)).toEqual(lines);
    }
    // What is encrypted is told in no other capture.
    for (const name of readdirSync(folder).filter((file) => !/^n.\.eth0\./.test(file))) {
      const capture = openCapture(join(folder, name));
      while (capture.advance());
      expect([name, capture.secrets.length]).toEqual([name, 0]);
    }
    expect(read(join(folder, 'n0.wireguard.cali.pcapng'))[0]).toMatch(/^\t10\.65\./);
  });

  it('open for a trace too', () => {
    const cluster = encrypted();
    const folder = join(root, 'trace');
    const captures = new CaptureFolder(cluster, folder);
    const trace = sendRecorded(cluster, { from: 'x/w0', to: 'x/w1' }, captures, keyLogOf(cluster));
    captures.close();
    expect(trace.outcome).toBe('delivered');
    const lines = read(join(folder, 'n1.eth0.pcapng'));
    expect(lines.filter((line) => line.startsWith('1\t'))).toHaveLength(1);
    expect(
      lines.filter((line) => /^4\t.*,10\.65\.0\.2\t.*,10\.65\.1\.2\t/.test(line)),
    ).toHaveLength(1);
    expect(ours(join(folder, 'n1.eth0.pcapng'))).toEqual(lines);
  });

  it('open where a scenario calls its capture a pcapng, and only there', () => {
    const manifests = readManifests('fixtures/calico-vxlan');
    const [scenario] = readScenarios(manifests);
    const { sha256: _, ...capture } = scenario!.capture;
    const written = (file: string): string => {
      const set = ['felixconfiguration/default.wireguardEnabled=true'];
      const cluster = Cluster.fromPlan(planCluster(editManifests(manifests, set)));
      const path = join(root, file);
      const chunks: Buffer[] = [];
      runScenario(cluster, { ...scenario!, capture: { ...capture, file } }, (chunk) =>
        chunks.push(Buffer.from(chunk)),
      );
      writeFileSync(path, Buffer.concat(chunks));
      return path;
    };
    const open = read(written('told.pcapng'));
    expect(open.filter((line) => /^4\t.*,10\.2\.36\.71\t/.test(line)).length).toBeGreaterThan(3);
    expect(ours(join(root, 'told.pcapng'))).toEqual(open);
    expect(read(written('untold.pcap')).filter((line) => line.includes('10.2.36.'))).toEqual([]);
  });

  it.each([
    ['100.70.', '198.18.5.', 1500, 'vxlanMode: CrossSubnet', ''],
    ['10.65.', '203.0.113.', 1300, 'ipipMode: Always', ', wireguardKeepAlive: 20s'],
    [
      '172.30.',
      '192.168.9.',
      9000,
      'vxlanMode: Never',
      ', wireguardHostEncryptionEnabled: true, wireguardListeningPort: 4555',
    ],
  ])(
    'of pods %s* on nodes %s*, MTU %s, %s%s: every message opens, with what the device saw',
    (pods, nodes, mtu, mode, more) => {
      const text = lab(
        pool(mode),
        underlay(mtu),
        felix(`wireguardEnabled: true, mtuIfacePattern: eth0${more}`),
      );
      const cluster = clusterOf(text.replaceAll('172.16.0.', nodes).replaceAll('10.65.', pods));
      const folder = join(root, `as-${pods}`);
      const captures = new CaptureFolder(cluster, folder);
      const recording = new Recording(cluster, keyLogOf(cluster));
      captures.record(recording);
      const sizes = [28, 29, 84, mtu - 61, mtu, 2900, 9500];
      for (const [round, size] of sizes.entries()) {
        cluster.advance(later({ seconds: 1_700_000_000, nanoseconds: 0 }, round * 31_000));
        for (const from of [0, 1, 2]) {
          for (const to of [0, 1, 2]) {
            if (from === to) continue;
            originate(
              cluster,
              `x/w${from}`,
              echo(`${pods}${from}.2`, `${pods}${to}.2`, size, { id: 1 + round }),
            );
          }
        }
        cluster.run();
      }
      recording.stop();
      captures.close();
      const port = more.includes('4555') ? ['-d', 'udp.port==4555,wg'] : [];
      for (const node of ['n0', 'n1', 'n2']) {
        const wire = read(join(folder, `${node}.eth0.pcapng`), port).filter((line) =>
          line.startsWith('4\t'),
        );
        // All but keepalives have a packet inside: two addresses.
        const opened = wire.map((line) =>
          line.split('\t').map((field) => field.split(',').at(-1)!),
        );
        const isInner = (line: readonly string[]): boolean => !line[1]!.startsWith(nodes);
        const inner = opened.filter(isInner).map((line) => line.slice(1).join());
        const device = read(join(folder, `${node}.wireguard.cali.pcapng`)).map((line) =>
          line.split('\t').slice(1).join(),
        );
        expect(inner.sort()).toEqual(device.sort());
        expect(inner.length).toBeGreaterThan(4 * sizes.length - 1);
        const empty = opened.filter((line) => !isInner(line)).length;
        // Without keepalives on purpose there are those that confirm a handshake or answer.
        expect(empty > 0 || more === '').toBe(true);
      }
    },
    120_000,
  );
});
