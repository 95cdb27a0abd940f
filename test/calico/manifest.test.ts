import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { loadManifests } from '../../src/calico/manifest.ts';
import { PodwireError } from '../../src/errors.ts';
import { formatIp4, formatMac, formatPrefix } from '../../src/wire/address.ts';
import { block, failure, freeInputs, node, pod, pool, underlay } from './manifests.ts';

const load = (...texts: string[]) =>
  loadManifests([{ text: texts.join('\n---\n'), source: 'all.yaml' }]);

describe('manifest', () => {
  it('reads a pool as calicoctl prints one, and its defaults', () => {
    const { pools } = load(
      `apiVersion: projectcalico.org/v3
items:
- apiVersion: projectcalico.org/v3
  kind: IPPool
  metadata:
    creationTimestamp: "2025-03-11T17:27:21Z"
    name: default-pool
    resourceVersion: "848"
  spec:
    allowedUses:
    - Workload
    - Tunnel
    blockSize: 24
    cidr: 10.233.64.0/18
    ipipMode: Never
    natOutgoing: true
    nodeSelector: all()
    vxlanMode: CrossSubnet
kind: IPPoolList
metadata:
  resourceVersion: "53359"
`,
      pool({ name: 'bare', cidr: '10.2.0.0/16' }),
    );
    const seen = pools.map(({ offersPods, offersTunnels, at, resource, cidr, ...rest }) => ({
      ...rest,
      cidr: formatPrefix(cidr),
      offers: offersPods(new Map(), new Map()) && offersTunnels(new Map()),
    }));
    expect(seen).toEqual([
      {
        name: 'bare',
        cidr: '10.2.0.0/16',
        blockSize: 26,
        ipipMode: 'Never',
        vxlanMode: 'Never',
        encapsulation: 'none',
        crossSubnet: false,
        natOutgoing: false,
        disabled: false,
        disableBgpExport: false,
        nodeSelector: 'all()',
        assignmentMode: 'Automatic',
        allowedUses: ['Workload', 'Tunnel'],
        offers: true,
      },
      {
        name: 'default-pool',
        cidr: '10.233.64.0/18',
        blockSize: 24,
        ipipMode: 'Never',
        vxlanMode: 'CrossSubnet',
        encapsulation: 'vxlan',
        crossSubnet: true,
        natOutgoing: true,
        disabled: false,
        disableBgpExport: false,
        nodeSelector: 'all()',
        assignmentMode: 'Automatic',
        allowedUses: ['Workload', 'Tunnel'],
        offers: true,
      },
    ]);
  });

  it('merges both shapes of one node, whichever file comes first', () => {
    const calicoctl = node('n1', '192.168.33.55/24', 'vxlanTunnelMACAddr: "66:00:00:00:00:01"');
    const kubectl = `apiVersion: v1
kind: NodeList
items:
- metadata:
    name: n1
    labels: {rack: "1", "node-role.kubernetes.io/control-plane": ""}
    annotations:
      projectcalico.org/IPv4Address: 192.168.33.55/24
      projectcalico.org/IPv4VXLANTunnelAddr: 10.2.36.72
      projectcalico.org/IPv4IPIPTunnelAddr: ""
  spec: {podCIDR: 10.244.0.0/24}
  status: {addresses: [{address: 192.168.33.55, type: InternalIP}]}
`;
    for (const texts of [
      [calicoctl, kubectl],
      [kubectl, calicoctl],
    ]) {
      const files = texts.map((text, i) => ({ text, source: `${i}.yaml` }));
      const [merged, ...none] = loadManifests(files).nodes;
      expect(none).toEqual([]);
      expect(formatPrefix(merged!.address!.value)).toBe('192.168.33.55/24');
      expect(formatIp4(merged!.vxlanAddress!.value)).toBe('10.2.36.72');
      expect(formatMac(merged!.vxlanMac!.value)).toBe('66:00:00:00:00:01');
      expect(merged!.ipipAddress).toBeUndefined();
      expect(merged!.labels.get('rack')).toBe('1');
    }
  });

  it('reads pods as kubectl prints them, and counts those without a network', () => {
    const manifest = load(`apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: dual, namespace: blue}
  spec: {nodeName: n1}
  status: {podIP: "fd00::1", podIPs: [{ip: "fd00::1"}, {ip: 10.2.0.5}]}
- apiVersion: v1
  kind: Pod
  metadata:
    name: annotated
    annotations:
      cni.projectcalico.org/podIP: ""
      cni.projectcalico.org/podIPs: fd00::2/128,10.2.0.6/32
      cni.projectcalico.org/hwAddr: 02:00:0a:02:24:47
  spec: {nodeName: n1}
  status: {phase: Running}
- {apiVersion: v1, kind: Pod, metadata: {name: job}, spec: {nodeName: n1}, status: {phase: Succeeded, podIP: 10.2.0.6}}
- {apiVersion: v1, kind: Pod, metadata: {name: proxy}, spec: {nodeName: n1, hostNetwork: true}, status: {podIP: 192.168.0.1}}
- {apiVersion: v1, kind: Pod, metadata: {name: pending}, spec: {}, status: {phase: Pending}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: api}}
- {apiVersion: projectcalico.org/v2, kind: IPPool, metadata: {name: old}}
- {apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: six}, spec: {cidr: "fd00::/48"}}
- {apiVersion: podwire/v1, kind: Scenario, spec: {anything: goes}}
`);
    expect(manifest.workloads.map(({ key, address }) => [key, formatIp4(address!.value)])).toEqual([
      ['blue/dual', '10.2.0.5'],
      ['default/annotated', '10.2.0.6'],
    ]);
    expect(formatMac(manifest.workloads[1]!.mac!)).toBe('02:00:0a:02:24:47');
    expect(manifest.ignored).toEqual([
      'Pod (finished) x1',
      'Pod (host network) x1',
      'Pod (no node) x1',
      'Deployment x2',
      'IPPool (projectcalico.org/v2) x1',
      'IPPool (IPv6) x1',
    ]);
  });

  it('lets a WorkloadEndpoint override interface and MAC of its pod', () => {
    const endpoint = `apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: n1-k8s-web-eth0, namespace: default}
spec:
  node: n1
  pod: web
  endpoint: eth0
  interfaceName: cali0123456789a
  ipNetworks: [10.2.0.9/32, "fd00::9/128"]
  mac: 02:00:00:00:00:09`;
    for (const texts of [
      [endpoint],
      [endpoint, pod('web', 'n1')],
      [pod('web', 'n1', '10.2.0.9'), endpoint],
    ]) {
      const { workloads } = load(...texts);
      expect(workloads).toHaveLength(1);
      expect(workloads[0]).toMatchObject({
        key: 'default/web',
        device: 'cali0123456789a',
        mac: 0x20000000009,
      });
      expect(formatIp4(workloads[0]!.address!.value)).toBe('10.2.0.9');
    }
  });

  it('takes block owners from either resource, and skips what owns nothing', () => {
    const affinity = (
      cidr: string,
      state: string,
      deleted: string,
    ) => `apiVersion: crd.projectcalico.org/v1
kind: BlockAffinity
metadata: {name: n1-x}
spec: {cidr: ${cidr}, deleted: "${deleted}", node: n1, state: ${state}}`;
    const { claims, ignored } = load(
      block('10.2.0.0/26', 'n1'),
      affinity('10.2.0.0/26', 'confirmed', 'false'),
      affinity('10.2.1.0/26', 'confirmed', 'true'),
      affinity('10.2.2.0/26', 'pending', 'false'),
      block('10.2.3.0/26', 'n1').replace('host:n1', 'virtual:load-balancer'),
      block('10.2.4.0/26', 'n1').replace('  affinity: host:n1\n', ''),
      `${block('10.2.5.0/26', 'n1')}\n  deleted: true`,
    );
    expect(claims.map(({ cidr, node }) => [formatPrefix(cidr), node])).toEqual([
      ['10.2.0.0/26', 'n1'],
      ['10.2.0.0/26', 'n1'],
      ['10.2.3.0/26', undefined],
      ['10.2.4.0/26', undefined],
    ]);
    expect(ignored.map((line) => line.split(' (')[0])).toEqual(['BlockAffinity', 'IPAMBlock']);
  });

  it('accepts CRLF, a byte order mark, aliases, names like constructor', () => {
    const crlf = `\ufeff${pool({ name: 'constructor' })}\n---\n${node('tostring', '10.0.0.1/24')}`;
    const manifest = load(crlf.replaceAll('\n', '\r\n'));
    expect(manifest.pools.map(({ name }) => name)).toEqual(['constructor']);
    expect(manifest.nodes.map(({ name }) => name)).toEqual(['tostring']);
    const aliased = load(`apiVersion: v1
kind: List
items:
- &p {apiVersion: v1, kind: Pod, metadata: {name: a, namespace: &ns blue}, spec: {nodeName: n1}}
- {apiVersion: v1, kind: Pod, metadata: {name: b, namespace: *ns}, spec: {nodeName: n1}}`);
    expect(aliased.workloads.map(({ key }) => key)).toEqual(['blue/a', 'blue/b']);
  });
});

const two = [node('n1', '10.0.0.11/24'), node('n2', '10.0.0.12/24')];

/** Every refusal: its name, the text, the code, the line and the words. */
const refusals: [name: string, texts: string[], code: string, line: number, words: string][] = [
  [
    'a wrong mode',
    [pool({ more: ['ipipMode: always'] })],
    'VALUE',
    7,
    'IPPool/pool spec.ipipMode: expected Always, CrossSubnet or Never, found "always"',
  ],
  [
    'a number as mode',
    [pool({ more: ['vxlanMode: 1'] })],
    'VALUE',
    7,
    'IPPool/pool spec.vxlanMode: expected Always, CrossSubnet or Never, found 1',
  ],
  [
    'host bits',
    [pool({ cidr: '10.2.0.1/16' })],
    'VALUE',
    6,
    'IPPool/pool spec.cidr: expected 10.2.0.0/16 (no bits beyond the length), found "10.2.0.1/16"',
  ],
  [
    'no prefix',
    [pool({ cidr: 'ten' })],
    'VALUE',
    6,
    'spec.cidr: expected an IPv4 prefix, found "ten"',
  ],
  [
    'a missing cidr',
    [pool().replace('  cidr: 10.2.0.0/16', '  natOutgoing: true')],
    'VALUE',
    6,
    'spec.cidr: expected an IPv4 prefix, found nothing',
  ],
  [
    'link-local pool',
    [pool({ cidr: '169.254.0.0/20' })],
    'VALUE',
    6,
    'expected a prefix outside 169.254.0.0/16',
  ],
  [
    'a block size out of range',
    [pool({ more: ['blockSize: 19'] })],
    'VALUE',
    7,
    'spec.blockSize: expected an integer from 20 to 32, found 19',
  ],
  [
    'a block size as text',
    [pool({ more: ['blockSize: "26"'] })],
    'VALUE',
    7,
    'expected an integer from 20 to 32, found "26"',
  ],
  [
    'a pool smaller than a block',
    [pool({ cidr: '10.2.0.0/27' })],
    'VALUE',
    6,
    'a pool that holds at least one block (blockSize 26, cidr 10.2.0.0/27)',
  ],
  [
    'a flag as text',
    [pool({ more: ['natOutgoing: "yes"'] })],
    'VALUE',
    7,
    'spec.natOutgoing: expected true or false, found "yes"',
  ],
  [
    'a selector',
    [pool({ more: ['nodeSelector: rack = 1'] })],
    'VALUE',
    7,
    'spec.nodeSelector: expected a label selector',
  ],
  [
    'an unknown use',
    [pool({ more: ['allowedUses: [Workload, Pods]'] })],
    'VALUE',
    7,
    'spec.allowedUses[1]: expected Workload, Tunnel or LoadBalancer, found "Pods"',
  ],
  [
    'both encapsulations',
    [pool({ more: ['ipipMode: Always', 'vxlanMode: CrossSubnet'] })],
    'CONFLICT',
    8,
    'IPPool/pool spec.vxlanMode: expected Never, since ipipMode is not, found "CrossSubnet" beside ipipMode "Always"',
  ],
  [
    'overlapping pools',
    [pool({ name: 'a' }), pool({ name: 'b', cidr: '10.2.128.0/20' })],
    'CONFLICT',
    13,
    'IPPool/b spec.cidr: expected no overlap with IPPool/a (10.2.0.0/16, cluster.yaml:6), found 10.2.128.0/20',
  ],
  [
    'one pool twice',
    [pool(), pool()],
    'CONFLICT',
    13,
    'IPPool/pool spec.cidr: expected each resource once, found another one in cluster.yaml:6',
  ],
  [
    'a bad node address',
    [node('n1', '10.0.0.300/24')],
    'VALUE',
    7,
    'Node/n1 spec.bgp.ipv4Address: expected an IPv4 ADDRESS/LENGTH, found "10.0.0.300/24"',
  ],
  [
    'a bad node name',
    [node('__proto__', '10.0.0.1/24')],
    'VALUE',
    4,
    'Node metadata.name: expected a name of letters, digits, "-" and ".", found "__proto__"',
  ],
  [
    'a multicast VTEP MAC',
    [node('n1', '10.0.0.1/24', 'vxlanTunnelMACAddr: "01:00:5e:00:00:01"')],
    'VALUE',
    8,
    'Node/n1 spec.vxlanTunnelMACAddr: expected a unicast Ethernet address, found "01:00:5e:00:00:01"',
  ],
  [
    'contradicting nodes',
    [node('n1', '10.0.0.1/24'), node('n1', '10.0.0.2/24')],
    'CONFLICT',
    15,
    'Node/n1 spec.bgp.ipv4Address: expected what cluster.yaml:7 says (spec.bgp.ipv4Address), found another value',
  ],
  [
    'an annotation',
    [
      'apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  annotations:\n    projectcalico.org/IPv4Address: here',
    ],
    'VALUE',
    6,
    'Node/n1 metadata.annotations["projectcalico.org/IPv4Address"]: expected an IPv4 ADDRESS/LENGTH, found "here"',
  ],
  [
    'duplicate node addresses',
    [node('n1', '10.0.0.1/24'), node('n2', '10.0.0.1/24')],
    'CONFLICT',
    15,
    'Node/n2 spec.bgp.ipv4Address: expected an address of its own, since Node/n1 has this one, found 10.0.0.1',
  ],
  [
    'a node without address or Underlay',
    ['apiVersion: v1\nkind: Node\nmetadata: {name: n1}'],
    'VALUE',
    1,
    'Node/n1 spec.bgp.ipv4Address: expected an IPv4 ADDRESS/LENGTH, or an Underlay',
  ],
  [
    'a subnet without room',
    [node('n1', '10.0.0.1/32')],
    'CONFLICT',
    7,
    'expected room for a router in the subnet, or an Underlay, found 10.0.0.1/32',
  ],
  [
    'a block with host bits',
    [block('10.2.0.1/26', 'n1')],
    'VALUE',
    7,
    'IPAMBlock/10-2-0-1-26 spec.cidr: expected 10.2.0.0/26 (no bits',
  ],
  [
    'a block too large',
    [block('10.2.0.0/16', 'n1')],
    'VALUE',
    7,
    'expected a block of length 20 to 32',
  ],
  [
    'a bad affinity',
    [block('10.2.0.0/26', 'n1').replace('host:n1', 'n1')],
    'VALUE',
    6,
    'spec.affinity: expected host:NODE, found "n1"',
  ],
  [
    'two owners',
    [...two, block('10.2.0.0/26', 'n1'), block('10.2.0.0/26', 'n2')],
    'CONFLICT',
    30,
    'spec.affinity: expected one owner of 10.2.0.0/26, n1 as cluster.yaml:22 says, found n2',
  ],
  [
    'overlapping blocks',
    [...two, block('10.2.0.0/26', 'n1'), block('10.2.0.32/28', 'n1')],
    'CONFLICT',
    30,
    'expected no overlap with block 10.2.0.0/26',
  ],
  [
    'a pod on an unknown node',
    [...two, pod('p', 'n3', '10.2.0.1')],
    'VALUE',
    22,
    'Pod/default/p spec.nodeName: expected the name of a Node among the resources, found "n3"',
  ],
  [
    'a bad pod address',
    [...two, pod('p', 'n1', '10.2.0')],
    'VALUE',
    24,
    'Pod/default/p status.podIP: expected an IPv4 address, found "10.2.0"',
  ],
  [
    'one address for two pods',
    [...two, pod('p', 'n1', '10.2.0.1'), pod('q', 'n2', '10.2.0.1')],
    'CONFLICT',
    33,
    'Pod/default/q status.podIP: expected an address of its own, since Pod/default/p has this one, found 10.2.0.1',
  ],
  [
    'a pod with a node’s address',
    [...two, pod('p', 'n1', '10.0.0.12')],
    'CONFLICT',
    24,
    'since Node/n2 has this one, found 10.0.0.12',
  ],
  [
    'a pod twice',
    [...two, pod('p', 'n1'), pod('p', 'n1')],
    'CONFLICT',
    24,
    'Pod/default/p: expected each resource once',
  ],
  [
    'a VTEP MAC twice',
    [
      pool({ more: ['vxlanMode: Always'] }),
      node('n1', '10.0.0.1/24', 'vxlanTunnelMACAddr: "66:00:00:00:00:01"'),
      node('n2', '10.0.0.2/24', 'vxlanTunnelMACAddr: "66:00:00:00:00:01"'),
    ],
    'CONFLICT',
    25,
    'expected a VTEP MAC of its own, since Node/n1 has this one, found 66:00:00:00:00:01',
  ],
  [
    'an unknown own kind',
    ['apiVersion: podwire/v1\nkind: Underley'],
    'VALUE',
    2,
    'document kind: expected Underlay, FreeInputs, Outage or Scenario of podwire/v1, found "Underley"',
  ],
  [
    'no kind',
    ['apiVersion: v1'],
    'VALUE',
    1,
    'document kind: expected a Kubernetes resource with apiVersion and kind, found nothing',
  ],
  ['a bare list', ['- 1\n- 2'], 'VALUE', 1, 'document: expected a mapping, found a list'],
  [
    'spec that is a list',
    ['apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: p}\nspec: [1]'],
    'VALUE',
    4,
    'IPPool/p spec: expected a mapping, found a list',
  ],
  [
    'items that are a mapping',
    ['apiVersion: v1\nkind: List\nitems: {a: 1}'],
    'VALUE',
    3,
    'document items: expected a list, found a mapping',
  ],
  [
    'two Underlays',
    [underlay('segments: []'), underlay('segments: []')],
    'CONFLICT',
    7,
    'Underlay: expected one Underlay, found another one in cluster.yaml:1',
  ],
  [
    'a free input for nobody',
    [
      ...two,
      freeInputs(
        'identifications:',
        '- {node: n9, source: 10.0.0.1, destination: 10.0.0.2, protocol: ipip, next: 1}',
      ),
    ],
    'VALUE',
    22,
    'FreeInputs spec.identifications[0].node: expected the name of a node or a namespace/pod of the cluster, found "n9"',
  ],
  [
    'an offload on an unknown device',
    [...two, freeInputs('checksumOffload:', '- {node: n1, device: eth9}')],
    'VALUE',
    22,
    'spec.checksumOffload[0].device: expected a device of n1 (lo, eth0), found "eth9"',
  ],
  [
    'one index for two devices',
    [
      ...two,
      freeInputs(
        'ifindex:',
        '- {node: n1, device: lo, index: 5}',
        '- {node: n1, device: eth0, index: 5}',
      ),
    ],
    'CONFLICT',
    23,
    'spec.ifindex[1]: expected an index of its own, since lo has this one, found 5',
  ],
  [
    'a port without a port',
    [
      ...two,
      freeInputs(
        'vxlanSourcePorts:',
        '- {node: n1, source: 10.2.0.1, destination: "10.2.0.2:80", protocol: tcp, port: 40000}',
      ),
    ],
    'VALUE',
    22,
    'spec.vxlanSourcePorts[0].source: expected an IPv4 ADDRESS:PORT, found "10.2.0.1"',
  ],
  [
    'an unknown protocol',
    [
      ...two,
      freeInputs(
        'vxlanSourcePorts:',
        '- {node: n1, source: 10.2.0.1, destination: 10.2.0.2, protocol: sctp, port: 40000}',
      ),
    ],
    'VALUE',
    22,
    'expected tcp, udp, icmp, ipip or a protocol number, found "sctp"',
  ],
  [
    'control characters',
    [pool({ more: ['ipipMode: "\\e[31m\\n"'] })],
    'VALUE',
    7,
    'found "\\x1b[31m\\x0a"',
  ],
];

describe('refusals', () => {
  it.each(refusals)('%s', (_name, texts, code, line, words) => {
    const error = failure(...texts);
    expect(error.message).toContain(words);
    expect(error.message.startsWith(`cluster.yaml:${line}: `)).toBe(true);
    expect([error.code, error.source, error.line]).toEqual([
      `ERR_CONFIG_${code}`,
      'cluster.yaml',
      line,
    ]);
    expect(error.message).not.toMatch(/\n/);
  });

  it('names the file at fault among several', () => {
    const files = [
      { text: node('n1', '10.0.0.1/24'), source: 'nodes.yaml' },
      { text: 'a: [', source: 'broken.yaml' },
    ];
    expect(() => planCluster(files)).toThrow(/^broken\.yaml:1: expected well-formed YAML/);
  });
});

describe('damaged manifests', () => {
  const sound = [
    pool({ more: ['vxlanMode: CrossSubnet', "nodeSelector: has(a) || rack == 'b'"] }),
    ...two,
    block('10.2.0.0/26', 'n1'),
    pod('p', 'n1', '10.2.0.1'),
    underlay(
      'segments: [{name: A, members: [{name: n1}, {name: n2}, {name: gw, address: 10.0.0.1/24}]}]',
      'routers: [{name: gw, routes: ["10.9.0.0/16 via 10.0.0.12"]}]',
    ),
    freeInputs('ifindex: [{node: n1, device: eth0, index: 7}]'),
    `${block('10.2.1.0/30', 'n2')}
  allocations: [0, null, 1, null]
  attributes:
  - {handle_id: a, secondary: {node: n2, type: vxlanTunnelAddress}}
  - {handle_id: b, secondary: {node: n2, namespace: default, pod: q}}
  unallocated: [3, 1]`,
    pod('q', 'n2'),
    pod('r', 'n2').replace(
      'spec:',
      `  annotations: {"cni.projectcalico.org/ipv4pools": '["pool"]'}\nspec:`,
    ),
    'apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {a: b}}',
    'apiVersion: projectcalico.org/v3\nkind: IPReservation\nmetadata: {name: r}\nspec: {reservedCIDRs: [10.2.1.3/32]}',
    'apiVersion: projectcalico.org/v3\nkind: IPAMConfiguration\nmetadata: {name: default}\nspec: {strictAffinity: false}',
  ].join('\n---\n');
  const splinters = fc.constantFrom(
    ...[
      '',
      ' ',
      '\n',
      '\t',
      ':',
      '- ',
      '*a',
      '&a ',
      '{',
      '}',
      '[',
      ']',
      '"',
      '0',
      '-1',
      '99999999999',
    ],
    ...[
      'null',
      '~',
      '!!binary x',
      '<<: *a',
      '__proto__',
      '1e400',
      '.nan',
      '\0',
      '\ud800',
      '0.0.0.0/0',
      '|',
      '---\n',
    ],
  );

  it('are refused with a place, or read: never another error', () => {
    const damage = fc.record({
      at: fc.nat({ max: sound.length }),
      cut: fc.nat({ max: 12 }),
      splinter: splinters,
    });
    let refused = 0;
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
        const text = damages.reduce(
          (t, { at, cut, splinter }) => t.slice(0, at) + splinter + t.slice(at + cut),
          sound,
        );
        try {
          planCluster([{ text, source: 'x.yaml' }]);
        } catch (error) {
          expect(error).toBeInstanceOf(PodwireError);
          expect((error as PodwireError).message).toMatch(/^x\.yaml:\d+: /);
          refused += 1;
        }
      }),
      { numRuns: 1500 },
    );
    expect(refused).toBeGreaterThan(300);
    expect(planCluster([{ text: sound, source: 'x.yaml' }]).namespaces).toHaveLength(6);
  });
});
