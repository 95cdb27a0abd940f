/** Names and listings of a recorded network are untrusted text. */
import { expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { namespaceTables, planNamespace } from '../../src/verify/lab-plan.ts';

const planOf = (device: string, listings: string) =>
  planNamespace(
    'n1',
    { role: 'node', offload: false, interfaces: [{ name: device, mtu: 1500, vni: 0, port: 0 }] },
    namespaceTables(`##### namespace n1\n${listings}`),
    'tables.before.txt',
  );

it('a device name is no pattern, and sysctls are read word by word', () => {
  for (const device of ['eth0(', 'a+b', '[', 'x.*']) {
    const sysctl = `net.ipv4.conf.${device}.rp_filter = 2\nnet.ipv4.conf.${device}.proxy_arp = 10`;
    const { devices } = planOf(device, `# sysctl (0 where not listed)\n${sysctl}\n`);
    expect(devices[1]).toMatchObject({ rpFilter: 2, proxyArp: false, routeLocalnet: false });
  }
});

it('a vlan-like name finds its values under a slash too', () => {
  const { devices } = planOf(
    'eth0.7',
    '# sysctl (0 where not listed)\nnet.ipv4.conf.eth0/7.rp_filter = 1\n',
  );
  expect(devices[1]).toMatchObject({ rpFilter: 1 });
});

it.each([
  ['# ip neigh\n10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01 WISHFUL\n', 'ip neigh'],
  ['# ip neigh\n10.0.0.300 dev eth0 FAILED\n', 'ip neigh'],
  ['# bridge fdb show\n66:90:43 dev vxlan.calico dst 10.0.0.1 self permanent\n', 'bridge fdb show'],
])('%j is refused with its listing and line', (listing, command) => {
  expect(() => planOf('eth0', listing)).toThrow(PodwireError);
  expect(() => planOf('eth0', listing)).toThrow(`tables.before.txt, n1, ${command}:1`);
});
