/** Only what another capture of the same namespace proves is a loss. */
import { expect, it } from 'vitest';
import type { InterfaceComparison } from '../../src/verify/compare.ts';
import { setLossesAside } from '../../src/verify/losses.ts';

const interfaceOf = (
  namespace: string,
  name: string,
  agreed: readonly string[],
  unexpected: readonly string[],
  whole: readonly string[] = [],
): InterfaceComparison => ({
  namespace,
  interface: name,
  frames: agreed.length,
  equal: agreed.length,
  equalOutsideFree: 0,
  different: 1,
  missing: 0,
  extra: unexpected.length,
  lost: 0,
  differences: ['other', ...unexpected].map((field, i) => ({
    frame: i,
    at: i,
    field,
    expected: '',
    got: '',
    decision: '',
  })),
  agreed,
  unexpected,
  whole,
});

it('a frame inside a recorded one of the same namespace was lost by the capture', () => {
  const [tunnel, wire] = setLossesAside([
    interfaceOf('node1', 'tunl0', ['aa01'], ['aa02', 'aa03']),
    interfaceOf('node1', 'enp1s0', ['ffaa01', 'ffaa02'], []),
  ]);
  expect(tunnel).toMatchObject({ extra: 1, lost: 1, unexpected: ['aa03'] });
  expect(tunnel?.differences.map(({ field }) => field)).toEqual(['other', 'aa03']);
  expect(wire).toMatchObject({ extra: 0, lost: 0 });
});

it('as often as it is there, and no more', () => {
  const wire = (times: number) =>
    interfaceOf('node1', 'enp1s0', Array<string>(times).fill('ffaa01'), []);
  const tunnel = interfaceOf('node1', 'tunl0', ['aa01'], ['aa01', 'aa01']);
  expect([1, 2, 3, 4].map((times) => setLossesAside([tunnel, wire(times)])[0]?.lost)).toEqual([
    0, 1, 2, 2,
  ]);
});

it('a packet inside fragments was lost as often as they are there', () => {
  const tunnel = interfaceOf('node1', 'tunl0', ['aa01'], ['aa01', 'aa01']);
  const wire = (whole: readonly string[]) =>
    interfaceOf('node1', 'enp1s0', ['ffaa01', 'ee00'], [], whole);
  const lost = [[], ['ffaa02'], ['ffaa01'], ['ffaa01', 'fdaa01']].map(
    (whole) => setLossesAside([tunnel, wire(whole)])[0]?.lost,
  );
  expect(lost).toEqual([0, 0, 1, 2]);
});

it('another namespace, or a frame that is the same, proves nothing', () => {
  const tunnel = interfaceOf('node1', 'tunl0', [], ['aa01']);
  expect(setLossesAside([tunnel, interfaceOf('node2', 'enp1s0', ['ffaa01'], [])])[0]?.lost).toBe(0);
  expect(setLossesAside([tunnel, interfaceOf('node1', 'calif', ['aa01'], [])])[0]?.lost).toBe(0);
});

it('a message of WireGuard has padding and a tag behind the packet, masked to zero', () => {
  const tunnel = interfaceOf('node1', 'wireguard.cali', [], ['aa01', 'aa02', 'aa03']);
  const behind = [`ffaa01${'0'.repeat(40)}`, `ffaa0201${'0'.repeat(38)}`];
  const [lost] = setLossesAside([tunnel, interfaceOf('node1', 'enp1s0', behind, [])]);
  expect(lost).toMatchObject({ extra: 2, lost: 1, unexpected: ['aa02', 'aa03'] });
});
