import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { answer, clusterOf, kubernetesPolicy, resource } from './policy-cases.ts';
import { namespaceOf } from './route-line.ts';

const policy = (name: string, spec: unknown) =>
  resource('NetworkPolicy', name, spec, { namespace: 'default' });
const WEB = { selector: "app == 'web'" };
const CLIENT = { source: { selector: "app == 'client'" } };
const lab = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'lab', labels: { team: 'lab' } },
});

describe('policies of pods', () => {
  it('allows everything where no policy is, with one table for all nodes', () => {
    const cluster = clusterOf();
    expect(answer(cluster, 'client', 'web')).toBe('yes');
    const [a, b] = ['n1', 'n2'].map((name) => namespaceOf(cluster.plan, name).netfilter);
    expect(a).toBe(b);
    expect(cluster.plan.ignored).toEqual([]);
  });

  it('denies what no policy allows once one selects the pod', () => {
    const cluster = clusterOf(policy('quiet', WEB));
    expect(answer(cluster, 'client', 'web')).toBe(
      'filtered: no policy of tier default allowed it (ingress of default/web)',
    );
    expect(answer(cluster, 'client', 'db')).toBe('yes');
    // Ingress only: what it sends is its profile's business.
    expect(answer(cluster, 'web', 'db')).toBe('yes');
    // A node without selected pods keeps the common rules.
    const chains = (name: string) =>
      namespaceOf(cluster.plan, name).netfilter!.chains.map((chain) => chain.name);
    expect(chains('n1').filter((name) => name.startsWith('cali-tw-'))).toHaveLength(2);
    expect(chains('n2').filter((name) => name.startsWith('cali-tw-'))).toEqual([]);
  });

  it('allows by selector, in its own namespace unless a namespaceSelector says otherwise', () => {
    const own = clusterOf(lab, policy('p', { ...WEB, ingress: [{ action: 'Allow', ...CLIENT }] }));
    expect(answer(own, 'client', 'web')).toBe('yes');
    expect(answer(own, 'lab/other', 'web')).toContain('no policy of tier default');
    const both = (namespaceSelector: string) =>
      clusterOf(
        lab,
        policy('p', {
          ...WEB,
          ingress: [{ action: 'Allow', source: { ...CLIENT.source, namespaceSelector } }],
        }),
      );
    expect(answer(both("team == 'lab'"), 'lab/other', 'web')).toBe('yes');
    expect(answer(both("team == 'lab'"), 'client', 'web')).toContain('no policy');
    expect(answer(both('all()'), 'lab/other', 'web')).toBe('yes');
    expect(answer(both('global()'), 'lab/other', 'web')).toContain('no policy');
  });

  it('matches ports, ranges, notPorts, protocols and names of ports', () => {
    const db = (rule: object) =>
      clusterOf(policy('p', { selector: "app == 'db'", ingress: [rule] }));
    const list = db({ action: 'Allow', protocol: 'TCP', destination: { ports: [22, '80:90'] } });
    expect(answer(list, 'client', 'db', { destinationPort: 90 })).toBe('yes');
    expect(answer(list, 'client', 'db', { destinationPort: 22 })).toBe('yes');
    expect(answer(list, 'client', 'db', { destinationPort: 91 })).toContain('no policy');
    expect(answer(list, 'client', 'db', { protocol: 'udp' })).toContain('no policy');
    const not = db({ action: 'Allow', protocol: 6, destination: { notPorts: [80] } });
    expect(answer(not, 'client', 'db')).toContain('no policy');
    expect(answer(not, 'client', 'db', { destinationPort: 81 })).toBe('yes');
    const named = db({ action: 'Allow', protocol: 'TCP', destination: { ports: ['sql'] } });
    expect(answer(named, 'client', 'db', { destinationPort: 5432 })).toBe('yes');
    expect(answer(named, 'client', 'db')).toContain('no policy');
    const other = db({ action: 'Allow', notProtocol: 'TCP' });
    expect(answer(other, 'client', 'db')).toContain('no policy');
    expect(answer(other, 'client', 'db', { protocol: 'icmp' })).toBe('yes');
  });

  it('matches ICMP by type', () => {
    const of = (key: string, type: number) =>
      clusterOf(
        policy('p', { ...WEB, ingress: [{ action: 'Allow', protocol: 'ICMP', [key]: { type } }] }),
      );
    const ping = { protocol: 'icmp' } as const;
    expect(answer(of('icmp', 8), 'client', 'web', ping)).toBe('yes');
    expect(answer(of('icmp', 13), 'client', 'web', ping)).toContain('no policy');
    expect(answer(of('notICMP', 8), 'client', 'web', ping)).toContain('no policy');
  });

  it('asks policies by order, then name, and the first rule that matches decides', () => {
    const deny = { ...WEB, ingress: [{ action: 'Log' }, { action: 'Deny', ...CLIENT }] };
    const allow = { ...WEB, ingress: [{ action: 'Allow' }] };
    const denied = 'filtered: denied by default/no (ingress rule 2)';
    expect(answer(clusterOf(policy('no', deny), policy('yes', allow)), 'client', 'web')).toBe(
      denied,
    );
    expect(
      answer(clusterOf(policy('no', deny), policy('yes', { ...allow, order: 7 })), 'client', 'web'),
    ).toBe('yes');
    expect(
      answer(
        clusterOf(policy('no', { ...deny, order: 5 }), policy('yes', { ...allow, order: 7 })),
        'client',
        'web',
      ),
    ).toBe(denied);
  });

  it('asks tier after tier; Pass goes on to the next, the end of a tier denies', () => {
    const tier = (spec: object) => resource('Tier', 'first', { order: 10, ...spec });
    const first = (ingress: object[]) =>
      resource('GlobalNetworkPolicy', 'first.all', { tier: 'first', selector: 'all()', ingress });
    const allow = policy('yes', { ...WEB, ingress: [{ action: 'Allow' }] });
    expect(answer(clusterOf(tier({}), first([]), allow), 'client', 'web')).toBe(
      'filtered: no policy of tier first allowed it (ingress of default/web)',
    );
    const pass = first([{ action: 'Pass', ...CLIENT }]);
    expect(answer(clusterOf(tier({}), pass, allow), 'client', 'web')).toBe('yes');
    expect(answer(clusterOf(tier({}), pass, policy('quiet', WEB)), 'client', 'web')).toContain(
      'tier default',
    );
    // To the profile after the last tier.
    expect(answer(clusterOf(tier({}), pass), 'client', 'db')).toBe('yes');
    expect(
      answer(clusterOf(tier({ defaultAction: 'Pass' }), first([]), allow), 'client', 'web'),
    ).toBe('yes');
    expect(() => clusterOf(first([]))).toThrow('expected a tier that exists, found tier first');
  });

  it('asks the egress of the sender before the ingress of the receiver', () => {
    const egress = policy('out', {
      selector: "app == 'web'",
      egress: [
        { action: 'Deny', destination: { nets: ['10.2.0.0/24'], notNets: ['10.2.0.65'] } },
        { action: 'Allow' },
      ],
    });
    const cluster = clusterOf(egress, policy('quiet', { selector: "app == 'db'" }));
    expect(answer(cluster, 'web', 'db')).toBe('filtered: denied by default/out (egress rule 1)');
    expect(answer(cluster, 'web', 'client')).toBe('yes');
    // Types follow from the rules: nothing is said of what web receives.
    expect(answer(cluster, 'client', 'web')).toBe('yes');
  });

  it('lets a node reach its own pods whatever the policies say, and no other node', () => {
    const cluster = clusterOf(policy('quiet', WEB));
    expect(answer(cluster, 'n1', 'web')).toBe('yes');
    expect(answer(cluster, 'n2', 'web')).toContain('no policy of tier default');
  });

  it('polices a pod that speaks to its node, and then the action of Felix decides', () => {
    const quiet = policy('quiet', { ...WEB, types: ['Egress'] });
    const felix = resource('FelixConfiguration', 'default', {
      defaultEndpointToHostAction: 'Drop',
    });
    expect(answer(clusterOf(quiet), 'web', 'n1')).toContain('egress of default/web');
    expect(answer(clusterOf(quiet), 'db', 'n1')).not.toContain('filtered');
    const action = 'filtered: defaultEndpointToHostAction is Drop';
    expect(answer(clusterOf(quiet, felix), 'db', 'n1')).toBe(action);
    expect(answer(clusterOf(felix), 'db', 'n1')).toBe(action);
    expect(answer(clusterOf(felix), 'n1', 'db')).toBe('yes');
  });

  it('lets replies of an allowed connection pass', () => {
    const cluster = clusterOf(
      policy('one-way', {
        selector: "app == 'client'",
        types: ['Ingress', 'Egress'],
        egress: [{ action: 'Allow' }],
      }),
    );
    const answered = { protocol: 'udp', sourcePort: 53, destinationPort: 40000 } as const;
    const refused = 'filtered: no policy of tier default allowed it (ingress of default/client)';
    expect(answer(cluster, 'web', 'client', answered)).toBe(refused);
    const question = { protocol: 'udp', destinationPort: 53 } as const;
    expect(answer(cluster, 'client', 'web', question)).not.toContain('filtered');
    expect(answer(cluster, 'web', 'client', answered)).not.toContain('filtered');
    expect(answer(cluster, 'web', 'client', { ...answered, sourcePort: 54 })).toBe(refused);
  });

  it('speaks of service accounts and network sets', () => {
    const account = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'ann', namespace: 'default', labels: { role: 'reader' } },
    });
    for (const serviceAccounts of [{ names: ['ann'] }, { selector: "role == 'reader'" }]) {
      const cluster = clusterOf(
        account,
        policy('p', { ...WEB, ingress: [{ action: 'Allow', source: { serviceAccounts } }] }),
      );
      expect(answer(cluster, 'client', 'web')).toBe('yes');
      expect(answer(cluster, 'db', 'web')).toContain('no policy');
    }
    const set = resource(
      'GlobalNetworkSet',
      'lab',
      { nets: ['10.2.0.66/32'] },
      { labels: { zone: 'lab' } },
    );
    const cluster = clusterOf(
      set,
      resource('GlobalNetworkPolicy', 'p', {
        selector: "app == 'web'",
        ingress: [{ action: 'Deny', source: { selector: "zone == 'lab'" } }, { action: 'Allow' }],
      }),
    );
    expect(answer(cluster, 'lab/other', 'web')).toBe('filtered: denied by p (ingress rule 1)');
    expect(answer(cluster, 'client', 'web')).toBe('yes');
  });

  it('asks a Profile where one is written', () => {
    const profile = resource('Profile', 'kns.default', {
      ingress: [{ action: 'Deny', source: { selector: "app == 'client'" } }, { action: 'Allow' }],
      egress: [{ action: 'Allow' }],
    });
    const cluster = clusterOf(profile);
    expect(answer(cluster, 'client', 'web')).toBe(
      'filtered: denied by profile kns.default (ingress rule 1)',
    );
    expect(answer(cluster, 'db', 'web')).toBe('yes');
  });

  it('refuses what it does not model or Calico does not take', () => {
    const text = policy('p', {
      ...WEB,
      ingress: [{ action: 'Allow', http: { methods: ['GET'] } }],
    });
    expect(() => clusterOf(text)).toThrow(PodwireError);
    expect(() => clusterOf(text)).toThrow(/cluster\.yaml:\d+.*http/);
    for (const source of [
      { services: { name: 'a' }, nets: ['10.0.0.0/8'] },
      { ports: [80] },
      { nets: ['10.2.0.0/33'] },
    ]) {
      const bad = policy('p', { ...WEB, ingress: [{ action: 'Allow', source }] });
      expect(() => clusterOf(bad)).toThrow(PodwireError);
    }
    for (const spec of [
      { doNotTrack: true },
      { preDNAT: true, doNotTrack: true, applyOnForward: true },
      { preDNAT: true, applyOnForward: true, egress: [{ action: 'Allow' }] },
    ]) {
      expect(() => clusterOf(resource('GlobalNetworkPolicy', 'h', spec))).toThrow(PodwireError);
    }
    expect(() => clusterOf(resource('HostEndpoint', 'h', { node: 'n1' }))).toThrow(
      'expected interfaceName or expectedIPs',
    );
    // Untracked policies are of hosts alone, whatever they select.
    const hosts = { selector: 'all()', doNotTrack: true, applyOnForward: true };
    const cluster = clusterOf(resource('GlobalNetworkPolicy', 'h', hosts));
    expect(answer(cluster, 'client', 'web')).toBe('yes');
  });
});

describe('policies of Kubernetes', () => {
  const db = { podSelector: { matchLabels: { app: 'db' } } };

  it('denies by selection and allows by pod, namespace and port', () => {
    const from = (peer: object) => kubernetesPolicy('p', { ...db, ingress: [{ from: [peer] }] });
    const pods = {
      podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['client'] }] },
    };
    const own = clusterOf(lab, from(pods));
    expect(answer(own, 'client', 'db')).toBe('yes');
    expect(answer(own, 'lab/other', 'db')).toContain('no policy of tier default');
    expect(answer(own, 'web', 'db')).toContain('no policy of tier default');
    const spaces = clusterOf(
      lab,
      from({ ...pods, namespaceSelector: { matchLabels: { team: 'lab' } } }),
    );
    expect(answer(spaces, 'lab/other', 'db')).toBe('yes');
    expect(answer(spaces, 'client', 'db')).toContain('no policy');
    const ports = clusterOf(
      kubernetesPolicy('p', {
        ...db,
        ingress: [
          { ports: [{ port: 80, endPort: 85 }, { protocol: 'UDP', port: 53 }, { port: 'sql' }] },
        ],
      }),
    );
    expect(answer(ports, 'client', 'db', { destinationPort: 85 })).toBe('yes');
    expect(answer(ports, 'client', 'db', { destinationPort: 86 })).toContain('no policy');
    expect(answer(ports, 'client', 'db', { destinationPort: 5432 })).toBe('yes');
    expect(answer(ports, 'client', 'db', { protocol: 'udp', destinationPort: 53 })).not.toContain(
      'filtered',
    );
    expect(answer(ports, 'client', 'db', { protocol: 'udp', destinationPort: 80 })).toContain(
      'no policy',
    );
  });

  it('takes an ipBlock without its exceptions, and both directions by default with egress', () => {
    const cluster = clusterOf(
      kubernetesPolicy('p', {
        ...db,
        egress: [{ to: [{ ipBlock: { cidr: '10.2.0.0/24', except: ['10.2.0.64/31'] } }] }],
      }),
    );
    expect(answer(cluster, 'db', 'web')).toBe('yes');
    expect(answer(cluster, 'db', 'client')).toContain('egress of default/db');
    expect(answer(cluster, 'web', 'db')).toContain('ingress of default/db');
  });

  it('comes after a policy of Calico with a lower order, and before one without', () => {
    const no = (order?: number) =>
      policy('no', { selector: "app == 'db'", order, ingress: [{ action: 'Deny' }] });
    const yes = kubernetesPolicy('p', { ...db, ingress: [{}] });
    expect(answer(clusterOf(no(999), yes), 'client', 'db')).toContain('denied by default/no');
    expect(answer(clusterOf(no(), yes), 'client', 'db')).toBe('yes');
  });
});
