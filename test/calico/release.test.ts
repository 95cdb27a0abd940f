import { describe, expect, it } from 'vitest';
import type { Release } from '../../src/calico/release.ts';
import { planAs, resource } from './bgp-cluster.ts';
import { block, node, plan, pod, pool } from './manifests.ts';
import { calicoLines, namespaceOf } from './route-line.ts';

const texts = (mode: string): string[] => [
  pool({ more: [mode] }),
  node('n1', '192.168.0.11/24', 'ipv4VXLANTunnelAddr: 10.2.0.1'),
  node('n2', '192.168.0.12/24', 'ipv4VXLANTunnelAddr: 10.2.0.65'),
  block('10.2.0.0/26', 'n1'),
  block('10.2.0.64/26', 'n2'),
  pod('a', 'n1', '10.2.0.3'),
];

/** What n1 has in a release; the veth's name is cut short. */
const lines = (release: Release, mode: string, ...more: string[]): string[] =>
  calicoLines(planAs(release, ...texts(mode), ...more), 'n1').map((line) =>
    line.replace(/cali[0-9a-f]{11}/, 'caliX'),
  );

describe('release flavours (the matrix of section 0.1 of the facts)', () => {
  it('v3.28 is the default', () => {
    expect(plan(...texts('ipipMode: Always')).inventory!.release).toBe('v3.28');
    expect(lines('v3.28', 'ipipMode: Always')).toEqual(
      calicoLines(plan(...texts('ipipMode: Always')), 'n1').map((line) =>
        line.replace(/cali[0-9a-f]{11}/, 'caliX'),
      ),
    );
  });

  it.each([
    ['v3.28', '10.2.0.64/26 via 10.2.0.65 dev vxlan.calico onlink'],
    ['v3.30', '10.2.0.64/26 via 10.2.0.65 dev vxlan.calico onlink'],
    ['v3.31', '10.2.0.64/26 via 10.2.0.65 dev vxlan.calico onlink mtu 1450'],
    ['v3.33', '10.2.0.64/26 via 10.2.0.65 dev vxlan.calico onlink mtu 1450'],
  ] as const)('VXLAN in %s', (release, remote) => {
    const metric = release === 'v3.33' ? ' metric 1024' : '';
    expect(lines(release, 'vxlanMode: Always')).toEqual([
      `10.2.0.3 dev caliX scope link${metric}`,
      remote,
      'blackhole 10.2.0.0/26 proto 80',
    ]);
  });

  it.each([
    ['v3.28', 'bird', ''],
    ['v3.32', 'bird', ''],
    ['v3.33', '80', ' mtu 1480'],
  ] as const)('IPIP in %s is programmed as proto %s', (release, protocol, mtu) => {
    const made = lines(release, 'ipipMode: Always');
    expect(made[1]).toBe(`10.2.0.64/26 via 192.168.0.12 dev tunl0 proto ${protocol} onlink${mtu}`);
    expect(made[2]).toBe(`blackhole 10.2.0.0/26 proto ${protocol}`);
    expect(made[0]).toBe(
      `10.2.0.3 dev caliX scope link${release === 'v3.28' ? '' : ' metric 1024'}`,
    );
  });

  it('without encapsulation BIRD stays, unless programClusterRoutes says otherwise', () => {
    const program = (value: string) =>
      resource('FelixConfiguration', 'default', `programClusterRoutes: ${value}`);
    const plain = '10.2.0.64/26 via 192.168.0.12 dev eth0 proto bird';
    const felix = '10.2.0.64/26 via 192.168.0.12 dev eth0 proto 80 onlink';
    expect(lines('v3.33', 'natOutgoing: true')[1]).toBe(plain);
    expect(lines('v3.31', 'natOutgoing: true', program('Enabled'))[1]).toBe(felix);
    expect(lines('v3.33', 'natOutgoing: true', program('Enabled'))[1]).toBe(felix);
    // The option does not exist there yet.
    expect(lines('v3.28', 'natOutgoing: true', program('Enabled'))[1]).toBe(plain);
    expect(lines('v3.33', 'ipipMode: Always', program('Disabled'))).toEqual([
      '10.2.0.3 dev caliX scope link metric 1024',
    ]);
    expect(
      lines(
        'v3.33',
        'ipipMode: Always',
        program('Disabled'),
        resource('BGPConfiguration', 'default', 'programClusterRoutes: Enabled'),
      )[1],
    ).toBe('10.2.0.64/26 via 192.168.0.12 dev tunl0 proto bird onlink');
  });

  it('what Felix programs needs no BGP', () => {
    const off = resource('BGPConfiguration', 'default', 'nodeToNodeMeshEnabled: false');
    expect(lines('v3.33', 'ipipMode: Always', off)).toEqual(lines('v3.33', 'ipipMode: Always'));
    expect(lines('v3.32', 'ipipMode: Always', off)).toHaveLength(2);
  });

  it.each([
    ['v3.29', 0x100000],
    ['v3.30', 0x200000],
  ] as const)('WireGuard’s mark in %s', (release, mark) => {
    const on = resource('FelixConfiguration', 'default', 'wireguardEnabled: true');
    const at = namespaceOf(planAs(release, ...texts('ipipMode: Always'), on), 'n1');
    expect(at.rules!.find(({ priority }) => priority === 99)).toEqual({
      priority: 99,
      not: true,
      fwmark: { value: mark, mask: mark },
      table: 1,
    });
    expect(at.devices.find(({ kind }) => kind === 'wireguard')!.wireguard!.fwmark).toBe(mark);
  });

  it('is told by a ClusterInformation, unless the caller knows better', () => {
    const told = (version: string) =>
      resource('ClusterInformation', 'default', `calicoVersion: ${version}`);
    const made = plan(...texts('ipipMode: Always'), told('v3.33.2'));
    expect(made.inventory!.release).toBe('v3.33');
    expect(calicoLines(made, 'n1')[1]).toContain('proto 80');
    expect(planAs('v3.29', ...texts('ipipMode: Always'), told('v3.33.2')).inventory!.release).toBe(
      'v3.29',
    );
    for (const [version, release] of [
      ['v3.11.0', 'v3.26'],
      ['v3.99', 'v3.33'],
      ['master', 'v3.28'],
    ] as const) {
      const near = plan(...texts('ipipMode: Always'), told(version));
      expect(near.inventory!.release).toBe(release);
      expect(near.assumptions).toContain(`Calico ${version} is taken for ${release}`);
    }
  });

  it('refuses what it does not know', () => {
    expect(() => planAs('v2.6' as Release, ...texts('ipipMode: Always'))).toThrow(
      /^release: expected one of v3\.26, .*v3\.33, found "v2\.6"$/,
    );
  });
});
