/** The command output in the documents, printed byte for byte from plans made by hand. */
import { describe, expect, it } from 'vitest';
import type { NamespacePlan, RoutePlan } from '../../src/plan/plan.ts';
import { runCommand } from '../../src/text/command.ts';
import { parseIpRoute, routeEntry } from '../../src/text/ip-route.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';
import {
  address,
  device,
  documentText,
  fdb,
  lo,
  namespace,
  neighbour,
  route,
  trimLines,
} from './namespace.ts';

const ip = (ns: NamespacePlan, command: string): string => runCommand(ns, command.split(' '));
const ether = 'ee:ee:ee:ee:ee:ee';

const cali = (host: number, name: string): RoutePlan =>
  route(`10.2.36.${host}/32`, { device: name, scope: 'link' });
const bird = (destination: string, via: string, name: string): RoutePlan =>
  route(destination, {
    via: parseIp4(via),
    device: name,
    protocol: 'bird',
    onlink: name === 'tunl0',
  });

const vxlanDevice = device({
  name: 'vxlan.calico',
  index: 28,
  kind: 'vxlan',
  mtu: 1450,
  mac: parseMac('66:8c:73:5a:90:99'),
  addresses: [address('10.2.36.72/32')],
  vxlan: { vni: 4096, port: 4789, local: parseIp4('192.168.33.55'), parent: 'enp1s0' },
});

/** Node k8s-node1, with the order of insertion that its hash tables happened to show. */
const node1 = namespace({
  name: 'k8s-node1',
  devices: [lo, vxlanDevice],
  fdb: [
    fdb('vxlan.calico', '66:90:43:3d:b3:e7', '192.168.33.57'),
    fdb('vxlan.calico', '66:d5:cf:d3:6b:7e', '192.168.33.53'),
  ],
  neighbours: [
    neighbour('vxlan.calico', '10.2.235.193', '66:d5:cf:d3:6b:7e', 'PERMANENT'),
    neighbour('vxlan.calico', '10.2.169.137', '66:90:43:3d:b3:e7', 'PERMANENT'),
  ],
});

const three = documentText('003');

describe.skipIf(three === undefined)('the three modes', () => {
  const text = three ?? '';

  it('ipip: ip route', () => {
    const routes = [
      bird('10.2.235.192/26', '192.168.33.53', 'tunl0'),
      bird('10.2.169.128/26', '192.168.33.57', 'tunl0'),
      cali(71, 'calid2918f95dae'),
      cali(70, 'califd470b788cc'),
      cali(69, 'cali89dc4914562'),
      cali(68, 'calif5eaaa317d1'),
      route('10.2.36.64/26', { type: 'blackhole', protocol: 'bird' }),
    ];
    const printed = ip(namespace({ routes }), 'ip route');
    expect(printed.split('\n')).toHaveLength(8);
    expect(text).toContain(`# ip route\n${printed}\`\`\`\n`);
  });

  it('bgp and vxlan: the routes that differ', () => {
    const bgp = [
      bird('10.2.169.128/26', '192.168.33.57', 'enp1s0'),
      bird('10.2.235.192/26', '192.168.33.53', 'enp1s0'),
    ];
    expect(text).toContain(`\`\`\`\n${ip(namespace({ routes: bgp }), 'ip r')}\`\`\`\n`);
    const onlink = (destination: string, via: string): RoutePlan =>
      route(destination, { via: parseIp4(via), device: 'vxlan.calico', onlink: true });
    const vxlan = [
      onlink('10.2.169.128/26', '10.2.169.137'),
      onlink('10.2.235.192/26', '10.2.235.193'),
    ];
    // The blank at the end of a paste is lost.
    const pasted = ip(namespace({ routes: vxlan }), 'ip ro sh').trimEnd();
    expect(text).toContain(`\`\`\`\n${pasted}\n\`\`\`\n`);
  });

  it('vxlan: ip a, ip -d link, bridge fdb show, arp', () => {
    const a = ip(node1, 'ip a show vxlan.calico');
    const link = ip(node1, 'ip -d link show dev vxlan.calico').trimEnd();
    const entries = grep(ip(node1, 'bridge fdb show'), 'vxlan');
    const arp = grep(ip(node1, 'arp -a -n'), 'vxlan');
    expect(text).toContain(
      `# ip a\n${a}# ip -d link\n${link}\n# bridge fdb show\n${entries}# arp -a -n | grep vxlan\n${arp}\`\`\``,
    );
  });

  it('the pod: routes and the arp table', () => {
    const via = parseIp4('169.254.1.1');
    const pod = namespace({
      routes: [
        route('169.254.1.1/32', { device: 'eth0', scope: 'link' }),
        route('default', { via, device: 'eth0' }),
      ],
      neighbours: [
        neighbour('eth0', '169.254.1.1', ether, 'REACHABLE'),
        neighbour('eth0', '192.168.33.55', ether, 'STALE'),
      ],
    });
    expect(text).toContain(`\`\`\`\n${trimLines(ip(pod, 'ip route'))}\`\`\`\n`);
    // The document's `arp` had a resolver.
    const rows = ip(pod, 'arp -n').replace('192.168.33.55', 'node1.lan    ');
    expect(text).toContain(`\n${rows.split('\n').slice(1).join('\n')}\`\`\`\n`);
  });
});

const one = documentText('001');

describe.skipIf(one === undefined)('the veth pair', () => {
  const text = one ?? '';

  it('the pod’s side', () => {
    const pod = namespace({
      name: 'yaobank/customer',
      role: 'pod',
      devices: [
        lo,
        device({
          name: 'eth0',
          index: 3,
          mtu: 1410,
          mac: parseMac('2a:71:d7:3e:78:55'),
          addresses: [address('198.19.22.129/32', '198.19.22.129')],
          peer: { namespace: 'node1', device: 'cali1e6904b30ae' },
        }),
      ],
    });
    const peers = () => ({ index: 6 });
    const addr = runCommand(pod, ['ip', 'addr'], { peers });
    expect(text).toContain(`# ip addr\n${addr}\n`);
    const link = runCommand(pod, ['ip', '-c', 'link', 'show', 'up'], { peers });
    expect(text).toContain(`# ip -c link show up\n${link}root@`);
  });

  it('the node’s side', () => {
    const node = namespace({
      devices: [
        device({
          name: 'cali1e6904b30ae',
          index: 6,
          mtu: 1410,
          mac: parseMac(ether),
          peer: { namespace: 'yaobank/customer', device: 'eth0' },
        }),
      ],
    });
    const peers = () => ({ index: 3, netns: 'cni-3a16b3b9-97cd-e32a-ae0b-2fb4c63f92c9' });
    expect(text).toContain(`show up\n${runCommand(node, ['ip', 'link'], { peers })}`);
  });

  it('the node’s routes, whatever order they were added in', () => {
    const listed = /\$ ip route\n((?:.* \n)+)ubuntu/.exec(text)?.[1] ?? '';
    const routes = parseIpRoute(listed);
    expect(routes).toHaveLength(10);
    expect(ip(namespace({ routes: routes.reverse() }), 'ip route')).toBe(listed);
  });
});

const two = documentText('002');

describe.skipIf(two === undefined)('the modes in route -n', () => {
  const text = two ?? '';
  const listed = /# command: ip -c route\n\n# result\n([^`]+)```/.exec(text)?.[1] ?? '';

  it('vxlan', () => {
    const routes = parseIpRoute(listed);
    expect(trimLines(ip(namespace({ routes }), 'ip route'))).toBe(trimLines(listed));
    expectGateways(routes);
  });

  it('ipip and direct', () => {
    const ens5 = ' dev ens5 proto bird';
    const tunl0 = ' dev tunl0 proto bird onlink';
    const own = `default via 192.168.10.1 dev ens5 proto dhcp metric 100
      192.168.0.2 via 192.168.10.1 dev ens5 proto dhcp metric 100
      192.168.10.0/24 dev ens5 proto kernel scope link src 192.168.10.101`;
    expectGateways(
      parseIpRoute(`${own}
        172.16.34.0/24 via 192.168.20.100${tunl0}
        172.16.116.0/24 via 192.168.10.10${tunl0}
        172.16.184.0/24 via 192.168.10.102${tunl0}`),
    );
    expectGateways(
      parseIpRoute(`${own}
        172.16.34.0/24 via 192.168.10.1${ens5}
        172.16.116.0/24 via 192.168.10.10${ens5}
        172.16.184.0/24 via 192.168.10.102${ens5}`),
    );
  });

  /** `route -n | egrep '(Destination|UG)'` */
  function expectGateways(routes: readonly RoutePlan[]): void {
    const printed = grep(ip(namespace({ routes }), 'route -n'), 'Destination|UG');
    expect(text.match(/UG/g)?.length).toBeGreaterThan(0);
    expect(text).toContain(`\n${printed}\`\`\``);
  }

  it('ip addr of vxlan.calico and a cali device', () => {
    const node = namespace({
      devices: [
        { ...vxlanDevice, index: 4, queueLength: 1000, ...at('66:35:31:bd:3e:3a', '10.233.116.0') },
        device({
          name: 'calif3d1a45b809',
          index: 7,
          mtu: 1450,
          queueLength: 1000,
          mac: parseMac(ether),
          peer: { namespace: 'pod', device: 'eth0' },
        }),
      ],
    });
    const peers = () => ({ index: 2, netns: 'cni-a3a09e02-ea7c-a0ec-380f-e5e1dd753848' });
    expect(text).toContain(runCommand(node, ['ip', '-c', 'addr'], { peers }));
  });

  const at = (mac: string, ip: string) => ({
    mac: parseMac(mac),
    addresses: [address(`${ip}/32`)],
  });
});

describe('every route in the documents', () => {
  const documents = [one, two, three].filter((text) => text !== undefined);
  it.skipIf(documents.length === 0)('reads and prints the same', () => {
    for (const text of documents) expectSame(text);
  });

  function expectSame(text: string): void {
    const lines = text
      .split('\n')
      .filter((line) => /^(default|blackhole|\d+(\.\d+){3})(\/\d+)? .*\b(dev|proto) \S+/.test(line))
      .map((line) => line.replace(/ +/g, ' ').trimEnd())
      .filter((line) => !line.includes(' at '));
    expect(lines.length).toBeGreaterThan(10);
    expect(parseIpRoute(lines.join('\r\n')).map(routeEntry)).toEqual(lines);
  }
});

function grep(text: string, pattern: string): string {
  return text
    .split(/(?<=\n)/)
    .filter((line) => new RegExp(pattern).test(line))
    .join('');
}
