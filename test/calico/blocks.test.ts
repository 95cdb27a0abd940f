import { describe, expect, it } from 'vitest';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { formatIp4 } from '../../src/wire/address.ts';
import { firstBlockTwin } from './go-random-twin.ts';
import { block, failure, node, plan, pod, pool } from './manifests.ts';
import { calicoLines, namespaceOf } from './route-line.ts';

const addressOf = (made: ClusterPlan, name: string, device: string): string | undefined => {
  const found = namespaceOf(made, name).devices.find((d) => d.name === device)?.addresses[0];
  return found && formatIp4(found.address);
};
const podAddress = (made: ClusterPlan, name: string) => addressOf(made, `default/${name}`, 'eth0');
const blackholes = (made: ClusterPlan, name: string) =>
  calicoLines(made, name).flatMap((line) => /^blackhole (\S+)/.exec(line)?.[1] ?? []);

/** The block of 10.2.0.0/16 that a name draws, or one that the walk comes to later. */
function drawn(name: string, number: number, taken = number): string {
  expect(firstBlockTwin(name, 10)).toBe(number);
  return `10.2.${taken >>> 2}.${(taken & 3) << 6}/26`;
}
const poolPart = (cidr: string) => cidr.split('.').slice(0, 3).join('.');

const three = ['n1', 'n2', 'n3'].map((name, i) => node(name, `10.0.0.${11 + i}/24`));

describe('blocks', () => {
  it('gives nodes without blocks the ones that their names draw', () => {
    const made = plan(
      pool(),
      ...three.toReversed(),
      block('10.2.0.0/26', 'n2'),
      block('10.2.98.0/25', 'gone'),
    );
    expect(blackholes(made, 'n2')).toEqual(['10.2.0.0/26']);
    expect(blackholes(made, 'n1')).toEqual([drawn('n1', 162)]);
    // Its draw lies in 10.2.98.0/25, which exists, though its node is not described.
    expect(blackholes(made, 'n3')).toEqual([drawn('n3', 392, 394)]);
    const notes = made.assumptions.join('\n');
    expect(notes).toContain('took the one that Calico draws for its name: n1, n3');
    expect(notes).toContain('10.2.98.0/25 of gone');
  });

  it('takes blocks nobody states from the addresses in use, tunnels before pods', () => {
    const made = plan(
      pool({ more: ['vxlanMode: Always'] }),
      `${three[0]}`.replace('spec:', 'spec:\n  ipv4VXLANTunnelAddr: 10.2.9.72'),
      three[1]!,
      three[2]!,
      pod('a', 'n2', '10.2.5.7'),
      // In the block that the tunnel address of n1 makes n1's.
      pod('guest', 'n2', '10.2.9.100'),
    );
    expect(blackholes(made, 'n1')).toEqual(['10.2.9.64/26']);
    expect(blackholes(made, 'n2')).toEqual(['10.2.5.0/26']);
    expect(blackholes(made, 'n3')).toEqual([drawn('n3', 392)]);
    expect(calicoLines(made, 'n3')).toContain('10.2.9.64/26 via 10.2.9.72 dev vxlan.calico onlink');
    expect(calicoLines(made, 'n3').some((line) => line.startsWith('10.2.9.100 via 10.2.5'))).toBe(
      true,
    );
  });

  it('skips pools that are disabled, manual, for tunnels only, or select other nodes', () => {
    const labelled = `${three[0]}`.replace('  name: n1', '  name: n1\n  labels: {rack: r1}');
    const made = plan(
      labelled,
      three[1]!,
      pool({ name: 'a', cidr: '10.2.0.0/24', more: ['disabled: true'] }),
      pool({ name: 'b', cidr: '10.2.1.0/24', more: ['assignmentMode: Manual'] }),
      pool({ name: 'c', cidr: '10.2.2.0/24', more: ['allowedUses: [Tunnel]'] }),
      pool({ name: 'd', cidr: '10.2.3.0/24', more: ["nodeSelector: rack == 'r1'"] }),
      pool({ name: 'e', cidr: '10.2.4.0/24' }),
    );
    expect(blackholes(made, 'n1').map(poolPart)).toEqual(['10.2.3']);
    expect(blackholes(made, 'n2').map(poolPart)).toEqual(['10.2.4']);
  });

  it('gives tunnels, then pods, the next address that nobody has', () => {
    const made = plan(
      pool({ more: ['ipipMode: Always'] }),
      node('n1', '10.0.0.11/24'),
      block('10.2.7.0/26', 'n1'),
      pod('b', 'n1'),
      pod('a', 'n1'),
      pod('taken', 'n1', '10.2.7.1'),
      pod('first', 'n1', '10.2.7.0'),
    );
    expect(addressOf(made, 'n1', 'tunl0')).toBe('10.2.7.2');
    expect([podAddress(made, 'a'), podAddress(made, 'b')]).toEqual(['10.2.7.3', '10.2.7.4']);
    expect(podAddress(made, 'taken')).toBe('10.2.7.1');
    expect(made.assumptions.some((note) => note.includes('default/a, default/b'))).toBe(true);
  });

  it('takes tunnel addresses from a pool of that encapsulation only', () => {
    const made = plan(
      pool({ name: 'a-plain', cidr: '10.2.0.0/24' }),
      pool({ name: 'b-vxlan', cidr: '10.3.0.0/24', more: ['vxlanMode: Always'] }),
      pool({ name: 'c-ipip', cidr: '10.4.0.0/24', more: ['ipipMode: Always'] }),
      node('n1', '10.0.0.11/24'),
      node('n2', '10.0.0.12/24'),
    );
    const [n1, n2] = ['n1', 'n2'].map((name) => `${64 * firstBlockTwin(name, 2)}`);
    expect(addressOf(made, 'n2', 'vxlan.calico')).toBe(`10.3.0.${n2}`);
    expect(addressOf(made, 'n2', 'tunl0')).toBe(`10.4.0.${n2}`);
    // The blocks of the tunnels serve pods too, so that nobody needs one of a-plain.
    expect(calicoLines(made, 'n1')).toEqual(
      [
        `blackhole 10.3.0.${n1}/26 proto 80`,
        `blackhole 10.4.0.${n1}/26 proto bird`,
        `10.3.0.${n2}/26 via 10.3.0.${n2} dev vxlan.calico onlink`,
        `10.4.0.${n2}/26 via 10.0.0.12 dev tunl0 proto bird onlink`,
      ].sort(),
    );
  });

  it('takes another block when one is full, and says when none is left', () => {
    const small = pool({ cidr: '10.2.0.0/29', more: ['blockSize: 31'] });
    const pods = Array.from({ length: 9 }, (_, i) => pod(`p${i}`, 'n1'));
    const made = plan(small, three[0]!, ...pods.slice(0, 8));
    expect(blackholes(made, 'n1')).toEqual([
      '10.2.0.0/31',
      '10.2.0.2/31',
      '10.2.0.4/31',
      '10.2.0.6/31',
    ]);
    // From its first block onwards, round the end of the pool.
    const start = 2 * firstBlockTwin('n1', 2);
    expect(podAddress(made, 'p0')).toBe(`10.2.0.${start}`);
    expect(podAddress(made, 'p7')).toBe(`10.2.0.${(start + 7) % 8}`);
    const error = failure(small, three[0]!, ...pods);
    expect(error.code).toBe('ERR_CONFIG_CONFLICT');
    expect(error.message).toMatch(
      /Pod\/default\/p8: expected a free address on node n1 for default\/p8, found no free address left in IPPool\/pool$/,
    );
  });

  it('says when no pool serves a pod', () => {
    const error = failure(pool({ more: ['nodeSelector: "!all()"'] }), three[0]!, pod('p', 'n1'));
    expect(error.message).toContain('found no enabled IPPool that selects the node');
  });

  it('leaves a node without a block when none is left and it needs no address', () => {
    const made = plan(pool({ cidr: '10.2.0.0/26' }), ...three);
    expect(['n1', 'n2', 'n3'].map((name) => blackholes(made, name).length)).toEqual([1, 0, 0]);
  });

  it('routes a block outside every pool without encapsulation, and notes it', () => {
    const made = plan(pool({ more: ['ipipMode: Always'] }), ...three, block('10.9.0.0/26', 'n2'));
    expect(calicoLines(made, 'n1')).toContain('10.9.0.0/26 via 10.0.0.12 dev eth0 proto bird');
    expect(made.assumptions.join('\n')).toContain(
      'blocks outside every IPPool are routed without encapsulation: 10.9.0.0/26',
    );
  });

  it('reaches the last block and address of 255.255.255.0/24', () => {
    const made = plan(
      pool({ cidr: '255.255.255.0/24', more: ['blockSize: 25'] }),
      three[0]!,
      three[1]!,
      ...Array.from({ length: 128 }, (_, i) => pod(`p${String(i).padStart(3, '0')}`, 'n2')),
    );
    // Pods ask before idle n1 does.
    const start = 128 * firstBlockTwin('n2', 1);
    expect(blackholes(made, 'n2')).toEqual([`255.255.255.${start}/25`]);
    expect(podAddress(made, 'p127')).toBe(`255.255.255.${start + 127}`);
  });
});
