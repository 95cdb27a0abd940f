/** Steps of a tape as words, and back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Device } from '../../src/node/device.ts';
import type { Node } from '../../src/node/node.ts';
import { Act, headOf, readSteps } from '../../src/node/step.ts';

const conntrack = {};
const nodeOf = (n: number): Node =>
  ({
    netfilter: { conntrack },
    devices: Array.from({ length: 5 }, (_, i) => ({ name: `${n}-${i}` }) as Device),
  }) as unknown as Node;
const nodes = [nodeOf(0), nodeOf(1), nodeOf(2)];

const SIZES = new Map<Act, number>([
  [Act.Enter, 1],
  [Act.Rewrite, 3],
  [Act.Hop, 0],
  [Act.Frame, 3],
  [Act.Leave, 0],
  [Act.VxlanIn, 1],
  [Act.IpipOut, 3],
  [Act.IpipIn, 1],
]);

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const step = fc.constantFrom(...SIZES.entries()).chain(([act, size]) =>
  fc.record({
    act: fc.constant(act),
    node: fc.nat(2),
    device: fc.nat(4),
    operands: fc.array(word, { minLength: size, maxLength: size }),
  }),
);

describe('the steps of a tape', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const words = steps.flatMap(({ act, node, device, operands }) => [
          headOf(act, node, device)!,
          ...operands,
        ]);
        const expected = steps.map(({ act, node, device, operands: [a = 0, b = 0, c = 0] }) => ({
          ...{ act, node: nodes[node], device: nodes[node]!.devices[device], a, b, c },
          ...{ conntrack: null, id: -1, direction: 0, shell: null },
        }));
        expect(readSteps(Int32Array.from(words), nodes)).toEqual(expected);
      }),
    );
  });

  it('name the connection of a tracked packet', () => {
    const words = Int32Array.of(headOf(Act.Track, 1, 2)!, 77 * 2 + 1, 5);
    const [read] = readSteps(words, nodes);
    expect(read).toMatchObject({ act: Act.Track, node: nodes[1], id: 77, direction: 1, b: 5 });
    expect(read!.conntrack).toBe(conntrack);
  });

  it('have no word for a namespace or device beyond what fits', () => {
    expect([headOf(Act.Hop, 255, 0), headOf(Act.Hop, 256, 0)]).toEqual([expect.any(Number), null]);
    expect([headOf(Act.Hop, 0, 2 ** 20 - 1), headOf(Act.Hop, 0, 2 ** 20)]).toEqual([
      expect.any(Number),
      null,
    ]);
  });
});
