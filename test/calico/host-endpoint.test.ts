import { describe, expect, it } from 'vitest';
import { answer, clusterOf, resource } from './policy-cases.ts';
import { namespaceOf } from './route-line.ts';

const hep = (
  spec: object,
  name = 'host',
  labels: Readonly<Record<string, string>> = { is: 'host' },
) => resource('HostEndpoint', name, { node: 'n1', ...spec }, { labels });
const policy = (name: string, spec: object) =>
  resource('GlobalNetworkPolicy', name, { selector: "is == 'host'", ...spec });
const ALL = { interfaceName: '*' };
const udp = (destinationPort: number) => ({ protocol: 'udp', destinationPort }) as const;

describe('host endpoints', () => {
  it.each([ALL, { interfaceName: 'eth0' }, { expectedIPs: ['192.168.0.11'] }])(
    'closes a node but for its failsafe ports: %j',
    (spec) => {
      const cluster = clusterOf(hep(spec));
      expect(answer(cluster, 'n2', 'n1', udp(4000))).toBe(
        'filtered: no profile allowed it (ingress of host endpoint host)',
      );
      expect(answer(cluster, 'n1', 'n2', udp(4000))).toBe(
        'filtered: no profile allowed it (egress of host endpoint host)',
      );
      expect(answer(cluster, 'n2', 'n1', { destinationPort: 22 })).not.toContain('filtered');
      expect(answer(cluster, 'n2', 'n1', udp(68))).not.toContain('filtered');
      expect(answer(cluster, 'n1', 'n2', { destinationPort: 179 })).not.toContain('filtered');
      expect(answer(cluster, 'n1', 'n2', { destinationPort: 22 })).toContain('filtered');
      // What it forwards, its pods, and the tunnel to them are none of its business.
      for (const [from, to] of [
        ['web', 'client'],
        ['client', 'web'],
        ['web', 'db'],
        ['n1', 'web'],
        ['web', 'n2'],
      ] as const) {
        expect(answer(cluster, from, to, udp(4000)), `${from} ${to}`).not.toContain('filtered');
      }
      const other = namespaceOf(cluster.plan, 'n2').netfilter!;
      expect(other.chains.filter(({ table }) => table === 'mangle')).toEqual([]);
    },
  );

  it('takes the failsafe ports that Felix is given', () => {
    const felix = (spec: object) => resource('FelixConfiguration', 'default', spec);
    const ports = [{ protocol: 'tcp', port: 2222, net: '192.168.0.12/32' }];
    const given = clusterOf(hep(ALL), felix({ failsafeInboundHostPorts: ports }));
    expect(answer(given, 'n2', 'n1', { destinationPort: 22 })).toContain('filtered');
    expect(answer(given, 'n2', 'n1', { destinationPort: 2222 })).not.toContain('filtered');
    expect(answer(given, 'client', 'n1', { destinationPort: 2222 })).toContain('filtered');
    expect(answer(given, 'n1', 'n2', udp(53))).not.toContain('filtered');
    const none = clusterOf(hep(ALL), felix({ failsafeOutboundHostPorts: [] }));
    expect(answer(none, 'n1', 'n2', udp(53))).toContain('filtered');
  });

  it('asks policies of the host, both ways, and then its profiles', () => {
    const cluster = clusterOf(
      hep(ALL),
      policy('in', {
        ingress: [{ action: 'Allow', protocol: 'UDP', destination: { ports: [4000] } }],
      }),
    );
    expect(answer(cluster, 'n2', 'n1', udp(4000))).not.toContain('filtered');
    expect(answer(cluster, 'n2', 'n1', udp(4001))).toContain(
      'no policy of tier default allowed it (ingress of host endpoint host)',
    );
    expect(answer(cluster, 'n1', 'n2', udp(4000))).toContain('no profile allowed it');
    const open = clusterOf(
      hep({ ...ALL, profiles: ['projectcalico-default-allow'] }),
      policy('out', {
        egress: [
          { action: 'Deny', destination: { nets: ['192.168.0.12/32'] } },
          { action: 'Allow', destination: { nets: ['10.2.0.0/24'] } },
        ],
      }),
    );
    expect(answer(open, 'n2', 'n1', udp(4000))).not.toContain('filtered');
    expect(answer(open, 'n1', 'n2', udp(4000))).toBe('filtered: denied by out (egress rule 1)');
    expect(answer(open, 'n1', 'client', udp(4000))).not.toContain('filtered');
  });

  it('lets the answers pass', () => {
    const cluster = clusterOf(
      hep(ALL),
      policy('out', { egress: [{ action: 'Allow', protocol: 'UDP' }] }),
    );
    const back = { protocol: 'udp', sourcePort: 4000, destinationPort: 40000 } as const;
    expect(answer(cluster, 'n2', 'n1', back)).toContain('filtered');
    expect(answer(cluster, 'n1', 'n2', udp(4000))).not.toContain('filtered');
    expect(answer(cluster, 'n2', 'n1', back)).not.toContain('filtered');
  });

  it('asks about forwarded packets only where a policy says so', () => {
    const rule = {
      ingress: [{ action: 'Deny', destination: { nets: ['10.2.0.1/32'] } }, { action: 'Allow' }],
    };
    const plain = clusterOf(hep(ALL), policy('p', rule));
    expect(answer(plain, 'client', 'web')).toBe('yes');
    const forward = clusterOf(hep(ALL), policy('p', { ...rule, applyOnForward: true }));
    const denied = 'filtered: denied by p (ingress rule 1)';
    expect(answer(forward, 'client', 'web')).toBe(denied);
    expect(answer(forward, 'client', 'db')).toBe('yes');
    // All interfaces are those of pods as well.
    expect(answer(forward, 'db', 'web')).toBe(denied);
    const named = clusterOf(
      hep({ interfaceName: 'eth0' }),
      policy('p', { ...rule, applyOnForward: true }),
    );
    expect(answer(named, 'db', 'web')).toBe('yes');
  });

  it('drops before NAT where a preDNAT policy says so, and accepts for good', () => {
    const deny = policy('pre', {
      preDNAT: true,
      applyOnForward: true,
      ingress: [
        { action: 'Deny', protocol: 'UDP', destination: { ports: [4000] } },
        { action: 'Allow', protocol: 'UDP', destination: { ports: [4001] } },
      ],
    });
    const cluster = clusterOf(hep(ALL), deny);
    expect(answer(cluster, 'n2', 'n1', udp(4000))).toBe('filtered: denied by pre (ingress rule 1)');
    expect(answer(cluster, 'client', 'web', udp(4000))).toContain('denied by pre');
    expect(answer(cluster, 'n2', 'n1', udp(4001))).not.toContain('filtered');
    // It said nothing about this one, so the normal chain does.
    expect(answer(cluster, 'n2', 'n1', udp(4002))).toContain('no profile allowed it');
    expect(answer(cluster, 'client', 'web', udp(4002))).not.toContain('filtered');
  });

  it('does not track what a doNotTrack policy allows, so that answers need a rule', () => {
    const spec = (more: object) => ({
      doNotTrack: true,
      applyOnForward: true,
      ingress: [{ action: 'Allow', protocol: 'UDP', destination: { ports: [4000] } }],
      ...more,
    });
    const back = { protocol: 'udp', sourcePort: 4000, destinationPort: 40000 } as const;
    const half = clusterOf(hep({ interfaceName: 'eth0' }), policy('raw', spec({})));
    expect(answer(half, 'n2', 'n1', udp(4000))).not.toContain('filtered');
    expect(half.names.find('n1').netfilter?.conntrack.size).toBe(0);
    expect(answer(half, 'n1', 'n2', back)).toContain('no profile allowed it');
    const egress = [{ action: 'Allow', protocol: 'UDP', source: { ports: [4000] } }];
    const both = clusterOf(hep({ interfaceName: 'eth0' }), policy('raw', spec({ egress })));
    expect(answer(both, 'n1', 'n2', back)).not.toContain('filtered');
    expect(both.names.find('n1').netfilter?.conntrack.size).toBe(0);
    // Felix has none for all interfaces at once.
    const whole = clusterOf(hep(ALL), policy('raw', spec({ egress })));
    expect(answer(whole, 'n1', 'n2', back)).toContain('no profile allowed it');
    expect(whole.plan.assumptions.join()).toContain(
      'doNotTrack policies do not reach host endpoint host of all interfaces: raw',
    );
  });

  it('makes one of each node where kube-controllers is told so', () => {
    const controllers = resource('KubeControllersConfiguration', 'default', {
      controllers: { node: { hostEndpoint: { autoCreate: 'Enabled' } } },
    });
    const open = clusterOf(controllers);
    expect(answer(open, 'n2', 'n1', udp(4000))).not.toContain('filtered');
    const by = { selector: "projectcalico.org/created-by == 'calico-kube-controllers'" };
    const closed = clusterOf(
      controllers,
      resource('GlobalNetworkPolicy', 'in', { ...by, ingress: [{ action: 'Allow', source: by }] }),
    );
    expect(answer(closed, 'n2', 'n1', udp(4000))).not.toContain('filtered');
    expect(answer(closed, 'client', 'n1', udp(4000))).toContain(
      'no policy of tier default allowed it (ingress of host endpoint n1-auto-hep)',
    );
  });

  it('says which ones do nothing', () => {
    const cluster = clusterOf(
      hep({ node: 'n9', ...ALL }, 'far'),
      hep({ interfaceName: 'eth7' }, 'seven'),
      hep(ALL, 'a'),
      hep(ALL, 'b'),
    );
    expect(cluster.plan.assumptions.filter((one) => one.startsWith('host endpoint'))).toEqual([
      'host endpoints of nodes that are not there: far',
      'host endpoint seven: without an interface on n1, so not used',
      'host endpoint b: left over n1, so not used',
    ]);
  });
});
