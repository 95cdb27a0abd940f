/**
 * What podwire prints of its rules and what iptables prints of the same ones: each rule
 * is given to the real kernel and read back.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import type { Cluster } from '../../src/cluster/cluster.ts';
import { PodwireError } from '../../src/errors.ts';
import { clusterOf, kubernetesPolicy, resource } from '../calico/policy-cases.ts';

const netns = `podwire-t-${process.pid}`;

function run(command: readonly string[], input = ''): string {
  const words = ['netns', 'exec', netns, ...command];
  const { stdout, stderr, status } = spawnSync('ip', words, { input, encoding: 'utf8' });
  expect([status, stderr], command.join(' ')).toEqual([0, expect.any(String)]);
  return stdout;
}

/** May we, and does the kernel know the matches? */
function prepare(): boolean {
  try {
    execFileSync('ip', ['netns', 'add', netns], { stdio: 'pipe' });
    const words = ['netns', 'exec', netns, 'ipset', 'create', 'probe', 'hash:net'];
    execFileSync('ip', words, { stdio: 'pipe' });
    execFileSync('ip', [...words.slice(0, 3), 'ipset', 'destroy', 'probe'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

/** A kernel with no rules and no tables, as a table once used stays there. */
function afresh(): void {
  execFileSync('ip', ['netns', 'delete', netns]);
  execFileSync('ip', ['netns', 'add', netns]);
}

const there = prepare();
if (!there) console.warn('SKIPPED: no network namespaces, iptables and ipset here');
afterAll(() => spawnSync('ip', ['netns', 'delete', netns]));

/** Lines of each table, sorted where the kernel has an order of its own: tables and chains. */
function tables(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line;
    else if (line.startsWith(':') || line.startsWith('-A')) {
      found.set(table, [...(found.get(table) ?? []), line]);
    }
  }
  const chainOf = (line: string): string => line.split(' ')[line.startsWith(':') ? 0 : 1]!;
  for (const [name, lines] of found) {
    const sorted = lines
      .map((line, i) => ({ line, i }))
      .sort((a, b) =>
        chainOf(a.line) < chainOf(b.line) ? -1 : chainOf(a.line) > chainOf(b.line) ? 1 : a.i - b.i,
      )
      .map(({ line }) => line);
    found.set(name, sorted);
  }
  return found;
}

const hep = resource(
  'HostEndpoint',
  'host',
  { node: 'n1', interfaceName: 'eth0' },
  { labels: { is: 'host' } },
);
const onHosts = (name: string, spec: object) =>
  resource('GlobalNetworkPolicy', name, {
    selector: "is == 'host'",
    applyOnForward: true,
    ...spec,
  });
const many = Array.from({ length: 20 }, (_, i) => 1000 + 10 * i);

const CLUSTERS: readonly (readonly [string, () => Cluster])[] = [
  ['no policy', () => clusterOf()],
  [
    'every kind of rule',
    () =>
      clusterOf(
        resource(
          'GlobalNetworkSet',
          'lab',
          { nets: ['10.9.0.0/16', '0.0.0.0/0'] },
          { labels: { a: 'b' } },
        ),
        resource('GlobalNetworkPolicy', 'all', {
          selector: 'all()',
          types: ['Ingress', 'Egress'],
          ingress: [
            { action: 'Allow', protocol: 'TCP', destination: { ports: [80, '90:99', ...many] } },
            {
              action: 'Allow',
              protocol: 'TCP',
              source: { notPorts: [22, ...many], nets: ['10.1.0.0/16'] },
            },
            { action: 'Deny', protocol: 'ICMP', icmp: { type: 8, code: 0 } },
            { action: 'Deny', protocol: 'ICMP', notICMP: { type: 13 } },
            {
              action: 'Allow',
              notProtocol: 'SCTP',
              source: { nets: ['10.1.0.0/16', '10.3.0.0/16'] },
            },
            {
              action: 'Pass',
              protocol: 47,
              source: { selector: "a == 'b'", notNets: ['10.9.1.0/24'] },
            },
            { action: 'Allow', protocol: 'UDPLite', destination: { nets: ['10.2.0.1/32'] } },
            { action: 'Allow', protocol: 253 },
            { action: 'Allow', protocol: 'TCP', destination: { ports: ['sql', 5433] } },
          ],
          egress: [{ action: 'Allow', destination: { notSelector: "app == 'web'" } }],
        }),
        kubernetesPolicy('k', {
          podSelector: {},
          ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.7.0.0/16'] } }] }],
        }),
        resource('FelixConfiguration', 'default', { defaultEndpointToHostAction: 'Drop' }),
      ),
  ],
  [
    'host endpoints',
    () =>
      clusterOf(
        hep,
        onHosts('normal', { ingress: [{ action: 'Allow', protocol: 'TCP' }] }),
        onHosts('pre', {
          preDNAT: true,
          ingress: [{ action: 'Deny', source: { nets: ['10.8.0.0/16'] } }],
        }),
        onHosts('raw', { doNotTrack: true, ingress: [{ action: 'Allow', protocol: 'UDP' }] }),
        resource('FelixConfiguration', 'default', {
          failsafeInboundHostPorts: [{ protocol: 'tcp', port: 22, net: '10.0.0.0/8' }],
          wireguardEnabled: true,
        }),
      ),
  ],
  [
    'VXLAN, other bits of the mark, and another word for yes and no',
    () =>
      clusterOf(
        resource('IPPool', 'vxlan', { cidr: '10.3.0.0/16', vxlanMode: 'Always' }),
        resource('ClusterInformation', 'default', { calicoVersion: 'v3.33.0' }),
        hep,
        onHosts('raw', { doNotTrack: true, ingress: [{ action: 'Deny', protocol: 'UDP' }] }),
        onHosts('normal', { ingress: [{ action: 'Deny', protocol: 'TCP' }] }),
        resource('FelixConfiguration', 'default', {
          iptablesMarkMask: 0x00ff0000,
          iptablesFilterAllowAction: 'Return',
          iptablesMangleAllowAction: 'Return',
          iptablesFilterDenyAction: 'Reject',
          disableConntrackInvalidCheck: true,
          chainInsertMode: 'Append',
        }),
      ),
  ],
  [
    'services',
    () =>
      clusterOf(
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'web', namespace: 'default' },
          spec: {
            type: 'LoadBalancer',
            clusterIP: '10.96.0.10',
            externalIPs: ['203.0.113.7'],
            loadBalancerSourceRanges: ['198.51.100.0/24'],
            externalTrafficPolicy: 'Local',
            healthCheckNodePort: 31000,
            sessionAffinity: 'ClientIP',
            ports: [
              { name: 'a', port: 80, nodePort: 30080 },
              { name: 'b', port: 81, protocol: 'SCTP' },
              { name: 'none', port: 82, nodePort: 30082 },
            ],
          },
          status: { loadBalancer: { ingress: [{ ip: '198.51.100.9' }] } },
        }),
        JSON.stringify({
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: {
            name: 'web-1',
            namespace: 'default',
            labels: { 'kubernetes.io/service-name': 'web' },
          },
          addressType: 'IPv4',
          ports: [
            { name: 'a', port: 8080 },
            { name: 'b', port: 8081, protocol: 'SCTP' },
          ],
          endpoints: ['10.2.0.1', '10.2.0.2', '10.2.0.65'].map((one, i) => ({
            addresses: [one],
            nodeName: i === 2 ? 'n2' : 'n1',
          })),
        }),
      ),
  ],
];

describe.skipIf(!there)('rules that the real iptables takes and prints again', () => {
  it.each(CLUSTERS)('%s', (_, make) => {
    const cluster = make();
    for (const name of ['n1', 'n2']) {
      const sets = cluster.exec(name, ['ipset', 'save']);
      const ours = cluster.exec(name, ['iptables-save']);
      expect(ours.match(/^-A/gm)!.length).toBeGreaterThan(10);
      run(['ipset', 'restore'], sets);
      run(['iptables-restore'], ours);
      expect(tables(run(['iptables-save']))).toEqual(tables(ours));
      const saved = (text: string) =>
        text
          .split('\n')
          .filter((line) => line.startsWith('add '))
          .sort();
      expect(saved(run(['ipset', 'save']))).toEqual(saved(sets));
      afresh();
    }
  });
});

describe('the commands that print rules', () => {
  const cluster = clusterOf(hep);

  it('print one table, or the rules of one chain', () => {
    const exec = (text: string): string[] =>
      cluster.exec('n1', text.split(' ')).trimEnd().split('\n');
    expect(exec('iptables-save -t raw')[0]).toBe('*raw');
    expect(exec('iptables-save -t raw').at(-1)).toBe('COMMIT');
    expect(exec('sudo iptables -t nat -S cali-POSTROUTING').slice(0, 2)).toEqual([
      '-N cali-POSTROUTING',
      '-A cali-POSTROUTING -j cali-nat-outgoing',
    ]);
    expect(exec('iptables -S INPUT')).toEqual(['-P INPUT ACCEPT', '-A INPUT -j cali-INPUT']);
    expect(exec('ipset save cali40all-ipam-pools').slice(1)).toEqual([
      'add cali40all-ipam-pools 10.2.0.0/16',
    ]);
    expect(cluster.exec('default/web', ['iptables-save'])).toBe('');
  });

  it.each([
    'iptables -L',
    'iptables',
    'iptables -S NOPE',
    'iptables -t security -S',
    'iptables-save -c',
    'ipset list',
    'ipset save nope',
  ])('%s is refused', (text) => {
    expect(() => cluster.exec('n1', text.split(' '))).toThrow(PodwireError);
  });
});
