/** Kinds of policies beside the usual ones, and what their rules may speak of. */
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { answer, clusterOf, kubernetesPolicy, resource } from './policy-cases.ts';

const WEB = { selector: "app == 'web'" };
const inDefault = { namespace: 'default' };
const notes = (...texts: string[]): string => clusterOf(...texts).plan.assumptions.join('\n');

describe('staged policies', () => {
  const staged = [
    resource('StagedNetworkPolicy', 'a', { ...WEB, stagedAction: 'Set' }, inDefault),
    resource('StagedGlobalNetworkPolicy', 'b', { selector: 'all()', stagedAction: 'Set' }),
    resource(
      'StagedKubernetesNetworkPolicy',
      'c',
      { podSelector: {}, policyTypes: ['Ingress'] },
      inDefault,
    ),
  ];

  it('decide nothing, and are named', () => {
    const cluster = clusterOf(...staged);
    expect(answer(cluster, 'client', 'web')).toBe('yes');
    expect(cluster.plan.ignored).toEqual([]);
    expect(notes(...staged)).toContain(
      'staged policies are never enforced: StagedNetworkPolicy/default/a, ' +
        'StagedGlobalNetworkPolicy/b, StagedKubernetesNetworkPolicy/default/c',
    );
  });

  it('leave the policies beside them what they are', () => {
    const allow = resource(
      'NetworkPolicy',
      'yes',
      { ...WEB, ingress: [{ action: 'Allow', protocol: 'TCP' }] },
      inDefault,
    );
    const cluster = clusterOf(allow, ...staged);
    expect(answer(cluster, 'client', 'web')).toBe('yes');
    expect(answer(cluster, 'client', 'db')).toBe('yes');
  });

  it('are read: a mistake in one is a mistake', () => {
    const bad = resource('StagedNetworkPolicy', 'a', { selector: 'app ==' }, inDefault);
    expect(() => clusterOf(bad)).toThrow(PodwireError);
  });
});

describe('services in rules', () => {
  const slice = JSON.stringify({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: 'front-1',
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': 'front' },
    },
    addressType: 'IPv4',
    ports: [{ port: 8080 }, { name: 'dns', port: 53, protocol: 'UDP' }],
    endpoints: [
      { addresses: ['10.2.0.1'] },
      // Not ready, and still the service's.
      { addresses: ['10.2.0.2'], conditions: { ready: false } },
    ],
  });
  const egress = (services: object, more: object = {}) =>
    resource(
      'NetworkPolicy',
      'p',
      {
        selector: "app == 'client'",
        egress: [{ action: 'Allow', destination: { services }, ...more }],
      },
      inDefault,
    );

  it('as a destination stand for its endpoints and their ports', () => {
    const cluster = clusterOf(slice, egress({ name: 'front' }));
    for (const to of ['web', 'db']) {
      expect(answer(cluster, 'client', to, { destinationPort: 8080 })).toBe('yes');
      expect(answer(cluster, 'client', to, { destinationPort: 8081 })).toContain('no policy');
      const udp = { protocol: 'udp', destinationPort: 53 } as const;
      expect(answer(cluster, 'client', to, udp)).not.toContain('filtered');
      expect(answer(cluster, 'client', to, { destinationPort: 53 })).toContain('no policy');
    }
    expect(answer(cluster, 'client', 'other', { destinationPort: 8080 })).toContain('no policy');
    const tcp = clusterOf(slice, egress({ name: 'front' }, { protocol: 'TCP' }));
    expect(answer(tcp, 'client', 'web', { protocol: 'udp', destinationPort: 53 })).toContain(
      'no policy',
    );
    expect(answer(tcp, 'client', 'web', { destinationPort: 8080 })).toBe('yes');
  });

  it('as a source stand for its endpoints alone', () => {
    const from = resource('GlobalNetworkPolicy', 'p', {
      selector: "app == 'client'",
      ingress: [{ action: 'Allow', source: { services: { name: 'front', namespace: 'default' } } }],
    });
    const cluster = clusterOf(slice, from);
    expect(answer(cluster, 'db', 'client')).toBe('yes');
    expect(answer(cluster, 'other', 'client')).toContain('no policy');
  });

  it('hold for nobody where there is no such service, and refuse company', () => {
    expect(answer(clusterOf(slice, egress({ name: 'back' })), 'client', 'web')).toContain(
      'no policy',
    );
    expect(() =>
      clusterOf(
        egress(
          { name: 'front' },
          { destination: { services: { name: 'front' }, nets: ['10.0.0.0/8'] } },
        ),
      ),
    ).toThrow('expected no nets beside services');
    const global = {
      selector: 'all()',
      egress: [{ action: 'Allow', destination: { services: { name: 'front' } } }],
    };
    expect(() => clusterOf(resource('GlobalNetworkPolicy', 'p', global))).toThrow(
      'the namespace of the service',
    );
  });
});

describe('admin policies of Kubernetes', () => {
  const api = 'policy.networking.k8s.io/v1alpha1';
  const release = resource('ClusterInformation', 'default', { calicoVersion: 'v3.30.1' });
  const lab = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'lab', labels: { team: 'lab' } },
  });
  const subject = { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: 'web' } } } };
  const LAB = { namespaces: { matchLabels: { team: 'lab' } } };
  const EVERYBODY = { namespaces: {} };
  const admin = (name: string, priority: number, ...ingress: object[]) =>
    resource('AdminNetworkPolicy', name, { priority, subject, ingress }, { api });
  const baseline = (...ingress: object[]) =>
    resource('BaselineAdminNetworkPolicy', 'default', { subject, ingress }, { api });
  const own = kubernetesPolicy('own', { podSelector: { matchLabels: { app: 'web' } } });

  it('come before all others, by priority, and pass on what they do not decide', () => {
    const cluster = clusterOf(
      release,
      lab,
      admin('late', 20, { action: 'Allow', from: [EVERYBODY] }),
      admin('early', 10, { action: 'Deny', from: [LAB] }),
      own,
    );
    expect(answer(cluster, 'lab/other', 'web')).toBe('filtered: denied by early (ingress rule 1)');
    expect(answer(cluster, 'client', 'web')).toBe('yes');
    const pass = clusterOf(release, lab, admin('p', 1, { action: 'Pass', from: [LAB] }), own);
    expect(answer(pass, 'lab/other', 'web')).toContain('no policy of tier default');
    const silent = clusterOf(release, lab, admin('p', 1, { action: 'Deny', from: [LAB] }));
    expect(answer(silent, 'client', 'web')).toBe('yes');
  });

  it('speak of ports, ranges and names', () => {
    const ports = [
      { portNumber: { protocol: 'TCP', port: 80 } },
      { portRange: { protocol: 'TCP', start: 90, end: 95 } },
      { namedPort: 'sql' },
    ];
    const db = { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: 'db' } } } };
    const spec = {
      priority: 1,
      subject: db,
      ingress: [{ action: 'Deny', from: [EVERYBODY], ports }],
    };
    const cluster = clusterOf(release, resource('AdminNetworkPolicy', 'p', spec, { api }));
    for (const [destinationPort, passes] of [
      [80, false],
      [89, true],
      [90, false],
      [95, false],
      [96, true],
      [5432, false],
    ] as const) {
      const said = answer(cluster, 'client', 'db', { destinationPort });
      expect([destinationPort, said === 'yes']).toEqual([destinationPort, passes]);
    }
  });

  it('in their baseline are asked where no policy of the namespace selects', () => {
    const deny = baseline({ action: 'Deny', from: [LAB] });
    const cluster = clusterOf(release, lab, deny);
    expect(answer(cluster, 'lab/other', 'web')).toBe(
      'filtered: denied by default (ingress rule 1)',
    );
    expect(answer(cluster, 'client', 'web')).toBe('yes');
    const allowing = kubernetesPolicy('own', {
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{}],
    });
    expect(answer(clusterOf(release, lab, deny, allowing), 'lab/other', 'web')).toBe('yes');
  });

  it('reach networks on the way out', () => {
    const spec = {
      priority: 5,
      subject,
      egress: [{ action: 'Deny', to: [{ networks: ['10.2.0.64/26'] }] }],
    };
    const cluster = clusterOf(release, resource('AdminNetworkPolicy', 'out', spec, { api }));
    expect(answer(cluster, 'web', 'client')).toBe('filtered: denied by out (egress rule 1)');
    expect(answer(cluster, 'web', 'db')).toBe('yes');
  });

  it('are not known before v3.29', () => {
    const deny = admin('p', 1, { action: 'Deny', from: [EVERYBODY] });
    expect(answer(clusterOf(deny), 'client', 'web')).toBe('yes');
    expect(notes(deny)).toContain('not known to Calico v3.28, so not used: AdminNetworkPolicy/p');
  });

  it.each([
    ['a priority out of range', admin('p', 1001)],
    ['no subject', resource('AdminNetworkPolicy', 'p', { priority: 1 }, { api })],
    ['an action of the other kind', baseline({ action: 'Pass', from: [LAB] })],
    ['names of domains', admin('p', 1, { action: 'Deny', from: [{ domainNames: ['a.b'] }] })],
  ])('refuse %s', (_, text) => {
    expect(() => clusterOf(release, text)).toThrow(PodwireError);
  });
});

it('takes more ports than one match of the kernel holds', () => {
  const ports = Array.from({ length: 40 }, (_, i) => 2000 + 2 * i);
  const list = (key: 'ports' | 'notPorts') =>
    clusterOf(
      resource(
        'NetworkPolicy',
        'p',
        {
          ...WEB,
          ingress: [
            { action: 'Allow', protocol: 'TCP', destination: { [key]: [...ports, '3000:3010'] } },
          ],
        },
        inDefault,
      ),
    );
  const [some, others] = [list('ports'), list('notPorts')];
  for (const [destinationPort, inside] of [
    [2000, true],
    [2001, false],
    [2058, true],
    [2078, true],
    [2079, false],
    [3005, true],
  ] as const) {
    expect([destinationPort, answer(some, 'client', 'web', { destinationPort }) === 'yes']).toEqual(
      [destinationPort, inside],
    );
    expect([
      destinationPort,
      answer(others, 'client', 'web', { destinationPort }) === 'yes',
    ]).toEqual([destinationPort, !inside]);
  }
});
