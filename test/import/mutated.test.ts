/** Sound text of every command, damaged: a result or an error with its place, in time, and never another error. */
import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { PodwireError } from '../../src/errors.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { workTime } from '../work-time.ts';
import { file } from './dumps.ts';

const BASE = `root@n1:~# ip addr
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast state UP group default qlen 1000
    link/ether 52:54:00:85:ff:19 brd ff:ff:ff:ff:ff:ff
    inet 192.168.0.11/24 brd 192.168.0.255 scope global eth0
root@n1:~# ip route
default via 192.168.0.1 dev eth0
192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.11
`;

const KEY = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
const deep = Array.from({ length: 300 }, (_, i) => `-A c${i} -j c${i + 1}`).join('\n');
const chains = Array.from({ length: 301 }, (_, i) => `:c${i} - [0:0]`).join('\n');

/** What a command prints, by its name. */
const SAMPLES: readonly [command: string, text: string][] = [
  [
    'ip rule',
    '0:\tfrom all lookup local\n50:\tfrom 10.0.0.0/8 iif eth0 tos 0x10 goto 32766\n' +
      '60:\tfrom all nop\n70:\tnot from all fwmark 0x100000/0x100000 lookup 1\n' +
      '80:\tfrom all lookup main suppress_prefixlength 0\n90:\tfrom all goto 99 [unresolved]\n' +
      '32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n',
  ],
  [
    'sysctl -a',
    'net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.rp_filter = 1\nnet.ipv4.conf.eth0.proxy_arp = 0\n' +
      'net.ipv4.icmp_ratelimit = 1000\nnet.netfilter.nf_conntrack_max = 262144\n' +
      'net.netfilter.nf_conntrack_tcp_timeout_established = 432000\nnet.ipv4.conf.eth0.arp_accept = 1\n' +
      'net.ipv4.route.mtu_expires = 600\nnet.ipv4.ip_default_ttl = 64\n',
  ],
  [
    'wg showconf wireguard.cali',
    `[Interface]\nListenPort = 51820\nFwMark = 0x100000\n\n[Peer]\nPublicKey = ${KEY}\n` +
      'AllowedIPs = 10.2.36.64/26, 10.2.36.72/32\nEndpoint = 192.168.0.12:51820\nPersistentKeepalive = 25\n',
  ],
  [
    'ipset save',
    'create cali40all-ipam-pools hash:net family inet hashsize 1024 maxelem 1048576 bucketsize 12\n' +
      'add cali40all-ipam-pools 10.2.0.0/16\ncreate cali40s:a hash:ip,port family inet hashsize 1024 maxelem 65536\n' +
      'add cali40s:a 10.2.0.1,tcp:80\nadd cali40all-ipam-pools 10.3.0.0/16 nomatch\n',
  ],
  [
    'iptables-save',
    `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n${chains}\n` +
      `-A FORWARD -i cali+ -m comment --comment "a \\"b\\"" -j c0\n${deep}\n-A c300 -p tcp -m tcp --dport 80 -j DROP\nCOMMIT\n` +
      '*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth0 -j MASQUERADE --random-fully\nCOMMIT\n',
  ],
  [
    'bridge fdb',
    '33:33:00:00:00:01 dev eth0 self permanent\n66:90:43:3d:b3:e7 dev eth0 dst 192.168.0.12 self permanent\n' +
      '66:8c:73:5a:90:99 dev eth0 vlan 1 master br0\n',
  ],
  [
    'kubectl get pods -A -o wide',
    'NAMESPACE   NAME    READY   STATUS    RESTARTS       AGE   IP           NODE   NOMINATED NODE   READINESS GATES\n' +
      'default     web     1/1     Running   3 (2d ago)     5d    10.2.36.71   n1     <none>           <none>\n',
  ],
  [
    'kubectl get pods -o json',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'web', namespace: 'x', labels: { a: 'b' } },
          spec: { nodeName: 'n1', containers: [{ ports: [{ name: 'h', containerPort: 80 }] }] },
          status: { podIP: '10.2.36.71', conditions: [{ type: 'Ready', status: 'True' }] },
        },
      ],
    }),
  ],
  [
    'ip -j rule',
    '[{"priority":0,"src":"all","table":"local"},{"priority":5,"src":"all","goto":9}]',
  ],
  [
    'ip -br addr',
    'lo               UNKNOWN        127.0.0.1/8\neth0             UP             192.168.0.11/24\n',
  ],
];

const ODD = [
  ...[
    '',
    '-1',
    '0',
    '99999999999999999999',
    '1e309',
    '0x',
    '::',
    '\u0000',
    '"',
    "'",
    '[',
    '{',
    '}',
  ],
  ...[
    '__proto__',
    'constructor',
    '*',
    '%',
    '=',
    '#',
    '10.0.0.0/33',
    '255.255.255.255',
    'é',
    '\ud800',
  ],
];

/** Replaces, cuts, doubles or moves a piece of a text. */
const damage = fc.record({
  from: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(12),
  to: fc.double({ min: 0, max: 1, noNaN: true }),
  odd: fc.oneof(fc.constantFrom(...ODD), fc.string({ unit: 'binary', maxLength: 6 })),
  kind: fc.constantFrom('replace', 'cut', 'double', 'insert', 'line'),
});
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function damaged(text: string, { from, length, to, odd, kind }: Damage): string {
  const at = Math.floor(from * text.length);
  const other = Math.floor(to * text.length);
  const piece = text.slice(at, at + length);
  if (kind === 'replace') return text.slice(0, at) + odd + text.slice(at + length);
  if (kind === 'cut') return text.slice(0, at) + text.slice(at + length);
  if (kind === 'double') return text.slice(0, other) + piece + text.slice(other);
  if (kind === 'insert') return text.slice(0, at) + odd + text.slice(at);
  const lines = text.split('\n');
  const [line = ''] = lines.splice(Math.floor(from * lines.length), 1);
  lines.splice(Math.floor(to * lines.length), 0, line);
  return lines.join('\n');
}

/** True where it worked; whatever is thrown must be ours, and say where. */
function survives(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!(error instanceof PodwireError)) throw error;
    expect(error.source).toBeTypeOf('string');
    return false;
  }
}

describe('what commands print, damaged', () => {
  it.each(SAMPLES)('%s', (command, text) => {
    const dump = (body: string) => [file(`${BASE}root@n1:~# ${command}\n${body}\n`)];
    expect(() => importDumps(dump(text))).not.toThrow();
    let whole = 0;
    const spent = workTime(() => {
      fc.assert(
        fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (list) => {
          if (survives(() => importDumps(dump(list.reduce(damaged, text))))) whole += 1;
        }),
        { numRuns: 150 },
      );
    });
    expect(whole).toBeGreaterThan(0);
    expect(spent).toBeLessThan(30_000);
  });
});

const FELIX = [
  ...'bpfEnabled chainInsertMode defaultEndpointToHostAction deviceRouteProtocol deviceRouteSourceAddress'.split(
    ' ',
  ),
  ...'externalNodesList failsafeInboundHostPorts interfacePrefix ipipMTU iptablesMarkMask mtuIfacePattern'.split(
    ' ',
  ),
  ...'natOutgoingAddress natOutgoingExclusions natPortRange programClusterRoutes routeSource'.split(
    ' ',
  ),
  ...'serviceLoopPrevention vxlanMTU vxlanPort vxlanVNI wireguardEnabled wireguardInterfaceName'.split(
    ' ',
  ),
  ...'wireguardKeepAlive wireguardListeningPort wireguardMTU wireguardRoutingRulePriority'.split(
    ' ',
  ),
];

it('any value of any field of FelixConfiguration is heeded or refused with its place', () => {
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      ...ODD,
      '65536',
      'Insert',
      'Enabled',
      '1:2',
      '5s',
      '0xffff0000',
      'eth.*',
      '(',
    ),
    fc.constantFrom<unknown>(true, false, null, -1, 1, 65_535, 2 ** 31, 1e300, 0.5),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const spec = fc.dictionary(fc.constantFrom(...FELIX), value, { minKeys: 1, maxKeys: 3 });
  let made = 0;
  fc.assert(
    fc.property(spec, (fields) => {
      const items = [
        {
          apiVersion: 'projectcalico.org/v3',
          kind: 'IPPool',
          metadata: { name: 'p' },
          spec: { cidr: '10.2.0.0/16', vxlanMode: 'Always' },
        },
        ...[1, 2].map((i) => ({
          apiVersion: 'projectcalico.org/v3',
          kind: 'Node',
          metadata: { name: `n${i}` },
          spec: { bgp: { ipv4Address: `192.168.0.1${i}/24` } },
        })),
        {
          apiVersion: 'projectcalico.org/v3',
          kind: 'FelixConfiguration',
          metadata: { name: 'default' },
          spec: fields,
        },
      ];
      const text = items.map((item) => JSON.stringify(item)).join('\n---\n');
      const worked = survives(() => {
        const plan = planCluster([{ text, source: 'felix.yaml' }]);
        Cluster.fromPlan(plan).exec('n1', ['ip', 'route']);
      });
      if (worked) made += 1;
    }),
    { numRuns: 400 },
  );
  expect(made).toBeGreaterThan(5);
});
