/** Replays that several workers cannot share, because of what their flows share. */
import '../accounts.ts';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import type { NamespacePlan } from '../../src/plan/plan.ts';
import { Entangled } from '../../src/replay/entangled.ts';
import { replayShard } from '../../src/replay/replay-shard.ts';
import { hostMac, PORTS, switchedHosts } from '../node/switched-hosts.ts';
import { scratch } from '../pcap/samples.ts';
import { alone, inputsOf, merged, type Sources } from './parts.ts';
import { captures, MODES, PLAIN, SERVICE, type Sent, yaml } from './three-pods.ts';

const root = scratch();

const learning = (plan: NamespacePlan): NamespacePlan => ({
  ...plan,
  devices: plan.devices.map((one) =>
    one.vxlan === undefined ? one : { ...one, vxlan: { ...one.vxlan, learning: true } },
  ),
});

interface Bridged {
  readonly from: number;
  readonly to: number;
  readonly gap: number;
  readonly port: number;
}

/** What each host sends, by the port of the bridge where it arrives. */
function bridgedCaptures(frames: readonly Bridged[]): Sources {
  const files = [0, 1, 2].map((i) => ({
    at: `sw:${PORTS[i]}`,
    file: join(root, `bridged-${i}.pcap`),
  }));
  const writers = files.map(({ file }) => new CaptureWriter(file));
  let now = 1_700_000_000_000;
  for (const { from, to, gap, port } of frames) {
    now += gap;
    const frame = buildFrame([
      { layer: 'ethernet', src: hostMac(from), dst: hostMac(to) },
      { layer: 'ipv4', src: `10.5.0.${from + 1}`, dst: `10.5.0.${to + 1}` },
      { layer: 'udp', srcPort: 7000 + port, dstPort: 7000 + port },
    ]);
    writers[from]!.write(Math.floor(now / 1000), (now % 1000) * 1e6, frame);
  }
  for (const writer of writers) writer.close();
  return files;
}

describe('the parts of a replay', () => {
  it('says what the flows share', () => {
    const make = (): Cluster => Cluster.fromYaml(yaml(MODES[3]!, true), 'test', {});
    const why = (...frames: Partial<Sent>[]): string => {
      const files = captures(
        make(),
        frames.map((more) => ({ ...PLAIN, ...more })),
        root,
      );
      try {
        merged(make, files, 2, root);
      } catch (error) {
        if (error instanceof Entangled) return error.what;
        throw error;
      }
      return 'nothing';
    };
    expect(why({})).toBe('nothing');
    expect(why({ to: SERVICE })).toMatch(/^(address translation|rules that choose by chance.*)$/);
    expect(why({ to: '203.0.113.9' })).toBe('address translation');
    expect(why({ fragment: true })).toBe('fragments');
    const many = Array.from({ length: 16 }, (_, i) => ({ ttl: 1, port: 40_000 + i }));
    expect(why(...many)).toBe('the limit of ICMP errors of n1');
    const wireguard = Cluster.fromYaml(
      `${yaml('ipipMode: Never')}---\napiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {wireguardEnabled: true}\n`,
    );
    const files = captures(make(), [PLAIN], root);
    const shard = { index: 0, count: 2 };
    expect(replayShard(wireguard, inputsOf(files), [], shard, join(root, 'p')).entangled).toBe(
      'WireGuard',
    );
  });

  it('of flows that cross a bridge come to the same, or are refused for what it learned', () => {
    const told = new Set<string>();
    let equal = 0;
    const one = fc.record({
      from: fc.nat(2),
      to: fc.nat(2),
      gap: fc.constantFrom(0, 1, 400_000),
      port: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 12 }), (frames) => {
        const make = (): Cluster => Cluster.fromPlan(switchedHosts());
        const files = bridgedCaptures(frames);
        const expected = alone(make, files);
        try {
          expect(merged(make, files, 2, root)).toEqual(expected);
          equal++;
        } catch (error) {
          if (!(error instanceof Entangled)) throw error;
          told.add(error.what);
        }
      }),
      { numRuns: 60 },
    );
    expect(equal).toBeGreaterThan(5);
    expect([...told]).toContain('what bridges learned of sw');
  });

  it('of flows into a VXLAN device that learns are refused', () => {
    const make = (): Cluster => {
      const { plan } = Cluster.fromYaml(yaml(MODES[0]!), 'test');
      return Cluster.fromPlan({ ...plan, namespaces: plan.namespaces.map(learning) });
    };
    const frames = Array.from({ length: 16 }, (_, i) => ({ ...PLAIN, port: 40_000 + i }));
    const files = captures(make(), frames, root);
    expect(() => merged(make, files, 2, root)).toThrow(/flows share what VXLAN learned of n[12]/);
  });
});
