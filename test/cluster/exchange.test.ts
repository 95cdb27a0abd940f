/** Whole exchanges: what a capture of them holds, and what comes of them where something is in the way. */
import '../accounts.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { type Exchanged, type ExchangeOptions, exchange } from '../../src/cluster/exchange.ts';
import { listen } from '../../src/cluster/listen.ts';
import { loadCluster } from '../../src/cluster/load.ts';
import { PodwireError } from '../../src/errors.ts';
import { dissect } from '../../src/frame/dissect.ts';
import type { DissectedLayer } from '../../src/frame/layer.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { installed, printed } from '../judge.ts';

const FROM_TO = { from: 'client', to: 'kubia-d278t', destinationPort: 8080 } as const;
const clusterOf = (mode = 'vxlan'): Cluster => loadCluster(join('fixtures', `calico-${mode}`));

const layersOf = (packet: Buffer): readonly DissectedLayer[] =>
  dissect(packet, { linkType: 101 }).layers;

/** As `> S 0` and `< P. 100`: who, flags, bytes of data. */
const story = ({ packets }: Exchanged): string[] =>
  packets.map(({ from, bytes, dropped }) => {
    const tcp = layersOf(bytes)[1]!;
    if (tcp.layer !== 'tcp') throw new Error(tcp.layer);
    const data = bytes.length - 20 - tcp.headerLength;
    const sign = from === 'client' ? '>' : '<';
    return `${sign} ${tcp.flags} ${data}${dropped === undefined ? '' : ` ${dropped}`}`;
  });

/** The data that a side's delivered segments hold, each put where its sequence number says. */
function said({ packets }: Exchanged, side: string): Buffer {
  const segments = packets.flatMap(({ from, bytes, dropped }) => {
    const tcp = layersOf(bytes)[1]!;
    if (from !== side || dropped !== undefined || tcp.layer !== 'tcp') return [];
    const isSyn = tcp.flags.includes('S');
    return [{ seq: tcp.seq + (isSyn ? 1 : 0), data: bytes.subarray(20 + tcp.headerLength) }];
  });
  const [{ seq: start } = { seq: 0 }] = segments;
  const ends = segments.map(({ seq, data }) => ((seq - start) >>> 0) + data.length);
  const whole = Buffer.alloc(Math.max(...ends.slice(0, -1)));
  for (const { seq, data } of segments) data.copy(whole, (seq - start) >>> 0);
  return whole;
}

describe.each(['ipip', 'vxlan', 'bgp'])('%s: a TCP connection', (mode) => {
  it('from SYN to the last ACK', () => {
    const cluster = clusterOf(mode);
    const made = exchange(cluster, {
      ...FROM_TO,
      request: 'GET /',
      response: Buffer.alloc(3000, 1),
    });
    expect(made).toMatchObject({ outcome: 'complete', server: 'default/kubia-d278t' });
    const room = { ipip: 1428, vxlan: 1398, bgp: 1448 }[mode]!;
    expect(story(made)).toEqual([
      '> S 0',
      '< S. 0',
      '> . 0',
      '> P. 5',
      '< . 0',
      `< . ${room}`,
      `< . ${room}`,
      '> . 0',
      `< P. ${3000 - 2 * room}`,
      '> . 0',
      '> F. 0',
      '< F. 0',
      '> . 0',
    ]);
    expect(cluster.waiting()).toBe(0);
    expect([cluster.answering, cluster.witness]).toEqual([false, null]);
  });
});

describe('an exchange', () => {
  it('says what it was given, whatever the sizes', () => {
    const side = fc.uint8Array({ maxLength: 60_000, size: 'max' });
    fc.assert(
      fc.property(side, side, (request, response) => {
        const made = exchange(clusterOf(), { ...FROM_TO, request, response });
        expect(made.outcome).toBe('complete');
        if (request.length > 0) expect(said(made, 'client').equals(request)).toBe(true);
        if (response.length > 0) expect(said(made, 'server').equals(response)).toBe(true);
      }),
      { numRuns: 15 },
    );
  });

  it('of UDP is a datagram and one back, in fragments where they are long', () => {
    const options = {
      ...FROM_TO,
      protocol: 'udp',
      request: 'q',
      response: Buffer.alloc(2000),
    } as const;
    const made = exchange(clusterOf(), options);
    expect(made).toMatchObject({ outcome: 'complete', server: 'default/kubia-d278t' });
    expect(made.packets.map(({ bytes }) => bytes.length)).toEqual([29, 2028]);
    expect(made.packets.map(({ bytes }) => layersOf(bytes)[0])).toMatchObject([
      { df: true },
      { df: false },
    ]);
  });

  it('with a closed port is refused', () => {
    for (const protocol of ['tcp', 'udp'] as const) {
      const cluster = clusterOf();
      listen(cluster, FROM_TO.to, { tcp: [9090], udp: [9090] });
      const made = exchange(cluster, { ...FROM_TO, protocol });
      expect(made.outcome).toBe('refused');
      expect(made.packets.map(({ dropped }) => dropped)).toEqual(['port-closed']);
    }
  });

  it('with nobody there is tried for two minutes, and lost', () => {
    const made = exchange(clusterOf(), { from: 'client', to: '10.2.36.99' });
    expect(made.outcome).toBe('lost');
    expect(made.packets.map(({ dropped }) => dropped)).toHaveLength(7);
    const [first, last] = [made.packets[0]!, made.packets.at(-1)!];
    expect(last.seconds - first.seconds).toBeGreaterThanOrEqual(63);
    expect(made).not.toHaveProperty('server');
  });

  it('finds out what the path carries, and goes on with shorter segments', () => {
    const { plan } = clusterOf('bgp');
    const namespaces = plan.namespaces.map((ns) =>
      ns.name !== 'k8s-node1'
        ? ns
        : {
            ...ns,
            devices: ns.devices.map((d) => (d.kind === 'nic' ? { ...d, mtu: 1300 } : d)),
          },
    );
    const made = exchange(Cluster.fromPlan({ ...plan, namespaces }), {
      ...FROM_TO,
      response: Buffer.alloc(4000, 7),
    });
    expect(made.outcome).toBe('complete');
    expect(story(made).filter((line) => line.startsWith('< .'))).toContain('< . 1248');
    expect(story(made)).toContain('< . 1448 packet-too-big');
    expect(said(made, 'server').equals(Buffer.alloc(4000, 7))).toBe(true);
  });

  it('refuses what cannot be sent', () => {
    const wrong: Partial<ExchangeOptions>[] = [
      { sourcePort: 0 },
      { destinationPort: 65536 },
      { from: 'nobody' },
      { protocol: 'icmp' as 'udp' },
    ];
    for (const one of wrong) {
      expect(() => exchange(clusterOf(), { ...FROM_TO, ...one })).toThrow(PodwireError);
    }
  });
});

const judged = installed('tshark', 'so nobody judged the conversation of an exchange');

it.skipIf(!judged)('tshark finds nothing to remark on in a connection', () => {
  const folder = mkdtempSync(join(tmpdir(), 'exchange-'));
  try {
    const file = join(folder, 'client.pcap');
    const cluster = clusterOf();
    const writer = new CaptureWriter(file);
    const stop = captureAt(cluster, cluster.names.port('client:eth0'), writer);
    exchange(cluster, { ...FROM_TO, request: Buffer.alloc(5000), response: Buffer.alloc(50_000) });
    stop();
    writer.close();
    const remarked = (filter: string): string =>
      printed('tshark', '-r', file, '-Y', filter, '-o', 'tcp.check_checksum:TRUE');
    expect(remarked('tcp.analysis.flags || tcp.checksum.status == 0')).toBe('');
    expect(remarked('tcp.completeness == 31')).not.toBe('');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
