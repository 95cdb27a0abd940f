import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { answer, clusterOf, kubernetesPolicy, resource } from './policy-cases.ts';

const api = 'policy.networking.k8s.io/v1alpha2';
const release = resource('ClusterInformation', 'default', { calicoVersion: 'v3.33.0' });
const lab = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'lab', labels: { team: 'lab' } },
});
const WEB = { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: 'web' } } } };
const CLIENT = { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: 'client' } } } };
const LAB = { namespaces: { matchLabels: { team: 'lab' } } };
const EVERYBODY = { namespaces: {} };

interface Spec {
  readonly tier?: 'Admin' | 'Baseline';
  readonly priority?: number;
  readonly ingress?: readonly object[];
  readonly egress?: readonly object[];
}

const policy = (name: string, spec: Spec): string =>
  resource(
    'ClusterNetworkPolicy',
    name,
    { tier: 'Admin', priority: 10, subject: WEB, ...spec },
    { api },
  );
const own = kubernetesPolicy('own', { podSelector: { matchLabels: { app: 'web' } } });

describe('ClusterNetworkPolicy', () => {
  it('of the tier Admin comes before all others, by priority, and passes on', () => {
    const cluster = clusterOf(
      release,
      lab,
      policy('late', { priority: 20, ingress: [{ action: 'Accept', from: [EVERYBODY] }] }),
      policy('early', { ingress: [{ action: 'Deny', from: [LAB] }] }),
      own,
    );
    expect(answer(cluster, 'lab/other', 'web')).toBe('filtered: denied by early (ingress rule 1)');
    expect(answer(cluster, 'client', 'web')).toBe('yes');
    const pass = clusterOf(
      release,
      lab,
      policy('p', { ingress: [{ action: 'Pass', from: [LAB] }] }),
      own,
    );
    expect(answer(pass, 'lab/other', 'web')).toContain('no policy of tier default');
  });

  it('of the tier Baseline is asked where no policy of the namespace selects', () => {
    const deny = policy('base', { tier: 'Baseline', ingress: [{ action: 'Deny', from: [LAB] }] });
    expect(answer(clusterOf(release, lab, deny), 'lab/other', 'web')).toBe(
      'filtered: denied by base (ingress rule 1)',
    );
    const open = kubernetesPolicy('open', {
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{}],
    });
    expect(answer(clusterOf(release, lab, deny, open), 'lab/other', 'web')).toBe('yes');
  });

  it('reaches networks on the way out', () => {
    const out = policy('out', {
      egress: [{ action: 'Deny', to: [{ networks: ['10.2.0.64/26', '2001:db8::/64'] }] }],
    });
    const cluster = clusterOf(release, out);
    expect(answer(cluster, 'web', 'client')).toBe('filtered: denied by out (egress rule 1)');
    expect(answer(cluster, 'web', 'db')).toBe('yes');
  });

  it('denies all in place of what Calico cannot convert, and says so', () => {
    const named = { protocols: [{ destinationNamedPort: 'sql' }] };
    const says = (action: string, more: object) =>
      clusterOf(release, lab, policy('odd', { ingress: [{ action, from: [LAB], ...more }] }));
    for (const action of ['Deny', 'Pass']) {
      const cluster = says(action, named);
      expect(answer(cluster, 'client', 'web')).toBe('filtered: denied by odd (ingress rule 1)');
      expect(cluster.plan.assumptions.join('\n')).toContain(
        'rules that Calico cannot convert, so they deny all, or nothing where they would accept: odd ingress rule 1',
      );
    }
    expect(answer(says('Accept', named), 'client', 'web')).toBe('yes');
    const byName = policy('far', {
      egress: [{ action: 'Deny', to: [LAB, { domainNames: ['a.example'] }] }],
    });
    expect(answer(clusterOf(release, lab, byName), 'web', 'db')).toBe(
      'filtered: denied by far (egress rule 1)',
    );
  });

  it('is not known before v3.32, nor its forerunners from then on', () => {
    const deny = policy('p', { ingress: [{ action: 'Deny', from: [EVERYBODY] }] });
    const before = resource('ClusterInformation', 'default', { calicoVersion: 'v3.31.2' });
    const old = clusterOf(before, deny);
    expect(answer(old, 'client', 'web')).toBe('yes');
    expect(old.plan.assumptions.join('\n')).toContain(
      'not known to Calico v3.31, so not used: ClusterNetworkPolicy/p',
    );
    const admin = resource(
      'AdminNetworkPolicy',
      'a',
      { priority: 1, subject: WEB, ingress: [{ action: 'Deny', from: [EVERYBODY] }] },
      { api: 'policy.networking.k8s.io/v1alpha1' },
    );
    const young = clusterOf(release, admin);
    expect(answer(young, 'client', 'web')).toBe('yes');
    expect(young.plan.assumptions.join('\n')).toContain(
      'not known to Calico v3.33, so not used: AdminNetworkPolicy/a',
    );
  });

  it('decides as the GlobalNetworkPolicy does that says the same', () => {
    const peers = [
      [LAB, { namespaceSelector: "team == 'lab'" }],
      [EVERYBODY, { namespaceSelector: 'all()' }],
      [CLIENT, { selector: "app == 'client'" }],
    ] as const;
    const ports = [
      [{}, {}],
      [{ protocols: [{ tcp: {} }] }, { protocol: 'TCP' }],
      [
        { protocols: [{ tcp: { destinationPort: { number: 80 } } }] },
        { protocol: 'TCP', destination: { ports: [80] } },
      ],
      [
        {
          protocols: [
            { udp: { destinationPort: { range: { start: 50, end: 60 } } } },
            { udp: { destinationPort: { number: 80 } } },
          ],
        },
        { protocol: 'UDP', destination: { ports: ['50:60', 80] } },
      ],
    ] as const;
    const actions = [
      ['Accept', 'Allow'],
      ['Deny', 'Deny'],
      ['Pass', 'Pass'],
    ] as const;
    const rule = fc.tuple(
      fc.constantFrom(...actions),
      fc.constantFrom(...peers),
      fc.constantFrom(...ports),
    );
    const tiers = [
      ['Admin', 'kube-admin'],
      ['Baseline', 'kube-baseline'],
    ] as const;
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...tiers),
        fc.boolean(),
        (rules, [tier, calicoTier], closed) => {
          const first = policy('x', {
            tier,
            ingress: rules.map(([[action], [from], [more]]) => ({ action, from: [from], ...more })),
          });
          const twin = resource('GlobalNetworkPolicy', `${calicoTier}.x`, {
            tier: calicoTier,
            order: 10,
            selector: "app == 'web'",
            types: ['Ingress'],
            ingress: rules.map(([[, action], [, source], [, more]]) => ({
              action,
              source,
              ...more,
            })),
          });
          const others = [release, lab, ...(closed ? [own] : [])];
          const [a, b] = [clusterOf(...others, first), clusterOf(...others, twin)];
          const words = (said: string): string => said.replace(/denied by \S+/, 'denied by x');
          for (const from of ['client', 'lab/other', 'db', 'n2']) {
            for (const protocol of ['tcp', 'udp', 'icmp'] as const) {
              const probe = { protocol, ...(protocol === 'icmp' ? {} : { destinationPort: 80 }) };
              const said = answer(a, from, 'web', probe);
              expect(words(said)).toBe(words(answer(b, from, 'web', probe)));
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([
    ['a priority out of range', { priority: 1001 }],
    ['a tier of neither name', { tier: 'Default' as 'Admin' }],
    ['an action of another API', { ingress: [{ action: 'Allow', from: [EVERYBODY] }] }],
    [
      'a range that ends before it starts',
      {
        ingress: [
          {
            action: 'Deny',
            from: [EVERYBODY],
            protocols: [{ tcp: { destinationPort: { range: { start: 9, end: 8 } } } }],
          },
        ],
      },
    ],
    [
      'a port that is none',
      {
        ingress: [
          {
            action: 'Deny',
            from: [EVERYBODY],
            protocols: [{ tcp: { destinationPort: { number: 65536 } } }],
          },
        ],
      },
    ],
  ])('refuses %s', (_, spec) => {
    expect(() => clusterOf(release, policy('p', spec))).toThrow(PodwireError);
  });
});
