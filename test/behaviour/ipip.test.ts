/** Calico's functional tests of IPIP and of WireGuard's tables (felix/fv): FV13 to FV26. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { Trace } from '../../src/cluster/send.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { formatPrefix, parsePrefix } from '../../src/wire/address.ts';
import {
  API,
  block,
  clusterOf,
  connects,
  dropsOf,
  edited,
  expectAccounted,
  expectMatrix,
  felix,
  lab,
  layer,
  layersOf,
  lines,
  node,
  originate,
  pod,
  pool,
  underlay,
  watch,
} from './lab.ts';

const ALWAYS = pool('ipipMode: Always');
const CROSS = pool('ipipMode: CrossSubnet');
const NEVER = pool('ipipMode: Never, vxlanMode: Never');
const HOSTS = 'cali40all-hosts-net';
const WIREGUARD = 'wireguardEnabled: true';

const mtuOf = (cluster: Cluster, device: string): string | undefined =>
  / mtu (\d+) /.exec(cluster.exec('n0', ['ip', 'link', 'show', device]))?.[1];

describe('IPIP', () => {
  it('FV13 pods and hosts reach each other: Always, CrossSubnet, no encapsulation', () => {
    for (const mode of [ALWAYS, CROSS, NEVER]) expectMatrix(clusterOf(lab(mode)));
    const cluster = clusterOf(lab(ALWAYS));
    const frames = watch(cluster, 'n0:eth0');
    expect(connects(cluster, 'w0', 'w1')).toBe(true);
    const [out, back] = frames.map((frame) => layersOf(frame));
    expect(
      [out!, back!].map((all) => [layer(all, 'ipv4').protocol, layer(all, 'ipv4', 1).src]),
    ).toEqual([
      [4, '10.65.0.2'],
      [4, '10.65.1.2'],
    ]);
    for (const mode of [CROSS, NEVER]) {
      const plain = clusterOf(lab(mode));
      const seen = watch(plain, 'n0:eth0');
      expect(connects(plain, 'w0', 'w1')).toBe(true);
      expect(seen.map((frame) => layer(layersOf(frame), 'ipv4').protocol)).toEqual([6, 6]);
    }
    // Between subnets CrossSubnet goes by the tunnel.
    const far = clusterOf(
      CROSS,
      ...[0, 1].flatMap((i) => [
        node(i, `172.16.${i}.1${i}/24`),
        block(i),
        pod(`w${i}`, i, `10.65.${i}.2`),
      ]),
    );
    const seen = watch(far, 'n0:eth0');
    expect(connects(far, 'w0', 'w1')).toBe(true);
    expect(seen.map((frame) => layer(layersOf(frame), 'ipv4').protocol)).toEqual([4, 4]);
    expectAccounted(far);
  });

  it('FV14 MTU of tunl0, and what fits', () => {
    const of = (mtu: number, ...more: string[]): Cluster =>
      clusterOf(lab(ALWAYS, underlay(mtu), ...more));
    const clusters = [of(1500), of(1400), of(1500, felix('ipipMTU: 1300'))];
    expect(clusters.map((cluster) => mtuOf(cluster, 'tunl0'))).toEqual(['1480', '1380', '1300']);
    for (const cluster of clusters) {
      const size = Number(mtuOf(cluster, 'tunl0'));
      const ping = { from: 'w0', to: 'w1', dontFragment: true };
      expect(cluster.send({ ...ping, size }).outcome).toBe('delivered');
      expect(cluster.send({ ...ping, size: size + 1 }).reason).toBe('packet-too-big');
      expectAccounted(cluster);
    }
  });

  /** What a host outside the cluster sends when it believes to be a node. */
  const forge = (cluster: Cluster): void =>
    originate(cluster, 'ext', [
      { layer: 'ipv4', src: '172.16.0.50', dst: '172.16.0.10' },
      { layer: 'ipv4', src: '172.16.0.50', dst: '10.65.0.2' },
      { layer: 'tcp', srcPort: 40000, dstPort: 8055, flags: 'S' },
    ]);
  const hostsOf = (plan: ClusterPlan) =>
    plan.namespaces[0]!.netfilter!.sets.find(({ name }) => name === HOSTS)!.prefixes;

  it('FV15 a tunnel packet from outside is dropped', () => {
    const cluster = clusterOf(lab(ALWAYS, underlay()));
    expect(hostsOf(cluster.plan)).toHaveLength(3);
    const tunnel = watch(cluster, 'n0:tunl0');
    forge(cluster);
    expect(dropsOf(cluster)).toEqual({ filtered: 1 });
    expect(tunnel).toEqual([]);
    expectAccounted(cluster);
  });

  it('FV16 the same from a host in the set gets in', () => {
    const plan = edited(clusterOf(lab(ALWAYS, underlay())).plan, 'n0', (ns) => ({
      netfilter: {
        chains: ns.netfilter!.chains,
        sets: ns.netfilter!.sets.map((set) =>
          set.name === HOSTS
            ? { ...set, prefixes: [...set.prefixes, parsePrefix('172.16.0.50/32')] }
            : set,
        ),
      },
    }));
    expect(hostsOf(plan)).toHaveLength(4);
    const cluster = Cluster.fromPlan(plan);
    const inside = watch(cluster, 'w0:eth0');
    forge(cluster);
    expect(layer(layersOf(inside[0]!), 'ipv4')).toMatchObject({ src: '172.16.0.50', ttl: 63 });
    expect(dropsOf(cluster)).toEqual({});
    expectAccounted(cluster);
  });

  it('FV16 the same by externalNodesList of FelixConfiguration', () => {
    const listed = felix('externalNodesList: [172.16.0.50, 192.0.2.0/24, "2001:db8::/64"]');
    const cluster = clusterOf(lab(ALWAYS, underlay(), listed));
    expect(hostsOf(cluster.plan).map(formatPrefix)).toEqual(
      [10, 11, 12, 50].map((i) => `172.16.0.${i}/32`).concat('192.0.2.0/24'),
    );
    const inside = watch(cluster, 'w0:eth0');
    forge(cluster);
    expect(inside).toHaveLength(1);
    expectAccounted(cluster);
  });

  it('FV17 the owner of the routes marks them', () => {
    const later = `${API}\nkind: ClusterInformation\nmetadata: {name: default}\nspec: {calicoVersion: v3.32.0}`;
    for (const [owner, mark] of [
      ['Enabled', '80'],
      ['Disabled', 'bird'],
    ]) {
      const cluster = clusterOf(later, lab(ALWAYS, felix(`programClusterRoutes: ${owner}`)));
      const routes = lines(cluster, 'n0', 'ip route');
      expect(routes.filter((line) => line.startsWith('10.65.1.0/26'))).toMatchObject([
        expect.stringContaining(`dev tunl0 proto ${mark}`),
      ]);
      // Whoever owns them, they lead to the same place.
      expectMatrix(cluster);
    }
  });

  it.todo('FV17 routes taken back at run time: tables follow from resources, no agent runs');
});

const devicesOf = ({ frames }: Trace): string[] =>
  frames.map(({ node: at, device }) => `${at}:${device}`);

/** The kind of WireGuard message in a frame. */
function tunnelled(frame: Buffer): string | undefined {
  const found = layersOf(frame).find((one) => one.layer === 'wireguard');
  return found?.layer === 'wireguard' ? found.type : undefined;
}

describe('WireGuard', () => {
  const three = lab(NEVER, felix(WIREGUARD));

  it('FV18 a rule and a table of its own', () => {
    const cluster = clusterOf(three);
    const rule = lines(cluster, 'n0', 'ip rule').find((line) => line.includes('fwmark'));
    expect(rule).toMatch(/^99:\s+not from all fwmark 0x\w+\/0x\w+ lookup 1$/);
    const table = lines(cluster, 'n0', 'ip route show table 1');
    for (const i of [1, 2]) {
      expect(table).toContain(`10.65.${i}.0/26 dev wireguard.cali scope link`);
    }
    // The rule rules: what goes to another node's pod enters the tunnel.
    const trace = cluster.send({ from: 'w0', to: 'w1' });
    expect(trace).toMatchObject({ outcome: 'delivered', at: 'x/w1' });
    expect(devicesOf(trace)).toContain('n0:wireguard.cali');
    expectAccounted(cluster);
  });

  it('FV19 five packets each way are WireGuard on the wire, and nothing else is', () => {
    const cluster = clusterOf(three);
    const frames = watch(cluster, 'n0:eth0');
    for (let i = 0; i < 5; i++) {
      expect(connects(cluster, 'w0', 'w1', { sourcePort: 40000 + i })).toBe(true);
      expect(connects(cluster, 'w1', 'w0', { sourcePort: 50000 + i })).toBe(true);
    }
    const data = frames.filter((frame) => tunnelled(frame) === 'data');
    const from = (source: string) =>
      data.filter((frame) => layer(layersOf(frame), 'ipv4').src === source);
    expect([from('172.16.0.10').length, from('172.16.0.11').length]).toEqual([10, 10]);
    expect(frames.filter((frame) => tunnelled(frame) === undefined)).toEqual([]);
    for (const frame of frames) {
      const { srcPort, dstPort, udpLength } = layer(layersOf(frame), 'udp');
      expect([srcPort, dstPort, udpLength > 50]).toEqual([51820, 51820, true]);
    }
    expectAccounted(cluster);
  });

  it('FV21 egress denied to pods: no data enters a tunnel, and what a lower order allows does', () => {
    const policy = (name: string, order: number, action: string): string =>
      `apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: ${name}}\n` +
      `spec: {order: ${order}, selector: "all()", types: [Egress], egress: [{action: ${action}}]}`;
    const deny = clusterOf(three, policy('deny', 20, 'Deny'));
    const denied = watch(deny, 'n0:eth0');
    expect(connects(deny, 'w0', 'w1')).toBe(false);
    expect(denied).toEqual([]);
    expectAccounted(deny);
    const allow = clusterOf(three, policy('deny', 20, 'Deny'), policy('allow', 10, 'Allow'));
    const allowed = watch(allow, 'n0:eth0');
    expect(connects(allow, 'w0', 'w1')).toBe(true);
    expect(allowed.filter((frame) => tunnelled(frame) === 'data').length).toBeGreaterThan(0);
    expectAccounted(allow);
  });

  it('FV22 off, nothing of it is left and pods meet in the clear or by IPIP', () => {
    for (const [mode, protocol] of [
      [NEVER, 6],
      [ALWAYS, 4],
    ] as const) {
      const cluster = clusterOf(lab(mode, felix('wireguardEnabled: false')));
      expect(cluster.exec('n0', ['ip', 'link'])).not.toContain('wireguard');
      expect(cluster.exec('n0', ['ip', 'rule'])).not.toContain('fwmark');
      expect(lines(cluster, 'n0', 'ip route show table 1')).toEqual([]);
      const frames = watch(cluster, 'n0:eth0');
      expect(connects(cluster, 'w0', 'w1')).toBe(true);
      expect(frames.map((f) => layer(layersOf(f), 'ipv4').protocol)).toEqual([protocol, protocol]);
      expectAccounted(cluster);
    }
  });

  it('FV23 a node that does not encrypt is reached in the clear, the others encrypted', () => {
    const off = felix('wireguardEnabled: false').replace('name: default', 'name: node.n2');
    const cluster = clusterOf(lab(NEVER, felix(WIREGUARD), off));
    const frames = watch(cluster, 'n0:eth0');
    expect(connects(cluster, 'w0', 'w2')).toBe(true);
    expect(connects(cluster, 'n0', 'w2')).toBe(true);
    expect(frames.map((frame) => layer(layersOf(frame), 'ipv4').protocol)).toEqual([6, 6, 6, 6]);
    const before = frames.length;
    expect(connects(cluster, 'w0', 'w1')).toBe(true);
    expect(frames.slice(before).filter((frame) => tunnelled(frame) === undefined)).toEqual([]);
    expect(frames.length).toBeGreaterThan(before + 3);
    expectAccounted(cluster);
  });

  it('FV24 borrowed addresses of local pods are thrown back to the main table', () => {
    const cluster = clusterOf(
      NEVER,
      felix(WIREGUARD),
      ...[0, 1].flatMap((i) => [node(i), block(i)]),
      pod('b0', 0, '10.65.1.4'),
      pod('b1', 1, '10.65.0.4'),
    );
    expect(lines(cluster, 'n0', 'ip route show table 1')).toContain('throw 10.65.1.4');
    expect(lines(cluster, 'n1', 'ip route show table 1')).toContain('throw 10.65.0.4');
    // Thrown: the main table knows the pod's own device.
    expect(connects(cluster, 'n0', 'b0')).toBe(true);
    expectAccounted(cluster);
  });

  it('FV25 per-pod routes, and nodes encrypted as well', () => {
    const spec = `${WIREGUARD}, wireguardHostEncryptionEnabled: true, routeSource: WorkloadIPs`;
    const cluster = clusterOf(lab(NEVER, felix(spec)));
    const table = lines(cluster, 'n0', 'ip route show table 1');
    for (const remote of ['10.65.1.2', '10.65.2.2', '172.16.0.11', '172.16.0.12']) {
      expect(table).toContain(`${remote} dev wireguard.cali scope link`);
    }
    expect(table).toContain('throw 10.65.0.2');
    expect(table.join()).not.toContain('/26');
    const allowed = lines(cluster, 'n0', 'wg show wireguard.cali allowed-ips').join(' ');
    for (const remote of ['10.65.1.2/32', '172.16.0.11/32', '10.65.2.2/32', '172.16.0.12/32']) {
      expect(allowed).toContain(remote);
    }
    expectMatrix(cluster);
  });

  it('FV26 MTU, port and rule priority as configured', () => {
    for (const mtu of [1400, 1380]) {
      const spec = `${WIREGUARD}, wireguardMTU: ${mtu}, wireguardListeningPort: 28150, wireguardRoutingRulePriority: 100`;
      const cluster = clusterOf(lab(NEVER, felix(spec)));
      expect(mtuOf(cluster, 'wireguard.cali')).toBe(String(mtu));
      expect(cluster.exec('n0', ['wg', 'show'])).toContain('listening port: 28150');
      const rules = lines(cluster, 'n0', 'ip rule');
      expect(rules.filter((line) => /^(99|100):/.test(line))).toEqual([
        expect.stringMatching(/^100:/),
      ]);
      const ping = { from: 'w0', to: 'w1', dontFragment: true };
      expect(cluster.send({ ...ping, size: mtu + 1 }).reason).toBe('packet-too-big');
      const fits = cluster.send({ ...ping, size: mtu });
      expect(fits.outcome).toBe('delivered');
      expect(devicesOf(fits)).toContain('n0:wireguard.cali');
      expectAccounted(cluster);
    }
  });
});
