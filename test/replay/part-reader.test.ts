/** The parts that workers leave: damaged, missing or somebody else’s. */
import '../accounts.ts';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { mergeParts } from '../../src/replay/merge.ts';
import { Recording } from '../../src/replay/recording.ts';
import { replay } from '../../src/replay/replay.ts';
import { replayShard } from '../../src/replay/replay-shard.ts';
import { scratch } from '../pcap/samples.ts';
import { Files, inputsOf } from './parts.ts';
import { captures, MODES, PLAIN, yaml } from './three-pods.ts';

const root = scratch();

describe('the parts of a replay', () => {
  it('give everything before a damage, and then its error', () => {
    const make = (): Cluster => Cluster.fromYaml(yaml(MODES[0]!), 'test', {});
    const frames = Array.from({ length: 20 }, (_, i) => ({ ...PLAIN, port: 40_000 + i }));
    const [input] = captures(make(), frames, root);
    const whole = readFileSync(input!.file);
    writeFileSync(input!.file, whole.subarray(0, whole.length - 5));
    const of = (act: (out: Files) => void): [string, ReadonlyMap<string, string>] => {
      const out = new Files();
      let message = 'none';
      try {
        act(out);
      } catch (error) {
        message = (error as Error).message;
      }
      return [message, out.close()];
    };
    const expected = of((out) => {
      const cluster = make();
      const recording = new Recording(cluster);
      recording.add(cluster.names.port('default/b:eth0'), () => out.open('b'));
      try {
        replay(cluster, inputsOf([input!]));
      } finally {
        recording.stop();
      }
    });
    const found = of((out) => {
      const parts = [0, 1, 2].map((index) => {
        const cluster = make();
        const path = join(root, `part-${index}`);
        const ports = [cluster.names.port('default/b:eth0')];
        replayShard(cluster, inputsOf([input!]), ports, { index, count: 3 }, path);
        return path;
      });
      mergeParts(make(), parts, [{ isEthernet: true, open: () => out.open('b') }]);
    });
    expect(expected[0]).toMatch(/captured bytes/);
    expect(found).toEqual(expected);
  });

  it('are refused where one is missing, doubled, cut or something else', () => {
    const make = (): Cluster => Cluster.fromYaml(yaml(MODES[3]!), 'test', {});
    const files = captures(make(), [], root);
    const path = (index: number): string => join(root, `part-${index}`);
    for (const index of [0, 1]) {
      replayShard(make(), inputsOf(files), [], { index, count: 2 }, path(index));
    }
    const merge = (...parts: string[]): unknown => mergeParts(make(), parts, []);
    expect(merge(path(1), path(0))).toMatchObject({ injected: 0 });
    expect(() => merge(path(0))).toThrow(/expected 2 parts, found 1/);
    expect(() => merge(path(0), path(0))).toThrow(/expected another part/);
    expect(() => merge(path(0), files[0]!.file)).toThrow(/expected/);
    const cut = readFileSync(path(1));
    writeFileSync(path(1), cut.subarray(0, cut.length - 3));
    expect(() => merge(path(0), path(1))).toThrow(/expected the outcome of a worker/);
  });
});
