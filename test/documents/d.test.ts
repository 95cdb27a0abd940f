/** Rows D1 to D31 of the inventory: three modes on three nodes. */
import '../accounts.ts';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { editManifests } from '../../src/calico/edit.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { loadCluster, readManifests } from '../../src/cluster/load.ts';
import { captureFilter } from '../../src/frame/capture-filter.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import type { NamespacePlan } from '../../src/plan/plan.ts';
import { runCommand } from '../../src/text/command.ts';
import { parseBridgeFdb } from '../../src/text/fdb-reader.ts';
import { parseIpRoute } from '../../src/text/ip-route.ts';
import { linkDevice, parseIpLink } from '../../src/text/link-reader.ts';
import { parseArp } from '../../src/text/neighbour-reader.ts';
import { formatIp4, formatPrefix } from '../../src/wire/address.ts';
import { installed } from '../judge.ts';
import { device, namespace, shared, trimLines } from '../text/namespace.ts';
import {
  between,
  document,
  fromYaml,
  grep,
  node,
  pod,
  pool,
  reprintLinks,
  said,
} from './document.ts';

const three = document('003');
const text = three ?? '';
const fixture = (mode: 'ipip' | 'bgp' | 'vxlan'): Cluster =>
  loadCluster(join('fixtures', `calico-${mode}`));

/** The switch of modes that the document describes, made on the IPIP cluster. */
const switched = (...edits: string[]): Cluster =>
  new Cluster(planCluster(editManifests(readManifests(join('fixtures', 'calico-ipip')), edits)));
const POOL = 'ippool/default-ipv4-ippool';

const core = between(text || '核心输出。\n```\n```', '核心输出。\n```\n', '```');
const after = (command: string): string =>
  `${core
    .slice(core.indexOf(`# ${command}\n`))
    .split('\n# ')[0]!
    .split('\n')
    .slice(1)
    .join('\n')
    .trimEnd()}\n`;

const sorted = (lines: string): string[] => lines.split('\n').sort();

const judged = installed('tcpdump', 'D5 is not judged');

describe.skipIf(three === undefined)('document 003', () => {
  it('D1: the seven IPIP routes of k8s-node1', () => {
    const shown = between(text, '# ip route\n', '```');
    const ns = namespace({ routes: parseIpRoute(shown) });
    expect(trimLines(runCommand(ns, ['ip', 'route'])).split('\n')).toHaveLength(8);
    expect(trimLines(runCommand(ns, ['ip', 'route']))).toBe(shown);
    const names = (lines: string): string => lines.replace(/cali[0-9a-f]{11}/g, 'cali*');
    const derived = grep(said(fixture('ipip'), 'k8s-node1', 'ip route'), /^(blackhole )?10\.2\./);
    expect(names(derived)).toBe(names(shown));
  });

  it('D2: three nodes, and the blocks that follow from their names', () => {
    const names = ['k8s-master', 'k8s-node1', 'k8s-node2'];
    const cluster = fromYaml(
      pool('default-ipv4-ippool', 'cidr: 10.2.0.0/16, ipipMode: Always'),
      ...names.map((name, i) => node(name, `192.168.33.5${3 + 2 * i}/24`)),
    );
    const blocks = cluster.plan.inventory!.blocks.map((b) => [b.node, formatPrefix(b.cidr)]);
    expect(blocks.sort()).toEqual([
      ['k8s-master', '10.2.235.192/26'],
      ['k8s-node1', '10.2.36.64/26'],
      ['k8s-node2', '10.2.169.128/26'],
    ]);
    const macs = text.match(/52:54:00:[0-9a-f:]+/g)!.slice(0, 2);
    const links = said(fixture('ipip'), 'k8s-node1', 'ip link show enp1s0');
    expect(links).toContain(macs[0]);
    expect(said(fixture('ipip'), 'k8s-node2', 'ip link show enp1s0')).toContain(macs[1]);
  });

  it.skipIf(!judged)(
    'D5: each filter of the document chooses from the real captures what tcpdump does',
    () => {
      const filters = [...text.matchAll(/tcpdump -i enp1s0 -w \S+ ([^`]+)`/g)].map(([, f]) => f!);
      expect(filters).toContain('proto 4');
      expect(filters.length).toBeGreaterThan(1);
      const seen: number[] = [];
      for (const name of ['ipip', 'bgp', 'vxlan']) {
        const file = join(shared, 'captures', `calico-${name}.pcap`);
        for (const filter of filters) {
          const passes = captureFilter(filter);
          const capture = openCapture(file);
          const own = [...capture].filter(({ bytes }) => passes(bytes)).length;
          capture.close();
          const { stdout } = spawnSync('tcpdump', ['-nr', file, '-c', '1000', '--', filter]);
          expect([name, filter, own]).toEqual([
            name,
            filter,
            stdout.toString().match(/\n(?=\d|$)/g)?.length ?? 0,
          ]);
          seen.push(own);
        }
      }
      expect(new Set(seen)).toEqual(new Set([0, 10]));
    },
  );

  it('D8: the BGP routes, by the mode switch from D1', () => {
    const shown = between(text.slice(text.indexOf('# bgp')), '```\n', '```');
    const cluster = switched(`${POOL}.ipipMode=Never`);
    expect(grep(said(cluster, 'k8s-node1', 'ip route'), /^10\.2\..* via /)).toBe(shown);
  });

  it('D14: VXLAN is one switch off and the other on; both on is refused', () => {
    const cluster = switched(`${POOL}.ipipMode=Never`, `${POOL}.vxlanMode=Always`);
    expect(said(cluster, 'k8s-node1', 'calicoctl get ippool -o wide').split('\n')[1]).toMatch(
      /^default-ipv4-ippool +10\.2\.0\.0\/16 +true +Never +Always /,
    );
    expect(() => switched(`${POOL}.vxlanMode=Always`)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_CONFLICT' }),
    );
  });

  it('D15: the VXLAN routes', () => {
    const shown = between(text.slice(text.indexOf('# vxlan')), '```\n', '```');
    expect(grep(said(fixture('vxlan'), 'k8s-node1', 'ip route'), /vxlan\.calico/)).toBe(shown);
    const cluster = switched(
      `${POOL}.ipipMode=Never`,
      `${POOL}.vxlanMode=Always`,
      'node/k8s-master.ipv4VXLANTunnelAddr=10.2.235.193',
      'node/k8s-node1.ipv4VXLANTunnelAddr=10.2.36.72',
      'node/k8s-node2.ipv4VXLANTunnelAddr=10.2.169.137',
    );
    expect(grep(said(cluster, 'k8s-node1', 'ip route'), /vxlan\.calico/)).toBe(shown);
  });

  it('D16: ip a of vxlan.calico', () => {
    expect(said(fixture('vxlan'), 'k8s-node1', 'ip a show vxlan.calico')).toBe(after('ip a'));
    expect(reprintLinks(after('ip a'), 'ip a')).toBe(after('ip a'));
  });

  it('D17: ip -d link of vxlan.calico, and the settings it tells', () => {
    const shown = after('ip -d link');
    expect(said(fixture('vxlan'), 'k8s-node1', 'ip -d link show vxlan.calico')).toBe(shown);
    expect(reprintLinks(shown, 'ip -d link')).toBe(shown);
    const [listed] = parseIpLink(shown);
    const planned = fixture('vxlan').plan.namespaces.find((ns) => ns.name === 'k8s-node1')!;
    expect(linkDevice(listed!).vxlan).toEqual(
      planned.devices.find(({ name }) => name === 'vxlan.calico')!.vxlan,
    );
  });

  it('D18: bridge fdb show, as a set: its order is that of a hash', () => {
    const shown = after('bridge fdb show');
    const cluster = fixture('vxlan');
    expect(sorted(grep(said(cluster, 'k8s-node1', 'bridge fdb show'), /vxlan/))).toEqual(
      sorted(shown),
    );
    const ns: NamespacePlan = namespace({
      devices: [device({ name: 'vxlan.calico', index: 28, kind: 'vxlan' })],
      fdb: parseBridgeFdb(shown),
    });
    expect(trimLines(runCommand(ns, ['bridge', 'fdb', 'show']))).toBe(shown);
  });

  it('D19: arp -a -n, as a set', () => {
    const shown = after('arp -a -n | grep vxlan');
    const cluster = fixture('vxlan');
    expect(sorted(grep(said(cluster, 'k8s-node1', 'arp -a -n'), /vxlan/))).toEqual(sorted(shown));
    const ns = namespace({ neighbours: parseArp(shown) });
    expect(trimLines(runCommand(ns, ['arp', '-a', '-n']))).toBe(shown);
  });

  it('D22: the tunnel address in a Node’s annotation is read', () => {
    expect(text).toContain('projectcalico.org/IPv4VXLANTunnelAddr');
    const annotated = (name: string, ip: string, tunnel: string): string =>
      `apiVersion: v1\nkind: Node\nmetadata:\n  name: ${name}\n  annotations: {projectcalico.org/IPv4Address: ${ip}/24, projectcalico.org/IPv4VXLANTunnelAddr: ${tunnel}}`;
    const cluster = fromYaml(
      pool('p', 'cidr: 10.2.0.0/16, vxlanMode: Always'),
      annotated('k8s-node1', '192.168.33.55', '10.2.36.72'),
      annotated('k8s-node2', '192.168.33.57', '10.2.169.137'),
    );
    expect(said(cluster, 'k8s-node1', 'ip route show 10.2.169.128/26')).toBe(
      '10.2.169.128/26 via 10.2.169.137 dev vxlan.calico onlink\n',
    );
  });

  it('D24: the three pools all load, and each gives its own device', () => {
    const devices = (['ipip', 'bgp', 'vxlan'] as const).map(
      (mode) =>
        /dev (\S+)/.exec(said(fixture(mode), 'k8s-node1', 'ip route show 10.2.169.128/26'))![1],
    );
    expect(devices).toEqual(['tunl0', 'enp1s0', 'vxlan.calico']);
  });

  it('D27: ipamblocks: affinity gives the node, allocations the pods', () => {
    const block = `apiVersion: crd.projectcalico.org/v1
kind: IPAMBlock
metadata: {name: 10-2-36-64-26}
spec:
  affinity: host:k8s-node1
  cidr: 10.2.36.64/26
  allocations: [null, 0, null]
  attributes:
  - {handle_id: k8s-pod-network.x, secondary: {namespace: default, node: k8s-node1, pod: web}}
  unallocated: [0, 2]`;
    const cluster = fromYaml(
      pool('p', 'cidr: 10.2.0.0/16'),
      node('k8s-node1', '192.168.33.55/24'),
      pod('web', 'k8s-node1', '10.2.36.65'),
      block,
    );
    const [facts] = cluster.plan.inventory!.blocks;
    expect(facts!.node).toBe('k8s-node1');
    expect(facts!.allocations.map((a) => [formatIp4(a.address), a.use])).toEqual([
      ['10.2.36.65', 'default/web'],
    ]);
  });

  it('D28: a pod knows the gateway and the node by one MAC', () => {
    const entries = [...text.matchAll(/^(\S+) +ether +(\S+) +C +(\S+)$/gm)];
    expect(entries.map(([, host]) => host)).toEqual(['169.254.1.1', 'node1.lan']);
    const cluster = fixture('ipip');
    const table = said(cluster, 'default/kubia-d278t', 'arp -n').split('\n').slice(1, -1);
    for (const row of table) expect(row).toMatch(/ether {3}ee:ee:ee:ee:ee:ee {3}C {21}eth0$/);
    expect(table.map((row) => row.split(' ')[0])).toContain('169.254.1.1');
  });

  it('D31: node status shows sessions in IPIP and BGP mode', () => {
    const status = (mode: 'ipip' | 'bgp'): string =>
      said(fixture(mode), 'k8s-master', 'calicoctl node status');
    for (const mode of ['ipip', 'bgp'] as const) {
      expect(status(mode).match(/192\.168\.33\.5[57] .*Established/g)).toHaveLength(2);
    }
  });
});
