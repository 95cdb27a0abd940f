import '../accounts.ts';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { loadCluster } from '../../src/cluster/load.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { CaptureFolder } from '../../src/replay/capture-folder.ts';
import { keyLogOf, Recording } from '../../src/replay/recording.ts';
import { formatKeyLog } from '../../src/wireguard/key-log.ts';
import { installed, tshark } from '../judge.ts';

const root = mkdtempSync(join(tmpdir(), 'podwire-folder-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const ping = (ttl: number) =>
  buildFrame([
    { layer: 'ethernet', src: '02:00:00:00:00:01', dst: 'ee:ee:ee:ee:ee:ee' },
    { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136', ttl },
    { layer: 'icmp', type: 'echo-request', id: 1, seq: 1 },
  ]);

/** The cluster's pods ping each other, once in vain, with everything recorded. */
function record(mode: string, folder: string, format: 'pcap' | 'pcapng' = 'pcapng') {
  const cluster = loadCluster(`fixtures/calico-${mode}`);
  const captures = new CaptureFolder(cluster, folder, { format });
  const recording = new Recording(cluster, () => ['LOCAL_STATIC_PRIVATE_KEY = none\n']);
  captures.record(recording);
  const port = cluster.names.port('k8s-node1:calid2918f95dae');
  cluster.advance({ seconds: 1_700_000_000, nanoseconds: 123_456_789 });
  cluster.arrive(port, ping(64));
  cluster.arrive(port, ping(1));
  cluster.run();
  recording.stop();
  captures.close();
  return captures;
}

const judged = installed('tshark', 'folders of captures are not judged');

describe('a folder of captures', () => {
  it.skipIf(!judged).each(['ipip', 'vxlan', 'bgp'])(
    'is what tshark reads: names, link types, times, drops (%s)',
    (mode) => {
      const folder = join(root, mode);
      const { files } = record(mode, folder);
      const names = readdirSync(folder).sort();
      expect(names).toEqual(files.map(({ file }) => file.slice(folder.length + 1)).sort());
      expect(names).toContain('k8s-node1.calid2918f95dae.pcapng');
      expect(names).toContain('default_client.eth0.pcapng');
      expect(names.length).toBeGreaterThan(4);
      for (const { file, frames } of files) {
        const lines = tshark(file, [
          'frame.interface_name',
          'frame.encap_type',
          'frame.time_epoch',
          'frame.protocols',
        ]);
        expect(lines).toHaveLength(frames);
        const device = file.slice(folder.length + 1, -'.pcapng'.length).replace(/^[^.]+\./, '');
        // WTAP_ENCAP_ETHERNET is 1, WTAP_ENCAP_RAW_IP is 7.
        const tunnel = device === 'tunl0';
        for (const line of lines) {
          const [name, encapsulation, time, protocols] = line.split('\t');
          expect([name, encapsulation]).toEqual([device, tunnel ? '7' : '1']);
          expect(time).toBe('1700000000.123456789');
          expect(protocols).toMatch(tunnel ? /^raw:ip:/ : /^eth:ethertype:ip:/);
          expect(protocols).not.toContain('_ws.malformed');
        }
      }
      const comments = tshark(join(folder, 'k8s-node1.calid2918f95dae.pcapng'), [
        'ip.ttl',
        'frame.comment',
      ]);
      expect(comments.slice(0, 2)).toEqual([
        '64\t',
        '1\tdropped: ttl-expired (the TTL ran out at this hop)',
      ]);
      expect(existsSync(join(folder, 'k8s-node1.tunl0.pcapng'))).toBe(mode === 'ipip');
    },
  );

  it('has the same frames in either format, and each file what the other writers write', () => {
    const ng = record('vxlan', join(root, 'ng'));
    const plain = record('vxlan', join(root, 'plain'), 'pcap');
    expect(plain.files.map(({ frames }) => frames)).toEqual(ng.files.map(({ frames }) => frames));
    for (const [n, { file }] of ng.files.entries()) {
      const bytes = (path: string) => [...openCapture(path)].map((r) => r.bytes.toString('hex'));
      expect(bytes(plain.files[n]!.file)).toEqual(bytes(file));
      expect(plain.files[n]!.file).toMatch(/\.pcap$/);
    }
  });

  it('puts keys before the first frame on the underlay, and nowhere else', () => {
    const folder = join(root, 'keys');
    record('vxlan', folder);
    for (const name of readdirSync(folder)) {
      const capture = openCapture(join(folder, name));
      expect(capture.secrets).toEqual([]);
      expect(capture.advance()).toBe(true);
      const underlay = /\.enp1s0\.pcapng$/.test(name);
      expect(capture.secrets.map(({ data }) => data.toString())).toEqual(
        underlay ? ['LOCAL_STATIC_PRIVATE_KEY = none\n'] : [],
      );
      if (!underlay) {
        const { layers } = dissect(capture.bytes.subarray(capture.start, capture.end));
        expect(layers[0]!.layer).toBe('ethernet');
      }
      capture.close();
    }
  });

  it('escapes from no name, and confuses none', () => {
    const names = [
      'a/b',
      'a_b',
      'A_B',
      '../../etc/x',
      '.hidden',
      'con',
      'x'.repeat(150),
      `${'x'.repeat(150)}y`,
    ];
    const plan = loadCluster('fixtures/calico-vxlan').plan;
    const [pod] = plan.namespaces.filter(({ name }) => name.endsWith('client'));
    const hostile = Cluster.fromPlan({
      ...plan,
      namespaces: [...plan.namespaces, ...names.map((name) => ({ ...pod!, name }))],
    });
    const folder = join(root, 'names');
    const captures = new CaptureFolder(hostile, folder);
    for (const name of names) captures.writer(`${name}:eth0`);
    captures.close();
    const x = 'x'.repeat(100);
    expect(readdirSync(folder).sort()).toEqual(
      [
        'a_b.eth0.pcapng',
        'a_b.eth0~2.pcapng',
        'A_B.eth0~3.pcapng',
        '_\u005f.._etc_x.eth0.pcapng',
        '_hidden.eth0.pcapng',
        '_con.eth0.pcapng',
        `${x}.eth0.pcapng`,
        `${x}.eth0~2.pcapng`,
      ].sort(),
    );
    expect(() => captures.writer('nobody:eth0')).toThrow(
      /expected NAME:DEVICE of the cluster, found "nobody:eth0"/,
    );
  });

  it('follows no link that lies in it, and is no file itself', () => {
    const folder = join(root, 'trap');
    const cluster = loadCluster('fixtures/calico-vxlan');
    const captures = new CaptureFolder(cluster, folder);
    writeFileSync(join(root, 'precious'), 'precious');
    symlinkSync(join(root, 'precious'), join(folder, 'k8s-node1.enp1s0.pcapng'));
    expect(() => captures.writer('k8s-node1:enp1s0')).toThrow(
      /expected a file or nothing, found a symbolic link/,
    );
    expect(readFileSync(join(root, 'precious'), 'utf8')).toBe('precious');
    expect(() => new CaptureFolder(cluster, join(root, 'precious'))).toThrow(
      /expected a folder that can be made/,
    );
  });
});

describe('a key log', () => {
  it('grows with the handshakes of the cluster, each text made once', () => {
    const cluster = loadCluster('fixtures/calico-vxlan');
    const key = Buffer.alloc(32, 1);
    const secrets = {
      localStaticPrivate: key,
      remoteStaticPublic: key,
      localEphemeralPrivate: key,
      presharedKey: key,
    };
    const handshakes = [secrets];
    const log = keyLogOf(Object.assign(cluster, { keys: { handshakes } }));
    expect(log()).toEqual([formatKeyLog(secrets)]);
    handshakes.push(secrets);
    expect(log()).toHaveLength(2);
    expect(log()).toBe(log());
  });
});

describe('a recording', () => {
  it('leaves the cluster as it was, and hands ends of packets on', () => {
    const cluster = loadCluster('fixtures/calico-vxlan');
    let ends = 0;
    const mine = { delivered: () => ends++, dropped: () => ends++ };
    cluster.witness = mine;
    const recording = new Recording(cluster);
    const file = join(root, 'one.pcapng');
    const writer = new CaptureWriter(file);
    const port = cluster.names.port('k8s-node1:calid2918f95dae');
    recording.add(port, () => writer);
    cluster.arrive(port, ping(64));
    cluster.arrive(port, ping(1));
    expect(ends).toBe(3);
    recording.stop();
    recording.stop();
    expect([cluster.witness, port.device.tap]).toEqual([mine, null]);
    cluster.arrive(port, ping(64));
    writer.close();
    expect([...openCapture(file)].map(({ comments }) => comments)).toEqual([
      [],
      ['dropped: ttl-expired (the TTL ran out at this hop)'],
      [],
    ]);
  });
});
