/** Keepalives of clusters in which nobody has sent anything yet. */
import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../src/cluster/cluster.ts';
import { setLink } from '../../src/cluster/link-state.ts';
import { later, type Moment } from '../../src/packet/moment.ts';
import {
  block,
  clusterOf,
  dropsOf,
  echo,
  felix,
  lab,
  lines,
  node,
  originate,
  pool,
  watch,
} from '../behaviour/lab.ts';

const KEEPALIVES = felix('wireguardEnabled: true, wireguardKeepAlive: 25s');
const CAPTURED: Moment = { seconds: 1_800_000_000, nanoseconds: 5000 };

const built = (...more: string[]): { cluster: Cluster; wire: Buffer[] } => {
  const cluster = clusterOf(lab(pool('vxlanMode: Always'), KEEPALIVES, ...more));
  return { cluster, wire: watch(cluster, 'n0:eth0') };
};

/** The types of WireGuard's messages; all of these frames are some. */
const types = (wire: readonly Buffer[]): number[] => wire.map((frame) => frame[42]!).sort();

const handshakes = (cluster: Cluster, name: string): number[] =>
  lines(cluster, name, 'wg show wireguard.cali latest-handshakes').map((line) =>
    Number(line.split('\t')[1]),
  );

describe('keepalives of a cluster just built', () => {
  it('begin with all peers when the clock was set, every pair of nodes once', () => {
    const { cluster, wire } = built();
    cluster.advance(CAPTURED);
    // A handshake with each of two peers, what confirms it, and the peer's own first keepalive.
    expect(types(wire)).toEqual([1, 1, 2, 2, 4, 4, 4, 4]);
    for (const name of ['n0', 'n1', 'n2']) {
      expect(handshakes(cluster, name)).toEqual([CAPTURED.seconds, CAPTURED.seconds]);
    }
    cluster.advance(later(CAPTURED, 26_000));
    const more = wire.slice(8);
    expect(more.length).toBeGreaterThanOrEqual(2);
    // Ethernet, IPv4, UDP and a message without a packet.
    expect(more.every((frame) => frame[42] === 4 && frame.length === 14 + 28 + 32)).toBe(true);
    expect(dropsOf(cluster)).toEqual({});
  });

  it('begin before the time that passes: after a minute two rounds of them have gone', () => {
    const { cluster, wire } = built();
    cluster.advance(later(cluster.now, 60_000));
    expect(types(wire).slice(0, 4)).toEqual([1, 1, 2, 2]);
    expect(wire.length).toBeGreaterThanOrEqual(8 + 2 * 2);
    expect(dropsOf(cluster)).toEqual({});
  });

  it('do not while time stands still, nor by a device that is down', () => {
    const { cluster, wire } = built();
    cluster.advance(cluster.now);
    cluster.run();
    expect(wire).toEqual([]);
    setLink(cluster, 'n0:wireguard.cali', { up: false });
    cluster.advance(CAPTURED);
    // The other two ask in vain.
    expect(types(wire).every((type) => type === 1)).toBe(true);
    expect(handshakes(cluster, 'n0')).toEqual([0, 0]);
    expect(handshakes(cluster, 'n1').filter((at) => at > 0)).toHaveLength(1);
  });

  it('need an interval: without, devices say nothing unasked', () => {
    const cluster = clusterOf(lab(pool('vxlanMode: Always'), felix('wireguardEnabled: true')));
    const wire = watch(cluster, 'n0:eth0');
    cluster.advance(CAPTURED);
    cluster.advance(later(CAPTURED, 600_000));
    expect(wire).toEqual([]);
    expect(cluster.keys.handshakes).toEqual([]);
  });

  it('greet 16 peers; of more, those that a packet goes to', () => {
    const nodes = (count: number): string[] =>
      Array.from({ length: count - 3 }, (_, i) => [node(i + 3), block(i + 3)]).flat();
    const { cluster: most } = built(...nodes(17));
    most.advance(CAPTURED);
    expect(handshakes(most, 'n16').filter((at) => at > 0)).toHaveLength(16);
    expect(most.keys.handshakes).toHaveLength(17 * 16);

    const { cluster: more } = built(...nodes(18));
    more.advance(CAPTURED);
    expect(more.keys.handshakes).toEqual([]);
    originate(more, 'x/w0', echo('10.65.0.2', '10.65.1.2', 84));
    more.run();
    expect(more.keys.handshakes).toHaveLength(2);
  });

  it('make no tables of nodes that greet nobody', () => {
    for (const settings of ['wireguardEnabled: false', 'wireguardEnabled: true']) {
      const cluster = clusterOf(lab(pool('vxlanMode: Always'), felix(settings)));
      let made = 0;
      for (const node of cluster.nodes) node.whenMade(() => made++);
      cluster.advance(CAPTURED);
      expect(made).toBe(0);
    }
  });
});
