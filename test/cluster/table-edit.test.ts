/** Changes to the tables of a living namespace. */
import { expect, it } from 'vitest';
import { deleteNeighbour } from '../../src/cluster/table-edit.ts';
import { clusterOf, expectAccounted, lab, originate, pool, watch } from '../behaviour/lab.ts';

it('a neighbour that was deleted is asked for again, also one that the whole link knew', () => {
  const cluster = clusterOf(lab(pool('ipipMode: Never')));
  const node = cluster.names.find('n0');
  const seen = watch(cluster, 'n0:eth0');
  const asked = (): string[] =>
    seen
      .splice(0)
      .filter((frame) => frame.readUInt16BE(12) === 0x0806 && frame.readUInt16BE(20) === 1)
      .map((frame) => frame.subarray(38, 42).join('.'));
  const send = (dst: string): void =>
    originate(cluster, 'n0', [
      { layer: 'ipv4', src: '172.16.0.10', dst },
      { layer: 'udp', srcPort: 7, dstPort: 9 },
    ]);
  deleteNeighbour(node, {
    device: 'eth0',
    address: cluster.names.address('172.16.0.11'),
    state: 'REACHABLE',
  });
  send('172.16.0.12');
  expect(asked()).toEqual([]);
  send('172.16.0.11');
  send('172.16.0.11');
  expect(asked()).toEqual(['172.16.0.11']);
  expectAccounted(cluster);
});
