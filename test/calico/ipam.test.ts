import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { PodwireError } from '../../src/errors.ts';
import { formatIp4, formatPrefix } from '../../src/wire/address.ts';
import { addressesOf, block, node, pod, pool } from './manifests.ts';

type Addressed = ReturnType<typeof addressesOf>;

const of = ({ pods }: Addressed, name: string): string => formatIp4(pods.get(`default/${name}`)!);
const vtep = ({ tunnels }: Addressed, name: string) => formatIp4(tunnels.vxlan.get(name)!);
const blocksOf = ({ blocks }: Addressed, name: string): string[] =>
  blocks.filter((b) => b.node === name).map(({ cidr }) => formatPrefix(cidr));
const used = ({ facts }: Addressed, cidr: string) =>
  facts
    .find((b) => formatPrefix(b.cidr) === cidr)
    ?.allocations.map(({ address, node: on, use }) => `${formatIp4(address)} ${on} ${use}`);

const annotated = (resource: string, ...lines: string[]): string =>
  resource.replace('spec:', `  annotations:\n${lines.map((l) => `    ${l}\n`).join('')}spec:`);
const asks = (name: string, list: readonly string[]) =>
  `cni.projectcalico.org/${name}: '${JSON.stringify(list)}'`;
const namespace = (name: string, ...metadata: string[]): string =>
  ['apiVersion: v1', 'kind: Namespace', 'metadata:', `  name: ${name}`]
    .concat(metadata.map((line) => `  ${line}`))
    .join('\n');
const inNamespace = (resource: string, name: string): string =>
  resource.replace('metadata:', `metadata:\n  namespace: ${name}`);
const config = (spec: string): string =>
  `apiVersion: projectcalico.org/v3\nkind: IPAMConfiguration\nmetadata: {name: default}\nspec: {${spec}}`;
const reservation = (...cidrs: string[]): string =>
  `apiVersion: projectcalico.org/v3\nkind: IPReservation\nmetadata: {name: r}\nspec: {reservedCIDRs: [${cidrs.map((c) => `"${c}"`)}]}`;
const many = (count: number, on: string) =>
  Array.from({ length: count }, (_, i) => pod(`p${String(i).padStart(4, '0')}`, on));

const n1 = node('n1', '10.0.0.11/24');
const n2 = node('n2', '10.0.0.12/24');
const n3 = node('n3', '10.0.0.13/24');

const failing = (...texts: string[]): string => {
  try {
    addressesOf(...texts);
  } catch (error) {
    if (!(error instanceof PodwireError)) throw error;
    expect(error.message).toMatch(/^cluster\.yaml:\d+: /);
    return `${error.code} ${error.message}`;
  }
  return 'no error';
};

describe('IPAM', () => {
  it('B13: gives a node another block only when its blocks are full', () => {
    const cluster = [pool({ more: ['vxlanMode: Always'] }), node('k8s-node1', '10.0.0.11/24')];
    const full = addressesOf(...cluster, ...many(63, 'k8s-node1'));
    expect(blocksOf(full, 'k8s-node1')).toEqual(['10.2.36.64/26']);
    expect(of(full, 'p0062')).toBe('10.2.36.127');
    const more = addressesOf(...cluster, ...many(64, 'k8s-node1'));
    // The one after the first, as the walk goes.
    expect(blocksOf(more, 'k8s-node1')).toEqual(['10.2.36.64/26', '10.2.36.128/26']);
    expect(of(more, 'p0063')).toBe('10.2.36.128');
  });

  it('B14: gives a pod the base address of a block', () => {
    const made = addressesOf(
      pool({ cidr: '198.19.16.0/21' }),
      node('node1', '198.19.0.2/20'),
      pod('customer', 'node1'),
    );
    expect(of(made, 'customer')).toBe('198.19.22.128');
  });

  it('B25, B27: gives nothing of a pool that selects no node, but to whom it is asked for', () => {
    const cluster = [
      pool({ name: 'default-pool', cidr: '198.19.16.0/21' }),
      pool({
        name: 'external-pool',
        cidr: '198.19.24.0/21',
        more: ['blockSize: 29', 'ipipMode: Never', 'natOutgoing: true', 'nodeSelector: "!all()"'],
      }),
      node('node1', '198.19.0.2/20'),
      namespace('external-ns', 'annotations:', `  ${asks('ipv4pools', ['external-pool'])}`),
    ];
    const made = addressesOf(
      ...cluster,
      inNamespace(pod('nginx', 'node1'), 'external-ns'),
      pod('other', 'node1'),
    );
    // What curl reached in the source document.
    expect(formatIp4(made.pods.get('external-ns/nginx')!)).toBe('198.19.28.208');
    expect(of(made, 'other')).toBe('198.19.22.128');
    expect(blocksOf(made, 'node1')).toEqual(['198.19.22.128/26', '198.19.28.208/29']);
    expect(blocksOf(addressesOf(...cluster), 'node1')).toEqual(['198.19.22.128/26']);
  });

  it('B32: counts in each block what is used, and nothing twice', () => {
    const made = addressesOf(
      pool({ more: ['vxlanMode: Always'] }),
      n1,
      n2,
      ...many(70, 'n1'),
      pod('far', 'n2', '10.2.200.7'),
      annotated(pod('alien', 'n2'), asks('ipAddrsNoIpam', ['10.2.200.9'])),
    );
    const counted = made.facts.flatMap(({ allocations }) => allocations);
    expect(new Set(counted.map(({ address }) => address)).size).toBe(counted.length);
    // 70 pods, two tunnels, and the one with an address of its own; not the alien.
    expect(counted.length).toBe(73);
    for (const { cidr, allocations, pool: name } of made.facts) {
      expect(name).toBe('pool');
      const size = 2 ** (32 - cidr.length);
      for (const { address } of allocations) {
        const ordinal = (address >>> 0) - (cidr.address >>> 0);
        expect(ordinal >= 0 && ordinal < size).toBe(true);
      }
    }
    expect(used(made, '10.2.200.0/26')).toEqual([
      '10.2.200.0 n2 vxlanTunnelAddress',
      '10.2.200.7 n2 default/far',
    ]);
  });

  it('C12: leaves a stated tunnel address where it is, and the block around it', () => {
    const made = addressesOf(
      pool({ cidr: '10.233.64.0/18', more: ['vxlanMode: Always'] }),
      node('worker1', '10.0.0.11/24', 'ipv4VXLANTunnelAddr: 10.233.105.132'),
      pod('a', 'worker1'),
    );
    expect(vtep(made, 'worker1')).toBe('10.233.105.132');
    expect(blocksOf(made, 'worker1')).toEqual(['10.233.105.128/26']);
    expect(of(made, 'a')).toBe('10.233.105.128');
  });

  it('E4: lets a third node borrow when two blocks are all there are', () => {
    const small = pool({ cidr: '10.2.0.0/24', more: ['blockSize: 25', 'vxlanMode: Always'] });
    const made = addressesOf(small, n1, n2, n3, pod('a', 'n3'));
    expect(['n1', 'n2', 'n3'].map((name) => blocksOf(made, name).length)).toEqual([1, 1, 0]);
    expect(made.notes).toContain('no pool that selects the node has one left: n3');
    expect(made.notes).toContain('borrowed from a block of another node: vxlan of n3, default/a');
    const lender = made.facts.find(({ allocations }) => allocations.some((x) => x.node === 'n3'))!;
    expect(lender.allocations.map(({ node: on, use }) => `${on} ${use}`)).toEqual([
      `${lender.node} vxlanTunnelAddress`,
      'n3 vxlanTunnelAddress',
      'n3 default/a',
    ]);
    expect(failing(small, n1, n2, n3, config('strictAffinity: true'))).toMatch(
      /^ERR_CONFIG_CONFLICT .*Node\/n3: expected a free address on node n3 for vxlan of n3, found no free block left in IPPool\/pool, and strictAffinity forbids to borrow$/,
    );
  });

  it('D27: reads allocations as kubectl prints them', () => {
    const dump = `apiVersion: crd.projectcalico.org/v1
kind: IPAMBlock
metadata: {name: 10-2-7-0-29}
spec:
  affinity: host:n1
  allocations: [0, null, 1, null, 2, 3, 4, null]
  attributes:
  - {handle_id: vxlan-tunnel-addr-n1, secondary: {node: n1, type: vxlanTunnelAddress}}
  - {handle_id: k8s-pod-network.aa, secondary: {namespace: default, node: n1, pod: a}}
  - {handle_id: k8s-pod-network.bb, secondary: {namespace: apps, node: n2, pod: gone}}
  - {handle_id: k8s-pod-network.cc, secondary: {namespace: default, node: n1, pod: old}}
  - {handle_id: windows-reserved-ipam-handle}
  cidr: 10.2.7.0/29
  deleted: false
  strictAffinity: false
  unallocated: [7, 1, 3]`;
    const made = addressesOf(
      pool({ more: ['blockSize: 29', 'vxlanMode: Always'] }),
      n1,
      dump,
      pod('a', 'n1'),
      pod('b', 'n1'),
      pod('c', 'n1'),
      pod('other', 'n1', '10.2.7.5'),
    );
    expect(vtep(made, 'n1')).toBe('10.2.7.0');
    expect(of(made, 'a')).toBe('10.2.7.2');
    // What was released last is given last.
    expect([of(made, 'b'), of(made, 'c')]).toEqual(['10.2.7.7', '10.2.7.1']);
    expect(used(made, '10.2.7.0/29')).toEqual([
      '10.2.7.0 n1 vxlanTunnelAddress',
      '10.2.7.1 n1 default/c',
      '10.2.7.2 n1 default/a',
      '10.2.7.4 n2 apps/gone',
      '10.2.7.5 n1 default/other',
      '10.2.7.6 n1 windows-reserved-ipam-handle',
      '10.2.7.7 n1 default/b',
    ]);
    expect(made.notes).toContain('10.2.7.5 of default/old');
    expect(failing(pool(), n1, dump.replace('[0, null', '[9, null'))).toMatch(
      /^ERR_CONFIG_VALUE .*spec\.allocations\[0\]: expected an index into attributes \(5\), found 9$/,
    );
    expect(failing(pool(), n1, dump.replace('[7, 1, 3]', '[7, 1, 7]'))).toContain(
      'expected each ordinal once',
    );
    expect(failing(pool(), n1, dump.replace('[7, 1, 3]', '[8]'))).toContain(
      'spec.unallocated[0]: expected an integer from 0 to 7, found 8',
    );
  });

  it('fills the blocks of a node in the order of their names', () => {
    const made = addressesOf(
      pool(),
      n1,
      block('10.2.36.64/26', 'n1'),
      block('10.2.104.0/26', 'n1'),
      pod('a', 'n1'),
    );
    expect(of(made, 'a')).toBe('10.2.104.0');
  });

  it('takes an IPAMBlock and its BlockAffinity for one block', () => {
    const affinity = `apiVersion: crd.projectcalico.org/v1
kind: BlockAffinity
metadata: {name: n1-10-2-7-0-29}
spec: {cidr: 10.2.7.0/29, deleted: "false", node: n1, state: confirmed}`;
    const orphan = `apiVersion: crd.projectcalico.org/v1
kind: IPAMBlock
metadata: {name: b}
spec: {cidr: 10.2.7.0/29, allocations: [], attributes: [], unallocated: [5]}`;
    for (const texts of [
      [affinity, orphan],
      [orphan, affinity],
    ]) {
      const made = addressesOf(pool({ more: ['blockSize: 29'] }), n1, ...texts, pod('a', 'n1'));
      expect(of(made, 'a')).toBe('10.2.7.5');
    }
  });

  it('lets annotations of the pod overrule those of its namespace, by name or CIDR', () => {
    const cluster = [
      pool({ name: 'a', cidr: '10.2.0.0/24' }),
      pool({ name: 'b', cidr: '10.3.0.0/24', more: ['assignmentMode: Manual'] }),
      pool({ name: 'c', cidr: '10.4.0.0/24', more: ['nodeSelector: "!all()"'] }),
      pool({ name: 'd', cidr: '10.5.0.0/24', more: ['disabled: true'] }),
      pool({ name: 'e', cidr: '10.6.0.0/24', more: ['allowedUses: [Tunnel]'] }),
      n1,
      namespace('default', 'annotations:', `  ${asks('ipv4pools', ['b'])}`),
    ];
    const made = addressesOf(
      ...cluster,
      pod('p1', 'n1'),
      annotated(pod('p2', 'n1'), asks('ipv4pools', ['10.4.0.0/24', 'a'])),
      inNamespace(pod('p3', 'n1'), 'elsewhere'),
    );
    expect(of(made, 'p1')).toMatch(/^10\.3\.0\./);
    expect(of(made, 'p2')).toMatch(/^10\.4\.0\./);
    expect(formatIp4(made.pods.get('elsewhere/p3')!)).toMatch(/^10\.2\.0\./);
    for (const bad of ['d', 'nobody', '10.2.0.0/25']) {
      expect(failing(...cluster, annotated(pod('p', 'n1'), asks('ipv4pools', [bad])))).toMatch(
        /^ERR_CONFIG_VALUE .*ipv4pools"\]: expected names or CIDRs of enabled IPPools, found/,
      );
    }
    expect(failing(...cluster, annotated(pod('p', 'n1'), asks('ipv4pools', ['e'])))).toContain(
      'expected an IPPool with Workload among its allowedUses',
    );
  });

  it('refuses annotations that are not JSON lists of what they should be', () => {
    const list = ['{"a":1}', '[1]', 'a,b', '["10.2.0.1","10.2.0.2"]', '["::1","x"]', '"10.2.0.1"'];
    for (const value of list) {
      const asking = (name: string) =>
        annotated(pod('p', 'n1'), `cni.projectcalico.org/${name}: '${value}'`);
      expect(failing(pool(), n1, asking('ipAddrs'))).toMatch(/^ERR_CONFIG_VALUE .*JSON list/);
    }
    const deep = '['.repeat(100_000);
    expect(
      failing(pool(), n1, annotated(pod('p', 'n1'), `cni.projectcalico.org/ipv4pools: '${deep}'`)),
    ).toContain('expected a JSON list');
    expect(
      failing(
        pool(),
        n1,
        annotated(
          pod('p', 'n1'),
          asks('ipAddrs', ['10.2.0.1']),
          asks('ipAddrsNoIpam', ['1.2.3.4']),
        ),
      ),
    ).toMatch(/^ERR_CONFIG_CONFLICT .*expected ipAddrs or ipAddrsNoIpam, found both$/);
  });

  it('selects pools by the labels of namespaces, the name among them', () => {
    const made = addressesOf(
      pool({ name: 'a', cidr: '10.2.0.0/24', more: ["namespaceSelector: team == 'x'"] }),
      pool({
        name: 'b',
        cidr: '10.3.0.0/24',
        more: ["namespaceSelector: kubernetes.io/metadata.name == 'default'"],
      }),
      n1,
      namespace('team-x', 'labels: {team: x}'),
      inNamespace(pod('p', 'n1'), 'team-x'),
      pod('q', 'n1'),
    );
    expect(formatIp4(made.pods.get('team-x/p')!)).toMatch(/^10\.2\.0\./);
    expect(of(made, 'q')).toMatch(/^10\.3\.0\./);
  });

  it('gives a pod the address it asks for, in a block of its own or borrowed', () => {
    const asking = (name: string, on: string, ip: string) =>
      annotated(pod(name, on), asks('ipAddrs', [ip]));
    const made = addressesOf(
      pool(),
      n1,
      n2,
      asking('own', 'n1', '10.2.9.70'),
      block('10.2.5.0/26', 'n2'),
      asking('guest', 'n1', '10.2.5.9'),
    );
    expect([of(made, 'own'), of(made, 'guest')]).toEqual(['10.2.9.70', '10.2.5.9']);
    expect(blocksOf(made, 'n1')).toEqual(['10.2.9.64/26']);
    expect(used(made, '10.2.5.0/26')).toEqual(['10.2.5.9 n1 default/guest']);

    const strict = config('strictAffinity: true');
    expect(
      failing(pool(), n1, n2, block('10.2.5.0/26', 'n2'), asking('g', 'n1', '10.2.5.9'), strict),
    ).toMatch(
      /expected an address in a block of n1, since strictAffinity is set, found 10\.2\.5\.9/,
    );
    expect(failing(pool(), n1, asking('g', 'n1', '10.3.0.1'))).toMatch(
      /expected an address in an enabled IPPool, found 10\.3\.0\.1$/,
    );
    expect(failing(pool({ more: ['disabled: true'] }), n1, asking('g', 'n1', '10.2.0.1'))).toMatch(
      /expected an address in an enabled IPPool, found 10\.2\.0\.1$/,
    );
    expect(failing(pool(), n1, asking('g', 'n1', '10.2.0.1'), pod('h', 'n1', '10.2.0.1'))).toMatch(
      /an address of its own, since Pod\/default\/h has this one/,
    );
  });

  it('keeps an address outside IPAM out of its blocks', () => {
    const made = addressesOf(
      pool(),
      n1,
      annotated(pod('a', 'n1'), asks('ipAddrsNoIpam', ['172.30.0.1'])),
      annotated(pod('b', 'n1', '10.2.200.1'), asks('ipAddrsNoIpam', ['10.2.200.1'])),
    );
    expect([of(made, 'a'), of(made, 'b')]).toEqual(['172.30.0.1', '10.2.200.1']);
    expect(made.facts.flatMap(({ allocations }) => allocations)).toEqual([]);
    expect(blocksOf(made, 'n1')).not.toContain('10.2.200.0/26');
  });

  it('passes over reserved addresses, but not over those asked for', () => {
    const cluster = [
      pool({ cidr: '10.2.0.0/26' }),
      n1,
      reservation('10.2.0.0/30', '10.2.0.5', '::/0'),
    ];
    const made = addressesOf(
      ...cluster,
      pod('a', 'n1'),
      pod('b', 'n1'),
      annotated(pod('c', 'n1'), asks('ipAddrs', ['10.2.0.1'])),
    );
    expect(['a', 'b', 'c'].map((name) => of(made, name))).toEqual([
      '10.2.0.4',
      '10.2.0.6',
      '10.2.0.1',
    ]);
    expect(
      failing(...cluster, reservation('10.2.0.0/16').replace('name: r', 'name: s'), pod('a', 'n1')),
    ).toMatch(/found no free address left in IPPool\/pool$/);
  });

  it('holds a node to its limit of blocks, and to its blocks where none are given out', () => {
    const small = pool({ more: ['blockSize: 31'] });
    expect(blocksOf(addressesOf(small, n1, ...many(40, 'n1')), 'n1').length).toBe(20);
    expect(failing(small, n1, ...many(41, 'n1'))).toMatch(
      /for default\/p0040, found its blocks full and the limit of 20 blocks reached$/,
    );
    expect(
      failing(small, n1, ...many(3, 'n1'), config('strictAffinity: true, maxBlocksPerHost: 1')),
    ).toMatch(/for default\/p0002, found its blocks full and the limit of 1 blocks reached$/);
    expect(failing(small, n1, pod('a', 'n1'), config('autoAllocateBlocks: false'))).toMatch(
      /found its blocks full and autoAllocateBlocks off$/,
    );
    expect(failing(small, config('maxBlocksPerHost: 3'))).toMatch(
      /spec\.maxBlocksPerHost: expected 0, since strictAffinity is not set, found 3$/,
    );
    const crd = config('').replace('projectcalico.org/v3', 'crd.projectcalico.org/v1');
    expect(failing(config(''), crd.replace('IPAMConfiguration', 'IPAMConfig'))).toMatch(
      /expected one IPAMConfiguration, found another one in cluster\.yaml:1$/,
    );
  });

  it('says that blocks of one address are not drawn as on a real cluster', () => {
    const made = addressesOf(pool({ more: ['blockSize: 32'] }), n1, pod('a', 'n1'));
    expect(made.notes).toContain('which Calico draws by the clock, were drawn by node name: pool');
    expect(blocksOf(made, 'n1')).toEqual([`${of(made, 'a')}/32`]);
  });

  it('gives WireGuard an address after the tunnels, where it is wanted', () => {
    const wireguard = `apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {wireguardEnabled: true}`;
    const made = planCluster([
      {
        text: [pool({ more: ['vxlanMode: Always'] }), n1, wireguard, pod('a', 'n1')].join(
          '\n---\n',
        ),
        source: 'cluster.yaml',
      },
    ]);
    const own = made.inventory!.blocks[0]!;
    expect(own.allocations.map(({ use }) => use)).toEqual([
      'vxlanTunnelAddress',
      'wireguardTunnelAddress',
      'default/a',
    ]);
    expect(own.allocations.map(({ address }) => address - own.cidr.address)).toEqual([0, 1, 2]);
  });
});
