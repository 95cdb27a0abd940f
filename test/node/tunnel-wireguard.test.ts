/** wireguard.cali in a cluster: what is on which wire, who waits, who is told. */
import { describe, expect, it } from 'vitest';
import { tapAt } from '../../src/cluster/capture-tap.ts';
import type { Cluster } from '../../src/cluster/cluster.ts';
import { Cluster as Clusters } from '../../src/cluster/cluster.ts';
import { setLink } from '../../src/cluster/link-state.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { later } from '../../src/packet/moment.ts';
import { Transcript } from '../../src/wireguard/transcript.ts';
import {
  arrivals,
  clusterOf,
  connects,
  dropsOf,
  echo,
  edited,
  expectAccounted,
  felix,
  lab,
  layer,
  layersOf,
  originate,
  pool,
  underlay,
  watch,
} from '../behaviour/lab.ts';

const ON = felix('wireguardEnabled: true');
const encrypted = (...more: string[]): Cluster =>
  clusterOf(lab(pool('vxlanMode: Always'), underlay(), ON, ...more));

/** UDP payloads of frames on a NIC. */
const messages = (frames: readonly Buffer[]): Buffer[] =>
  frames.flatMap((frame) =>
    layersOf(frame).some(({ layer: name }) => name === 'wireguard') ? [frame.subarray(42)] : [],
  );

const types = (frames: readonly Buffer[]): number[] =>
  messages(frames).map((message) => message[0]!);

describe('a packet to another node', () => {
  it('goes as WireGuard only, and arrives as it was', () => {
    const cluster = encrypted();
    const [wire, into] = [watch(cluster, 'n0:eth0'), watch(cluster, 'w1:eth0')];
    originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', 84, { id: 77, ttl: 64 }));
    cluster.run();
    expect(types(wire)).toEqual([1, 2, 4]);
    expect(wire).toHaveLength(3);
    const [request] = into.filter((frame) => layersOf(frame).some((l) => l.layer === 'icmp'));
    expect(layer(layersOf(request!), 'ipv4')).toMatchObject({
      src: '10.65.0.2',
      dst: '10.65.1.2',
      ttl: 62,
      id: 77,
      checksumState: 'valid',
    });
    expectAccounted(cluster);
  });

  it('goes the same way where a packet socket puts it on the device, without a route', () => {
    const cluster = encrypted();
    const wire = watch(cluster, 'n0:eth0');
    const packet = buildFrame(echo('10.65.0.2', '10.65.1.2', 84));
    for (let i = 0; i < 3; i++) cluster.depart(cluster.names.port('n0:wireguard.cali'), packet);
    cluster.run();
    expect(types(wire)).toEqual([1, 2, 4, 4, 4]);
    expectAccounted(cluster);
  });

  it('has an outer header as the kernel gives it: TTL 64, no DF, ECN only, ports of both devices', () => {
    const cluster = encrypted();
    const wire = watch(cluster, 'n0:eth0');
    const tos = [0x00, 0x01, 0x02, 0x03, 0xb8, 0xbb];
    for (const one of tos) {
      originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', 84, { tos: one, df: true }));
    }
    cluster.run();
    const outer = wire.map((frame) => layer(layersOf(frame), 'ipv4'));
    expect(outer.map((ip) => ip.tos)).toEqual([0x88, 0x88, 0, 1, 2, 2, 0, 2]);
    expect(outer.every((ip) => ip.ttl === 64 && !ip.df && ip.checksumState === 'valid')).toBe(true);
    for (const frame of wire) {
      const udp = layer(layersOf(frame), 'udp');
      expect([udp.srcPort, udp.dstPort, udp.checksumState]).toEqual([51820, 51820, 'valid']);
    }
  });

  it('is padded to 16 bytes, but not beyond the MTU', () => {
    const cluster = encrypted();
    const wire = watch(cluster, 'n0:eth0');
    const sizes = [28, 32, 33, 43, 48, 49, 1424, 1425, 1436, 1439, 1440];
    for (const size of sizes) originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', size));
    cluster.run();
    const lengths = messages(wire).flatMap((m) => (m[0] === 4 ? [m.length - 32] : []));
    expect(lengths).toEqual([32, 32, 48, 48, 48, 64, 1424, 1440, 1440, 1440, 1440]);
  });

  it('no byte of it is visible on the wire', () => {
    const cluster = encrypted();
    const [wire, sent] = [watch(cluster, 'n0:eth0'), watch(cluster, 'w0:eth0')];
    for (let size = 100; size < 1400; size += 130) {
      originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', size, { id: size }));
    }
    cluster.run();
    expect(sent).toHaveLength(10);
    const everything = Buffer.concat(wire);
    for (const frame of sent) {
      // Any eight bytes in a row: addresses, headers, data.
      for (let at = 14; at + 8 <= frame.length; at++) {
        expect(everything.includes(frame.subarray(at, at + 8))).toBe(false);
      }
    }
    const device = watch(cluster, 'n0:wireguard.cali');
    cluster.send({ from: 'w0', to: 'w1' });
    expect(layersOf(device[0]!, true).map((l) => l.layer)).toEqual(['ipv4', 'icmp', 'payload']);
  });

  it('is encrypted once, whatever the pool’s mode', () => {
    for (const mode of [
      'vxlanMode: Always',
      'ipipMode: Always',
      'vxlanMode: Never',
      'ipipMode: CrossSubnet',
    ]) {
      const cluster = clusterOf(lab(pool(mode), underlay(), ON));
      const wire = watch(cluster, 'n0:eth0');
      expect(connects(cluster, 'w0', 'w1'), mode).toBe(true);
      expect(new Set(types(wire)), mode).toEqual(new Set([1, 2, 4]));
      expect(messages(wire), mode).toHaveLength(wire.length);
      expectAccounted(cluster);
    }
  });

  it('stays in the clear on its own node', () => {
    const cluster = clusterOf(
      lab(pool('vxlanMode: Always'), underlay(), ON),
      'apiVersion: v1\nkind: Pod\nmetadata: {name: v0, namespace: x}\nspec: {nodeName: n0}\nstatus: {podIP: 10.65.0.3}',
    );
    const [wire, device] = [watch(cluster, 'n0:eth0'), watch(cluster, 'n0:wireguard.cali')];
    expect(connects(cluster, 'w0', 'v0')).toBe(true);
    expect([wire.length, device.length]).toEqual([0, 0]);
  });

  it('goes as before to a node without a key, blank in its manifest', () => {
    const documents = lab(pool('vxlanMode: Always'), underlay(), ON).replace(
      'metadata: {name: n2}',
      'metadata: {name: n2}\nstatus: {wireguardPublicKey: ""}',
    );
    const cluster = clusterOf(documents);
    const wire = watch(cluster, 'n0:eth0');
    expect(connects(cluster, 'w0', 'w2')).toBe(true);
    expect(messages(wire)).toEqual([]);
    expect(wire.length).toBeGreaterThan(1);
    expect(connects(cluster, 'w0', 'w1')).toBe(true);
    expect(types(wire)).toContain(4);
    expect(cluster.exec('n2', ['wg', 'show'])).toBe('');
  });

  it('with host encryption nodes talk encrypted too', () => {
    const cluster = clusterOf(
      lab(
        pool('vxlanMode: Always'),
        underlay(),
        felix('wireguardEnabled: true, wireguardHostEncryptionEnabled: true'),
      ),
    );
    const wire = watch(cluster, 'n0:eth0');
    expect(connects(cluster, 'n0', 'n1')).toBe(true);
    expect(connects(cluster, 'n0', 'w1')).toBe(true);
    expect(messages(wire)).toHaveLength(wire.length);
    expect(types(wire).filter((type) => type === 4).length).toBeGreaterThan(3);
    expectAccounted(cluster);
  });
});

describe('a train of TCP segments', () => {
  it('is cut before it is encrypted, each segment a message', () => {
    const plan = edited(encrypted().plan, 'x/w0', (ns) => ({
      devices: ns.devices.map((d) => (d.name === 'eth0' ? { ...d, checksumOffload: true } : d)),
    }));
    const cluster = Clusters.fromPlan(plan);
    const [wire, device] = [watch(cluster, 'n0:eth0'), watch(cluster, 'n0:wireguard.cali')];
    const data = Buffer.alloc(4000, 0x5a);
    const got = arrivals(cluster, () =>
      originate(cluster, 'x/w0', [
        { layer: 'ipv4', src: '10.65.0.2', dst: '10.65.1.2', df: true, id: 9 },
        { layer: 'tcp', srcPort: 1, dstPort: 2, seq: 1, flags: '.' },
        { layer: 'payload', bytes: data },
      ]),
    );
    expect(device).toHaveLength(1);
    expect(types(wire)).toEqual([1, 2, 4, 4, 4]);
    const pieces = got.map(({ layers }) => layer(layers, 'tcp'));
    expect(pieces.map(({ seq, checksumState }) => [seq, checksumState])).toEqual([
      [1, 'valid'],
      [1401, 'valid'],
      [2801, 'valid'],
    ]);
    expectAccounted(cluster);
  });
});

describe('who cannot be reached', () => {
  /** `n0` without the allowed IPs that lead to a node; its routes still do. */
  const forgetful = (): Cluster =>
    Clusters.fromPlan(
      edited(encrypted().plan, 'n0', (ns) => ({
        devices: ns.devices.map((d) =>
          d.wireguard === undefined
            ? d
            : { ...d, wireguard: { ...d.wireguard, peers: d.wireguard.peers.slice(1) } },
        ),
      })),
    );

  it('a destination without a peer is refused with host unreachable, from the node', () => {
    const cluster = forgetful();
    const wire = watch(cluster, 'n0:eth0');
    const trace = cluster.send({ from: 'w0', to: 'w1', reply: true });
    expect([trace.at, trace.reason]).toEqual(['n0', 'wireguard-no-peer']);
    expect(trace.steps.at(-1)?.note).toMatch(/host unreachable sent to 10\.65\.0\.2$/);
    expect(wire).toEqual([]);
    expect(trace.reply?.at).toBe('x/w0');
    expectAccounted(cluster);
  });

  it('a peer that never answers is asked for 90 seconds, then what waits is lost by name', () => {
    const plan = edited(encrypted().plan, 'n1', (ns) => ({
      devices: ns.devices.map((d) => (d.kind === 'wireguard' ? { ...d, up: false } : d)),
    }));
    const cluster = Clusters.fromPlan(plan);
    const wire = watch(cluster, 'n0:eth0');
    const trace = cluster.send({ from: 'w0', to: 'w1' });
    expect([trace.outcome, trace.at, trace.reason]).toEqual(['dropped', 'n0', 'wireguard-timeout']);
    expect(types(wire).every((type) => type === 1)).toBe(true);
    expect(wire.length).toBeGreaterThan(17);
    expect(cluster.now.seconds).toBeGreaterThanOrEqual(90);
    expect(cluster.now.seconds).toBeLessThan(110);
    expectAccounted(cluster);
  });

  it('of packets that wait the oldest are lost when there are too many', () => {
    const plan = edited(encrypted().plan, 'n1', (ns) => ({
      devices: ns.devices.map((d) => (d.kind === 'wireguard' ? { ...d, up: false } : d)),
    }));
    const cluster = Clusters.fromPlan(plan);
    for (let i = 0; i < 140; i++) originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', 84));
    expect(dropsOf(cluster)).toMatchObject({ 'wireguard-queue': 11 });
    expect(cluster.waiting()).toBe(129);
    expectAccounted(cluster);
  });

  it('a device of which nobody knows the peers drops by name', () => {
    const plan = edited(encrypted().plan, 'n0', (ns) => ({
      devices: ns.devices.map(({ wireguard, ...d }) => d),
    }));
    expect(Clusters.fromPlan(plan).send({ from: 'w0', to: 'w1' }).reason).toBe(
      'tunnel-unsupported',
    );
  });
});

describe('secrets', () => {
  it('every data message opens with what the cluster logged, to the packet on the device', () => {
    const cluster = encrypted();
    const [wire, device] = [watch(cluster, 'n0:eth0'), watch(cluster, 'n0:wireguard.cali')];
    for (const to of ['10.65.1.2', '10.65.2.2']) {
      originate(cluster, 'x/w0', echo('10.65.0.2', to, 1000));
    }
    cluster.run();
    const reader = new Transcript(cluster.keys.handshakes);
    const inner = messages(wire).flatMap((m) => {
      reader.learn(m, 0, m.length);
      return reader.plain(m, 0, m.length) ?? [];
    });
    expect(inner.map((b) => b.subarray(0, b.readUInt16BE(2)).toString('hex'))).toEqual(
      device.map((b) => b.toString('hex')),
    );
    expect(inner).toHaveLength(2);
  });

  it('the same seed gives the same bytes, another one others', () => {
    const run = (seed: number): string => {
      const cluster = Clusters.fromYaml(lab(pool('vxlanMode: Always'), underlay(), ON), 'x', {
        seed,
      });
      const wire = watch(cluster, 'n0:eth0');
      cluster.send({ from: 'w0', to: 'w1', reply: true });
      return Buffer.concat(wire).toString('hex');
    };
    expect(run(7)).toBe(run(7));
    expect(run(7)).not.toBe(run(8));
  });
});

describe('keepalives', () => {
  const kept = (): { cluster: Cluster; sent: number[] } => {
    const documents = lab(
      pool('vxlanMode: Always'),
      underlay(),
      felix('wireguardEnabled: true, wireguardKeepAlive: 25s'),
    );
    const cluster = clusterOf(documents);
    const sent: number[] = [];
    const start = cluster.now.seconds;
    tapAt(cluster.names.port('n0:eth0'), {
      see: (_node, _device, p) => {
        // Ethernet, IPv4, UDP and a message without a packet.
        if (p.length === 14 + 28 + 32) sent.push(cluster.now.seconds - start);
      },
    });
    originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', 84));
    cluster.run();
    return { cluster, sent };
  };

  // One of the two is first, and what it sends puts the other's off (any_authenticated_packet_traversal).
  it('go every so many seconds between nodes that have talked, as Felix was told', () => {
    const { cluster, sent } = kept();
    const [peer] = cluster
      .exec('n0', ['wg', 'show', 'wireguard.cali', 'persistent-keepalive'])
      .split('\n');
    expect(peer).toMatch(/\t25$/);
    cluster.advance(later(cluster.now, 101_000));
    // At once where time passes for the first time, with both peers; every 25 seconds after that.
    expect(new Set(sent)).toEqual(new Set([0, 25, 50, 75, 100]));
    expectAccounted(cluster);
  });

  it('pause where nobody sends for long, so that years pass at once, and begin again', () => {
    const { cluster, sent } = kept();
    cluster.advance(later(cluster.now, 50 * 365 * 86_400_000));
    expect(sent.length).toBeLessThan(200);
    expect(sent.at(-1)).toBeGreaterThan(3500);
    sent.length = 0;
    originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', 84));
    cluster.run();
    cluster.advance(later(cluster.now, 60_000));
    expect(sent.length).toBeGreaterThan(1);
    expectAccounted(cluster);
  });
});

describe('a device that goes down and comes up', () => {
  const at = (milliseconds: number) =>
    later({ seconds: 1_800_000_000, nanoseconds: 0 }, milliseconds);

  it('WG10 sends keepalives to all its peers at once, and on from there', () => {
    const on = felix('wireguardEnabled: true, wireguardKeepAlive: 25s');
    const cluster = clusterOf(lab(pool('vxlanMode: Always'), underlay(), on));
    cluster.advance(at(-1000));
    cluster.advance(at(0));
    const wire = watch(cluster, 'n0:eth0');
    setLink(cluster, 'n0:wireguard.cali', { up: false });
    setLink(cluster, 'n0:wireguard.cali', { up: true });
    cluster.advance(at(1));
    // A handshake with each of two peers, which the initiator confirms.
    expect(types(wire).sort()).toEqual([1, 1, 2, 2, 4, 4]);
    cluster.advance(at(24_990));
    expect(wire).toHaveLength(6);
    cluster.advance(at(26_000));
    const more = messages(wire).slice(6);
    expect(more.length).toBeGreaterThanOrEqual(2);
    expect(more.every((message) => message[0] === 4 && message.length === 32)).toBe(true);
    expect(dropsOf(cluster)).toEqual({});
  });

  it('loses what waits, forgets its keys, and agrees on others with the next packet', () => {
    const cluster = encrypted();
    cluster.advance(at(0));
    const wire = watch(cluster, 'n0:eth0');
    expect(connects(cluster, 'w0', 'w1')).toBe(true);
    setLink(cluster, 'n2:eth0', { up: false });
    originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.2.2', 84));
    setLink(cluster, 'n0:wireguard.cali', { up: false });
    cluster.advance(at(1000));
    expect(dropsOf(cluster)['wireguard-gone']).toBe(1);
    expect(cluster.timers.first === undefined || cluster.waiting() === 0).toBe(true);
    setLink(cluster, 'n0:wireguard.cali', { up: true });
    const before = wire.length;
    cluster.advance(at(2000));
    expect(wire).toHaveLength(before);
    expect(connects(cluster, 'w0', 'w1')).toBe(true);
    expect(types(wire).slice(before, before + 3)).toEqual([1, 2, 4]);
    expectAccounted(cluster);
  });
});
