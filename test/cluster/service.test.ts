/** Services as pods and nodes meet them: kube-proxy's rules on every node. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { Trace } from '../../src/cluster/send.ts';
import { PodwireError } from '../../src/errors.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { bytes } from '../../src/packet/arena.ts';
import { formatIp4 } from '../../src/wire/address.ts';
import * as icmp from '../../src/wire/icmp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as udp from '../../src/wire/udp.ts';

const pod = (name: string, node: string, ip: string): string => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: kube-system}
spec: {nodeName: ${node}}
status: {phase: Running, podIP: ${ip}}
`;

const service = (
  name: string,
  clusterIp: string,
  endpoints: readonly string[],
  nodePort = 0,
): string => `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: kube-system}
spec: {clusterIP: ${clusterIp}, ports: [{name: dns, protocol: UDP, port: 53, nodePort: ${nodePort}}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, namespace: kube-system, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{name: dns, protocol: UDP, port: 5353}]
endpoints: [${endpoints.map((ip) => `{addresses: [${ip}]}`).join(', ')}]
`;

const NEAR = '10.244.1.10';
const FAR = ['10.244.2.10', '10.244.2.11'] as const;
const CLIENT = '10.244.1.9';

const YAML = `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.244.0.0/16, blockSize: 24, natOutgoing: true, ipipMode: Always}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node1}
spec: {bgp: {ipv4Address: 192.168.33.55/24, ipv4IPIPTunnelAddr: 10.244.1.1}}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node2}
spec: {bgp: {ipv4Address: 192.168.33.57/24, ipv4IPIPTunnelAddr: 10.244.2.1}}
---
apiVersion: podwire/v1
kind: Underlay
metadata: {name: lab}
spec:
  segments:
  - name: A
    members:
    - {name: node1, interface: eth0, address: 192.168.33.55/24}
    - {name: node2, interface: eth0, address: 192.168.33.57/24}
    - {name: gw, interface: eth0, address: 192.168.33.1/24}
  routers: [{name: gw}]
  defaultGateway: {A: 192.168.33.1}
${pod('client', 'node1', CLIENT)}${pod('near', 'node1', NEAR)}${pod('far', 'node2', FAR[0])}${pod('far2', 'node2', FAR[1])}${service('dns', '10.96.0.10', [NEAR, ...FAR])}${service('near', '10.96.0.11', [NEAR])}${service('far', '10.96.0.12', [FAR[0]])}${service('none', '10.96.0.13', [])}${service('host1', '10.96.0.14', ['192.168.33.55'])}${service('host2', '10.96.0.15', ['192.168.33.57'])}${service('port', '10.96.0.16', [NEAR], 30053)}`;

interface Arrival {
  readonly at: string;
  readonly from: string;
  readonly to: string;
  readonly l4: Buffer;
  readonly packet: Buffer;
}

/** A cluster that keeps what was delivered, of one protocol. */
function living(seed = 1): { cluster: Cluster; arrived: (protocol: number) => Arrival[] } {
  const cluster = Cluster.fromYaml(YAML, 'test', { seed });
  const seen: Arrival[] = [];
  cluster.witness = {
    delivered: ({ name }, { l3, tail }) => {
      const packet = Buffer.from(bytes.subarray(l3, tail));
      const l4 = packet.subarray(ipv4.headerLength(packet, 0));
      const from = formatIp4(ipv4.source(packet, 0));
      seen.push({ at: name, from, to: formatIp4(ipv4.destination(packet, 0)), l4, packet });
    },
    dropped: () => {},
  };
  const arrived = (protocol: number): Arrival[] =>
    seen.filter(({ packet }) => ipv4.protocol(packet, 0) === protocol);
  return { cluster, arrived };
}

const query = (from: string, to: string, sourcePort = 40000) =>
  ({ from, to, protocol: 'udp', destinationPort: 53, sourcePort }) as const;

/** What the endpoint's process sends back to whom it saw. */
function reply(cluster: Cluster, { at, from, to, l4 }: Arrival): void {
  const packet = buildFrame([
    { layer: 'ipv4', src: to, dst: from },
    { layer: 'udp', srcPort: udp.destinationPort(l4, 0), dstPort: udp.sourcePort(l4, 0) },
    { layer: 'payload', bytes: Buffer.from('answer') },
  ]);
  cluster.originate(cluster.names.find(at), packet);
  cluster.run();
}

const only = (arrivals: readonly Arrival[]): Arrival => {
  expect(arrivals.length).toBe(1);
  return arrivals[0]!;
};

const notes = (trace: Trace, room: string): string[] =>
  trace.steps.filter((step) => step.room === room).map(({ note }) => note);

describe('a pod asks a service', () => {
  it.each([
    ['near.kube-system', 'kube-system/near', NEAR],
    ['far.kube-system.svc.cluster.local', 'kube-system/far', FAR[0]],
    ['10.96.0.12', 'kube-system/far', FAR[0]],
  ])('%s: delivered at %s, and told why', (name, at, address) => {
    const { cluster, arrived } = living();
    const trace = cluster.send(query('client', name));
    expect(trace).toMatchObject({ outcome: 'delivered', at });
    const told = notes(trace, 'prerouting').join('\n');
    expect(told).toMatch(
      new RegExp(
        `^destination is now ${address}:5353, an endpoint of ${at}:dns \\(KUBE-SEP-[A-Z2-7]{16}\\)$`,
        'm',
      ),
    );
    const { from, to, l4 } = only(arrived(ipv4.PROTO_UDP));
    expect([from, to, udp.sourcePort(l4, 0), udp.destinationPort(l4, 0)]).toEqual([
      CLIENT,
      address,
      40000,
      5353,
    ]);
  });

  it.each(['near', 'far'])('the reply of %s comes from the ClusterIP', (name) => {
    const { cluster, arrived } = living();
    cluster.send(query('client', `${name}.kube-system`));
    reply(cluster, only(arrived(ipv4.PROTO_UDP)));
    const back = arrived(ipv4.PROTO_UDP)[1]!;
    expect(back).toMatchObject({ at: 'kube-system/client', to: CLIENT });
    expect(back.from).toBe(name === 'near' ? '10.96.0.11' : '10.96.0.12');
    expect([udp.sourcePort(back.l4, 0), udp.destinationPort(back.l4, 0)]).toEqual([53, 40000]);
    expect(udp.checksumOk(back.packet, ipv4.HEADER_LEN, ipv4.field.source)).toBe(true);
  });

  it('later packets of a flow stay with its endpoint', () => {
    const { cluster, arrived } = living();
    for (let i = 0; i < 20; i++) cluster.send(query('client', 'dns.kube-system'));
    expect(arrived(ipv4.PROTO_UDP).length).toBe(20);
    expect(new Set(arrived(ipv4.PROTO_UDP).map(({ at }) => at)).size).toBe(1);
  });

  it('an unknown service is refused by name', () => {
    const { cluster } = living();
    expect(() => cluster.send(query('client', 'nope.kube-system'))).toThrow(PodwireError);
  });
});

describe('which endpoint', () => {
  const choices = (seed: number, flows: number): string[] => {
    const { cluster, arrived } = living(seed);
    for (let i = 0; i < flows; i++) cluster.send(query('client', 'dns.kube-system', 20000 + i));
    return arrived(ipv4.PROTO_UDP).map(({ to }) => to);
  };

  it('is uniform', () => {
    const flows = 900;
    const drawn = choices(7, flows);
    expect(drawn.length).toBe(flows);
    const expected = flows / 3;
    const chi = [NEAR, ...FAR]
      .map((address) => drawn.filter((to) => to === address).length)
      .reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    // Two degrees of freedom: 13.8 is exceeded once in a thousand seeds.
    expect(chi).toBeLessThan(13.8);
  });

  it('follows from the seed', () => {
    expect(choices(3, 40)).toEqual(choices(3, 40));
    expect(choices(3, 40)).not.toEqual(choices(4, 40));
  });
});

describe('whose source changes', () => {
  it('hairpin: a pod that meets itself sees its node, and is answered by the ClusterIP', () => {
    const { cluster, arrived } = living();
    const trace = cluster.send(query('near', 'near.kube-system'));
    expect(notes(trace, 'postrouting')).toContain('source is now 192.168.33.55');
    const asked = only(arrived(ipv4.PROTO_UDP));
    expect(asked).toMatchObject({ at: 'kube-system/near', from: '192.168.33.55', to: NEAR });
    reply(cluster, asked);
    const back = arrived(ipv4.PROTO_UDP)[1]!;
    expect(back).toMatchObject({ at: 'kube-system/near', from: '10.96.0.11', to: NEAR });
    expect(udp.destinationPort(back.l4, 0)).toBe(40000);
  });

  it.each([
    ['near', '192.168.33.55'],
    ['far', '10.244.1.1'],
  ])('a host process to %s is seen as %s', (name, seen) => {
    const { cluster, arrived } = living();
    expect(cluster.send(query('node1', `${name}.kube-system`)).outcome).toBe('delivered');
    const asked = only(arrived(ipv4.PROTO_UDP));
    expect(asked).toMatchObject({ at: `kube-system/${name}`, from: seen });
    reply(cluster, asked);
    const back = arrived(ipv4.PROTO_UDP)[1]!;
    expect(back).toMatchObject({ at: 'node1', to: '192.168.33.55' });
    expect(back.from).toBe(name === 'near' ? '10.96.0.11' : '10.96.0.12');
    expect(udp.destinationPort(back.l4, 0)).toBe(40000);
  });

  it.each([
    ['host1', 'node1', CLIENT],
    // Another node's address is outside every pool: natOutgoing applies after the translation.
    ['host2', 'node2', '192.168.33.55'],
  ])('a pod to %s, whose endpoint is %s itself, is seen as %s', (name, at, from) => {
    const { cluster, arrived } = living();
    cluster.send(query('client', `${name}.kube-system`));
    const asked = only(arrived(ipv4.PROTO_UDP));
    expect(asked).toMatchObject({ at, from });
    reply(cluster, asked);
    const back = arrived(ipv4.PROTO_UDP)[1]!;
    expect(back).toMatchObject({ at: 'kube-system/client', to: CLIENT });
    expect(back.from).toBe(name === 'host1' ? '10.96.0.14' : '10.96.0.15');
  });

  it('who comes by a node port is seen as that node, and answered by it', () => {
    const { cluster, arrived } = living();
    cluster.send({ ...query('gw', '192.168.33.57'), destinationPort: 30053 });
    const asked = only(arrived(ipv4.PROTO_UDP));
    expect(asked).toMatchObject({ at: 'kube-system/near', from: '10.244.2.1', to: NEAR });
    reply(cluster, asked);
    const back = arrived(ipv4.PROTO_UDP)[1]!;
    expect(back).toMatchObject({ at: 'gw', from: '192.168.33.57', to: '192.168.33.1' });
    expect([udp.sourcePort(back.l4, 0), udp.destinationPort(back.l4, 0)]).toEqual([30053, 40000]);
  });

  it('another pod keeps its own', () => {
    const { cluster, arrived } = living();
    cluster.send(query('far2', 'near.kube-system'));
    expect(only(arrived(ipv4.PROTO_UDP))).toMatchObject({ from: FAR[1], to: NEAR });
  });
});

describe('ICMP errors', () => {
  const quoteOf = ({ l4 }: Arrival): Buffer => l4.subarray(icmp.HEADER_LEN);

  it('of an endpoint reach the client as the ClusterIP’s, quoting what it sent', () => {
    const { cluster, arrived } = living();
    cluster.send(query('client', 'far.kube-system'));
    const { to, from, packet } = only(arrived(ipv4.PROTO_UDP));
    const before = arrived(ipv4.PROTO_ICMP).length;
    const message = Buffer.alloc(icmp.HEADER_LEN + packet.length);
    packet.copy(message, icmp.HEADER_LEN);
    icmp.emit(message, 0, icmp.UNREACHABLE, icmp.CODE_PORT, 0, message.length);
    const layers = [
      { layer: 'ipv4', src: to, dst: from, protocol: ipv4.PROTO_ICMP },
      { layer: 'payload', bytes: message },
    ] as const;
    cluster.originate(cluster.names.find('far'), buildFrame([...layers]));
    cluster.run();
    const error = arrived(ipv4.PROTO_ICMP)[before]!;
    expect(error).toMatchObject({ at: 'kube-system/client', from: '10.96.0.12', to: CLIENT });
    const quote = quoteOf(error);
    const l4 = ipv4.headerLength(quote, 0);
    expect(formatIp4(ipv4.source(quote, 0))).toBe(CLIENT);
    expect(formatIp4(ipv4.destination(quote, 0))).toBe('10.96.0.12');
    expect([udp.sourcePort(quote, l4), udp.destinationPort(quote, l4)]).toEqual([40000, 53]);
    expect(icmp.checksumOk(error.l4, 0, error.l4.length)).toBe(true);
  });

  it('a service without endpoints is refused by the node', () => {
    const { cluster, arrived } = living();
    const trace = cluster.send(query('client', 'none.kube-system'));
    expect(trace).toMatchObject({ outcome: 'dropped', at: 'node1', reason: 'filtered' });
    const last = trace.steps.at(-1)!;
    expect(last.entry).toContain('has no endpoints');
    expect(last.note).toContain(`ICMP port unreachable sent to ${CLIENT}`);
    const error = only(arrived(ipv4.PROTO_ICMP));
    expect(error).toMatchObject({ at: 'kube-system/client', from: '192.168.33.55' });
    expect([icmp.type(error.l4, 0), icmp.code(error.l4, 0)]).toEqual([3, 3]);
    // FORWARD comes after the TTL has gone down.
    expect(quoteOf(error)[8]).toBe(63);
    expect(formatIp4(ipv4.destination(quoteOf(error), 0))).toBe('10.96.0.13');
  });

  it('a port that the service does not have leaves for the gateway', () => {
    const { cluster } = living();
    const trace = cluster.send({ ...query('client', 'near.kube-system'), destinationPort: 54 });
    expect(trace).toMatchObject({ outcome: 'dropped', at: 'gw' });
  });
});
