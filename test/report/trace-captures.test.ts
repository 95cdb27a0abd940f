import '../accounts.ts';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadCluster } from '../../src/cluster/load.ts';
import type { SendOptions } from '../../src/cluster/send.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureFolder } from '../../src/replay/capture-folder.ts';
import { sendRecorded } from '../../src/report/trace-captures.ts';
import { installed, tshark } from '../judge.ts';

const root = mkdtempSync(join(tmpdir(), 'podwire-trace-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let runs = 0;

function traced(mode: string, options: SendOptions, neighbours: 'warm' | 'cold' = 'warm') {
  const cluster = loadCluster(`fixtures/calico-${mode}`, { neighbours });
  const folder = join(root, String(runs++));
  const captures = new CaptureFolder(cluster, folder);
  const trace = sendRecorded(cluster, options, captures);
  captures.close();
  const records = (name: string) =>
    [...openCapture(join(folder, `${name}.pcapng`))].map(({ bytes, comments }) => ({
      hex: bytes.toString('hex'),
      comments,
    }));
  return { trace, folder, records, cluster };
}

describe('a trace as captures', () => {
  it.each(['ipip', 'vxlan', 'bgp'])(
    'holds the frames of the trace, device by device (%s)',
    (mode) => {
      const options = { from: 'kubia-d278t', to: 'client', protocol: 'tcp', reply: true } as const;
      const { trace, folder } = traced(mode, options);
      expect(trace).toEqual(loadCluster(`fixtures/calico-${mode}`).send(options));
      const all = [...trace.frames, ...trace.reply!.frames];
      const counted = new Map<string, number>();
      for (const { node, device, hex } of all) {
        const name = `${node.replace('/', '_')}.${device}.pcapng`;
        const n = counted.get(name) ?? 0;
        counted.set(name, n + 1);
        const records = [...openCapture(join(folder, name))];
        expect(records[n]!.bytes.toString('hex')).toBe(hex);
      }
      expect(readdirSync(folder).sort()).toEqual([...counted.keys()].sort());
    },
  );

  it('tells beside each frame what led to it, and at the last how it ended', () => {
    const { records } = traced('vxlan', { from: 'client', to: 'kubia-d278t' });
    const [first] = records('default_client.eth0');
    expect(first!.comments).toEqual([
      'default/client route: default via 169.254.1.1 dev eth0 (next hop 169.254.1.1, out by eth0); ' +
        'default/client neighbour: 169.254.1.1 dev eth0 lladdr ee:ee:ee:ee:ee:ee REACHABLE (169.254.1.1 is at ee:ee:ee:ee:ee:ee)',
    ]);
    const [wrapped] = records('k8s-node2.enp1s0');
    expect(wrapped!.comments[0]).toContain('vxlan-out: ');
    expect(wrapped!.comments[0]).toContain('outer 192.168.33.57:');
    const [last] = records('default_kubia-d278t.eth0');
    expect(last!.comments[0]).toMatch(/delivered at default\/kubia-d278t$/);
  });

  it('names the reason of a drop', () => {
    const { records, trace } = traced('ipip', { from: 'client', to: 'kubia-d278t', ttl: 1 });
    expect(trace.outcome).toBe('dropped');
    const { node, device } = trace.frames.at(-1)!;
    const [first] = records(`${node.replace('/', '_')}.${device}`);
    expect(first!.comments[0]).toMatch(/dropped at k8s-node2: ttl-expired$/);
  });

  const judged = installed('tshark', 'captures of a trace are not judged');

  it.skipIf(!judged)('is what tshark reads and prints', () => {
    const { folder } = traced('ipip', { from: 'client', to: 'kubia-d278t' }, 'cold');
    const protocols = (name: string) =>
      tshark(join(folder, `${name}.pcapng`), ['frame.protocols', 'frame.comment']);
    expect(protocols('k8s-node1.tunl0').map((line) => line.split('\t')[0])).toEqual([
      'raw:ip:icmp:data',
    ]);
    expect(protocols('k8s-node1.enp1s0')[0]).toMatch(/^eth:ethertype:arp\t$/);
    expect(protocols('default_kubia-d278t.eth0').at(-1)).toMatch(
      /delivered at default\/kubia-d278t$/,
    );
  });
});
