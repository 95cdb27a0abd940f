import { describe, expect, it } from 'vitest';
import { workTime } from '../work-time.ts';
import { planAs, resource } from './bgp-cluster.ts';
import { block, failure, node, plan, pod, pool, underlay } from './manifests.ts';
import { calicoLines, namespaceOf } from './route-line.ts';

const texts = (mode: string): string[] => [
  pool({ more: [mode] }),
  node('n1', '192.168.0.11/24'),
  node('n2', '192.168.0.12/24'),
  block('10.2.0.0/26', 'n1'),
  block('10.2.0.64/26', 'n2'),
  pod('a', 'n1', '10.2.0.3'),
];
const felix = (spec: string, name = 'default') => resource('FelixConfiguration', name, spec);
const device = (made: ReturnType<typeof plan>, at: string, name: string) =>
  namespaceOf(made, at).devices.find((d) => d.name.startsWith(name))!;

describe('FelixConfiguration', () => {
  it('sets MTUs; 0 leaves them to Felix', () => {
    const ipip = plan(...texts('ipipMode: Always'), felix('ipipMTU: 1400, vxlanMTU: 1300'));
    expect(device(ipip, 'n1', 'tunl0').mtu).toBe(1400);
    // Pods make room for what is in use, and VXLAN is not.
    expect(device(ipip, 'n1', 'cali').mtu).toBe(1400);
    expect(device(ipip, 'default/a', 'eth0').mtu).toBe(1400);
    const zero = plan(...texts('ipipMode: Always'), felix('ipipMTU: 0'));
    expect(device(zero, 'n1', 'tunl0').mtu).toBe(1480);
    const word = planAs('v3.31', ...texts('vxlanMode: Always'), felix('vxlanMTU: 1410'));
    expect(calicoLines(word, 'n1')).toContain(
      '10.2.0.64/26 via 10.2.0.64 dev vxlan.calico onlink mtu 1410',
    );
  });

  it('sets VNI and port', () => {
    const made = plan(...texts('vxlanMode: Always'), felix('vxlanVNI: 77, vxlanPort: 8472'));
    expect(device(made, 'n2', 'vxlan.calico').vxlan).toMatchObject({ vni: 77, port: 8472 });
  });

  it('of node.NAME wins on that node, field by field', () => {
    const made = plan(
      ...texts('vxlanMode: Always'),
      felix('vxlanMTU: 1400, vxlanPort: 8472'),
      felix('vxlanMTU: 1390', 'node.n2'),
    );
    const [one, two] = ['n1', 'n2'].map((name) => device(made, name, 'vxlan.calico'));
    expect([one!.mtu, two!.mtu]).toEqual([1400, 1390]);
    expect([one!.vxlan!.port, two!.vxlan!.port]).toEqual([8472, 8472]);
  });

  it('names the uplinks', () => {
    const lab = underlay(
      'segments:',
      '- {name: A, mtu: 9000, members: [{name: n1, interface: bond0}, {name: n2, interface: bond0}]}',
    );
    const blind = plan(...texts('vxlanMode: Always'), lab);
    expect(device(blind, 'n1', 'vxlan').mtu).toBe(1410);
    const seeing = plan(
      ...texts('vxlanMode: Always'),
      lab,
      felix('mtuIfacePattern: "^bond[0-9]+$"'),
    );
    expect(device(seeing, 'n1', 'vxlan').mtu).toBe(8950);
  });

  it('decides how Felix marks its routes', () => {
    const made = plan(
      ...texts('vxlanMode: Always'),
      felix('deviceRouteProtocol: 88, deviceRouteSourceAddress: 192.168.0.11'),
    );
    expect(calicoLines(made, 'n1').map((l) => l.replace(/cali[0-9a-f]{11}/, 'caliX'))).toEqual([
      '10.2.0.3 dev caliX proto 88 scope link src 192.168.0.11',
      '10.2.0.64/26 via 10.2.0.64 dev vxlan.calico proto 88 src 192.168.0.11 onlink',
      'blackhole 10.2.0.0/26 proto 88',
    ]);
    // Left at boot, what is not on a device is 80 all the same.
    const boot = plan(...texts('vxlanMode: CrossSubnet'), felix('deviceRouteProtocol: 3'));
    expect(calicoLines(boot, 'n1')).toContain(
      '10.2.0.64/26 via 192.168.0.12 dev eth0 proto 80 onlink',
    );
  });

  it('notes what it has no model of, and nobody’s configuration', () => {
    const made = plan(
      ...texts('ipipMode: Always'),
      felix('bpfEnabled: true, nftablesMode: Enabled, logSeverityScreen: Info'),
      felix('vxlanMTU: 1', 'node.n9'),
    );
    expect(made.assumptions).toContain(
      'FelixConfiguration/default: set and not modelled: bpfEnabled, nftablesMode',
    );
    expect(made.assumptions).toContain(
      'FelixConfiguration/node.n9 is neither default nor of a node, so not used',
    );
    expect(made.ignored).toEqual([]);
  });

  it.each([
    ['vxlanVNI: 16777216', 'spec.vxlanVNI: expected an integer from 1 to 16777215, found 16777216'],
    ['wireguardEnabled: sure', 'spec.wireguardEnabled: expected true or false, found "sure"'],
    ['iptablesMarkMask: 0x7f0000', 'spec.iptablesMarkMask: expected a mask with 8 bits or more'],
    ['chainInsertMode: Top', 'spec.chainInsertMode: expected Insert or Append, found "Top"'],
    ['iptablesFilterDenyAction: [Drop]', 'spec.iptablesFilterDenyAction: expected Drop or Reject'],
    ['mtuIfacePattern: "((a*)*)*b"', 'spec.mtuIfacePattern: expected a plain regular expression'],
    ['mtuIfacePattern: "(((((((a"', 'spec.mtuIfacePattern: expected a plain regular expression'],
    ['mtuIfacePattern: ".*.*.*.*.*x"', 'spec.mtuIfacePattern: expected a plain regular expression'],
    ['mtuIfacePattern: "(a)\\\\1"', 'spec.mtuIfacePattern: expected a plain regular expression'],
  ])('refuses %s', (spec, message) => {
    const error = failure(...texts('ipipMode: Always'), felix(spec));
    expect(error.message).toContain(`FelixConfiguration/default ${message}`);
    expect(error.code).toBe('ERR_CONFIG_VALUE');
  });

  it('never takes long over a pattern', () => {
    const lab = underlay(
      'segments:',
      `- {name: A, members: [{name: n1, interface: ${'a'.repeat(15)}}, {name: n2}]}`,
    );
    const worst = '(a?|a|aa)(a|aa|b)(a|aa|c)(a|aa|d)(a|aa|e)a*a*a*x';
    const spent = workTime(() => {
      plan(...texts('ipipMode: Always'), lab, felix(`mtuIfacePattern: "${worst}"`));
    });
    expect(spent).toBeLessThan(1000);
  });
});
