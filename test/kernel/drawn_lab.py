"""A network and its traffic, drawn from a seed: the script that a real kernel runs.

Everything follows from the seed alone. `lab`, `pkt` and `common` are the lab's own modules."""
import random
import struct
import time

import common
import lab as L
import pkt

ROOM = {'direct': 0, 'ipip': 20, 'vxlan': 50}
TUNNEL = {'ipip': 'tunl0', 'vxlan': 'vxlan.calico'}
OPTIONS = (
    b'\x01' * 4,                                # no operation
    b'\x07\x0b\x04' + b'\0' * 8,                # record route
    b'\x07\x07\x08\1\2\3\4',                    # record route, full
    b'\x44\x0c\x05\x00' + b'\0' * 8,            # timestamps
    b'\x44\x14\x05\x01' + b'\0' * 16,           # timestamps with addresses
    b'\x94\x04\0\0',                            # router alert
    b'\x5e\x04\xaa\xbb',                        # unknown
    b'\x07\x00\x04\x00', b'\x07\x03\x04\x01',   # malformed
)
NOWHERE = ('10.2.36.99', '10.2.169.170', '10.2.200.1', '10.99.0.7', '10.99.1.7', '10.99.2.7', '127.0.0.1', '169.254.1.1',
           '224.0.0.9', '255.255.255.255', '192.168.33.255', '240.0.0.1', '0.0.0.0', '198.51.100.9')
FOREIGN = ('192.168.33.55', '192.168.33.57', '8.8.8.8', '127.0.0.1', '224.0.0.1', '255.255.255.255', '0.0.0.0',
           '169.254.1.1', '10.2.36.64')
GATEWAY = '192.168.33.1'


class Drawn:
    def __init__(self, lab, seed):
        self.lab, self.r, self.ident = lab, random.Random(seed), 0x4000
        # What was added later draws from a generator of its own: a seed keeps its network and traffic.
        self.later = random.Random('later %d' % seed)
        self.build()
        self.limit = self.wire - ROOM[self.mode]
        self.addresses = [lab.pods[p]['ip'] for p in self.pods]
        nodes = [d[k] for d in lab.nodes.values() for k in ('ip', 'tunl', 'vtep')]
        self.places = self.addresses * 5 + nodes + [GATEWAY, L.EXT['ip'], self.vip] + list(NOWHERE)

    def chance(self, p):
        return self.r.random() < p

    def pick(self, *of):
        return self.r.choice(of)

    # -- the network ---------------------------------------------------------

    def build(self):
        lab, r = self.lab, self.r
        self.mode = self.pick('direct', 'ipip', 'vxlan')
        cross = self.mode != 'direct' and self.chance(0.3)
        self.nodes = ['node1', 'node2'] + (['node3'] if cross or self.chance(0.5) else []) + (['node4'] if self.chance(0.2) else [])
        self.rename()
        self.pods = [p for p, d in L.PODS.items() if d['node'] in self.nodes and (p[1] == '1' or self.chance(0.5))]
        self.tracked, offload = self.chance(0.4), self.chance(0.25)
        self.wire = self.pick(1500, 1500, 1500, 1400, 1450, 1300, 9000)
        room = ROOM[self.mode]
        lab.build(self.mode, pods=self.pods, nodes=self.nodes, neigh=self.pick('static', 'static', 'cold'), cross=cross,
                  ext=self.tracked or self.chance(0.2), offload=offload,
                  pod_mtu=self.pick(self.wire - room, self.wire - room, self.wire, 1400, 1280, 1337))
        self.mtus()
        self.settings()
        self.vip, self.port = '10.96.%d.%d' % (r.randrange(256), r.randrange(1, 255)), self.pick(80, 53, 8443)
        if self.tracked:
            common.conntrack(lab)
            common.nat_outgoing(lab, self.chance(0.3))
            if self.chance(0.7):
                self.service(r.sample(self.pods, r.randrange(1, min(3, len(self.pods)) + 1)))
            if self.chance(0.5):
                self.policies()

    def rename(self):
        """names, MACs and addresses that are not the lab's own; one more node"""
        r = self.r
        hexes = lambda n: ':'.join('%02x' % r.randrange(256) for _ in range(n))
        L.NODES['node4'] = dict(ip='192.168.33.61', block='10.2.77.0/26', tunl='10.2.77.0', vtep='10.2.77.1', wg='10.2.77.2')
        L.PODS['d1'] = dict(node='node4', cali='cali' + hexes(5).replace(':', '') + '0')
        for node in L.NODES.values():
            node['mac'] = '52:54:' + hexes(4)
            node['hostname'] = 'host-%x' % r.randrange(1 << 24)
            node['vtepMac'] = L.vtep_mac(node['hostname'])
        for i, pod in enumerate(L.PODS.values()):
            block = L.NODES[pod['node']]['block'].split('/')[0].split('.')
            pod['ip'] = '.'.join(block[:3] + [str(int(block[3]) + 10 + i * 9 + r.randrange(9))])
            pod['mac'] = '02:00:' + hexes(4)

    def link_mtu(self, ns, dev, mtu):
        self.lab.batch(ns, 'link set %s mtu %d' % (dev, mtu))
        self.lab.topo['namespaces'][ns]['interfaces'][dev]['mtu'] = mtu

    def mtus(self):
        lab, tunnel = self.lab, TUNNEL.get(self.mode)
        if self.wire > 1500:
            for ns, dev in [m for members in lab.topo['segments'].values() for m in members]:
                lab.batch('lan', 'link set p-%s mtu %d' % (ns + ('' if ns != 'gw' else dev[-1]), self.wire))
                self.link_mtu(ns, dev, self.wire)
        if self.wire != 1500:
            for n in self.nodes:
                # A VXLAN device may not have more than what carries it leaves.
                order = [('enp1s0', self.wire), (tunnel, self.wire - ROOM[self.mode])]
                for dev, mtu in order if self.wire > 1500 else reversed(order):
                    if dev: self.link_mtu(n, dev, mtu)
        for p in self.pods:
            if self.chance(0.2):
                mtu = self.pick(1500, 1200, 1001, 900, 576)
                self.link_mtu(p, 'eth0', mtu)
                self.link_mtu(lab.pods[p]['node'], lab.pods[p]['cali'], mtu)

    def settings(self):
        lab, r = self.lab, self.r
        for n in self.nodes:
            for dev in lab.topo['namespaces'][n]['interfaces']:
                if self.chance(0.25):
                    lab.sysctl(n, **{'net__ipv4__conf__%s__rp_filter' % dev: r.randrange(3)})
            if self.chance(0.1):
                lab.sysctl(n, net__ipv4__conf__all__rp_filter=r.randrange(3))
            if self.chance(0.2):
                lab.batch(n, 'route add %s 10.99.%d.0/24' % (self.pick('unreachable', 'prohibit', 'blackhole'), r.randrange(3)))

    def service(self, pods):
        """kube-proxy's chains for one service; endpoints in turn instead of by chance"""
        lines = [':KUBE-%s - [0:0]' % c for c in ('SERVICES', 'POSTROUTING', 'MARK-MASQ', 'SVC')] + [
            '-A PREROUTING -j KUBE-SERVICES', '-A OUTPUT -j KUBE-SERVICES', '-A POSTROUTING -j KUBE-POSTROUTING',
            '-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000', '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
            '-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000', '-A KUBE-POSTROUTING -j MASQUERADE']
        for i, pod in enumerate(pods):
            ip, left = self.lab.pods[pod]['ip'], len(pods) - i
            turn = ' -m statistic --mode nth --every %d --packet 0' % left if left > 1 else ''
            lines += [':KUBE-SEP-%d - [0:0]' % i, '-A KUBE-SVC%s -j KUBE-SEP-%d' % (turn, i), '-A KUBE-SEP-%d -s %s/32 -j KUBE-MARK-MASQ' % (i, ip)]
            lines += ['-A KUBE-SEP-%d -p %s -m %s -j DNAT --to-destination %s:8080' % (i, x, x, ip) for x in ('tcp', 'udp')]
        lines += ['-A KUBE-SERVICES -d %s/32 -p %s -m %s --dport %d -j KUBE-SVC' % (self.vip, x, x, self.port) for x in ('tcp', 'udp')]
        self.load('nat', self.nodes, lines)

    def policies(self):
        """felix's chain towards one pod: some ports and echo are allowed, the rest is dropped"""
        p = self.lab.pods[self.r.choice(self.pods)]
        tw = 'cali-tw-' + p['cali']
        self.load('filter', [p['node']], [
            ':%s - [0:0]' % tw, '-A cali-FORWARD -o %s -j %s' % (p['cali'], tw),
            '-A %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT' % tw, '-A %s -m conntrack --ctstate INVALID -j DROP' % tw,
            '-A %s -j MARK --set-xmark 0x0/0x10000' % tw,
            '-A %s -p udp -m multiport --dports 9000,9100:9160 -j MARK --set-xmark 0x10000/0x10000' % tw,
            '-A %s -p tcp -m multiport --dports 8000:8080 -j MARK --set-xmark 0x10000/0x10000' % tw,
            '-A %s -p icmp -m icmp --icmp-type 8 -j MARK --set-xmark 0x10000/0x10000' % tw,
            '-A %s -m mark --mark 0x10000/0x10000 -j RETURN' % tw, '-A %s -j DROP' % tw])

    def load(self, table, nodes, lines):
        for n in nodes:
            self.lab.sh('iptables-legacy-restore --noflush', n, inp='\n'.join(['*' + table] + lines + ['COMMIT', '']))

    # -- packets made by hand ------------------------------------------------

    def size(self):
        edges = (self.limit, self.limit + ROOM[self.mode], self.lab.meta['podMtu'], self.wire, 576, 68)
        edge = self.r.choice(edges) - 28 + self.pick(-9, -8, -1, 0, 1, 8)
        return max(0, self.pick(0, 1, 8, 100, 333, edge, edge, edge, 1472))

    def payload(self, src, dst):
        """protocol, and a segment of it"""
        r, kind = self.r, self.r.randrange(12)
        data = pkt.pattern(self.size(), 'shot %d ' % self.ident)
        if kind < 6:
            check = self.pick(0, 0x1111) if self.chance(0.15) else None
            return 17, pkt.udp(src, dst, r.randrange(1024, 65535), self.pick(9000, 9000, 9, 80, 53), data, check=check)
        if kind == 6:
            return 6, pkt.tcp(src, dst, r.randrange(1024, 65535), 9000, r.randrange(1 << 32), 0, self.pick(2, 16, 4, 1, 24), data[:300])
        if kind < 9:
            return 1, pkt.icmp_echo(r.randrange(65536), 1, data, self.pick(8, 8, 8, 0))
        if kind == 9:
            quoted = pkt.ipv4(dst, src, 17, pkt.udp(dst, src, 9, 9, b''))
            m = bytes((self.pick(3, 4, 11, 12, 5, 13, 9, 30), r.randrange(5))) + b'\0' * 6 + quoted
            return 1, m[:2] + pkt.csum(m).to_bytes(2, 'big') + m[4:]
        return self.pick(132, 253, 47, 50, 2, 4, 41), data

    def packet(self, src, dst):
        """protocol, segment and the rest of the header"""
        self.ident += 1
        proto, seg = self.payload(src, dst)
        tos = self.pick(0, 0, self.r.randrange(256))
        return proto, seg, dict(ident=self.ident, ttl=self.pick(64, 64, 64, 64, 255, 1, 2, 3, 4), tos=tos, df=self.chance(0.4),
                                options=self.r.choice(OPTIONS) if self.chance(0.15) else b'')

    def shot(self, pod):
        me = self.lab.pods[pod]['ip']
        src = self.r.choice(self.addresses + list(FOREIGN)) if self.chance(0.08) else me
        dst = self.r.choice(self.places)
        proto, seg, o = self.packet(src, dst)
        mtu = self.lab.topo['namespaces'][pod]['interfaces']['eth0']['mtu']
        head = 20 + -(-len(o['options']) // 4) * 4
        if head + len(seg) > mtu or len(seg) > 24 and self.chance(0.15):
            return self.fragments(pod, src, dst, proto, seg, o, mtu - head)
        if self.chance(0.06):
            o.update(self.pick(dict(check=0x1234), dict(ver=6), dict(ihl=4), dict(total=head + len(seg) + 40), dict(total=head + len(seg) // 2)))
        p = pkt.ipv4(src, dst, proto, seg, **o)
        common.from_pod(self.lab, pod, p[:self.r.randrange(len(p))] if self.chance(0.02) else p, 'drawn %d' % self.ident)

    def fragments(self, pod, src, dst, proto, seg, o, room):
        r = self.r
        step = max(8, min(room // 8, self.pick(1, 2, 10, 51, 60, 125, 180, 185)) * 8)
        if len(seg) // step > 30:
            step = min(room // 8 * 8, len(seg) // 30 // 8 * 8 + 8)
        parts = [pkt.ipv4(src, dst, proto, seg[i:i + step], mf=i + step < len(seg), frag=i, **dict(o, df=self.chance(0.1)))
                 for i in range(0, len(seg), step)]
        how = r.randrange(6)
        if how == 0: r.shuffle(parts)
        if how == 1: parts.reverse()
        if how == 2: parts.insert(r.randrange(len(parts)), r.choice(parts))
        if how == 3: parts.pop(r.randrange(len(parts)))
        for p in parts:
            common.from_pod(self.lab, pod, p, 'drawn fragment of %d' % self.ident)

    def arp(self, pod):
        d = self.lab.pods[pod]
        sender = self.r.choice([d['ip'], d['ip'], '0.0.0.0'] + list(FOREIGN))
        body = struct.pack('!HHBBH', 1, 0x800, 6, 4, self.pick(1, 1, 1, 2)) + pkt.mac(d['mac']) + pkt.ip(sender)
        body += b'\0' * 6 + pkt.ip(self.r.choice(self.places))
        self.lab.inject(pod, 'eth0', pkt.eth('ff:ff:ff:ff:ff:ff', d['mac'], body, 0x0806), 'drawn arp')

    def tunnelled(self):
        """a packet as another node's tunnel would send it, with something changed"""
        r = self.r
        x, y = r.sample([n for n in self.nodes if self.lab.nodes[n]['segment'] == 'A'], 2)
        n1, n2 = self.lab.nodes[x], self.lab.nodes[y]
        src, dst = r.choice(self.addresses + list(FOREIGN[:4])), r.choice(self.places)
        proto, seg, o = self.packet(src, dst)
        inner = pkt.ipv4(src, dst, proto, seg[:self.limit - 60], **o)
        if self.chance(0.1):
            inner = inner[:r.randrange(len(inner))]
        outer = dict(ident=self.ident, tos=self.pick(0, r.randrange(256)), ttl=self.pick(64, 63, 2, 1), df=self.chance(0.5))
        if self.mode == 'ipip':
            p = pkt.ipv4(n1['ip'] if self.chance(0.9) else '192.168.33.77', n2['ip'], 4, inner, **outer)
        else:
            to = n2['vtepMac'] if self.chance(0.8) else self.pick('ff:ff:ff:ff:ff:ff', '66:00:00:00:00:01')
            frame = pkt.eth(to, n1['vtepMac'], inner, 0x0800 if self.chance(0.9) else 0x86dd)
            v = pkt.vxlan(4096 if self.chance(0.9) else self.pick(0, 1, 4097), frame, 8 if self.chance(0.8) else r.randrange(256),
                          b'\0\0\0' if self.chance(0.8) else b'\1\2\3', 0 if self.chance(0.8) else 7)
            u = pkt.udp(n1['ip'], n2['ip'], r.randrange(1024, 65535), 4789 if self.chance(0.9) else 8472, v, check=self.pick(None, 0, 0, 1))
            p = pkt.ipv4(n1['ip'], n2['ip'], 17, u, **outer)
        common.on_wire(self.lab, x, y, p, 'drawn tunnel packet %d' % self.ident)

    # -- packets of sockets --------------------------------------------------

    def burst(self, pod, port, to):
        """datagrams one behind the other: maybe all wait for one neighbour"""
        s = self.lab.udp_socket(pod, port=port)
        self.lab.ev(kind='udp-burst', src=pod, sport=port, dst=to)
        for i in range(self.r.randrange(2, 9)):
            s.sendto(pkt.pattern(self.r.randrange(200), 'burst %d ' % i), (to, 9000))
        s.close()

    def exchange(self, i):
        lab, r, port, pod = self.lab, self.r, 41000 + i * 3, self.r.choice(self.pods)
        hosts = self.pods + self.nodes + ['gw'] + (['ext'] if 'ext' in lab.nss else [])
        kind = r.randrange(22)
        if kind < 11:
            self.shot(pod)
        elif kind == 11:
            self.arp(pod)
        elif kind < 14 and self.mode != 'direct':
            self.tunnelled()
        elif kind == 14:
            a = r.choice([n for n in self.pods + self.nodes if n != pod])
            lab.tcp(a, port, pod, 8000 + i, r.randrange(900), self.pick(r.randrange(1100), 3 * self.wire))
        elif kind == 15:
            lab.ping(r.choice(hosts), r.choice(self.places), 1, self.pick(0, 56, 500, self.limit - 28, self.limit - 27), '-b -M dont', wait=0.3)
        elif kind == 16 and self.tracked:
            lab.udp(pod, port, pod, self.port, r.randrange(300), dst=self.vip, wait=0.1)
        elif kind < 19:
            self.burst(pod, port, r.choice(self.addresses + [self.vip, L.EXT['ip'], '10.2.169.170']))
        else:
            a, b = r.sample(hosts, 2)
            n = self.pick(10, 600, self.limit - 28, self.limit - 27, 2000)
            lab.udp(a, port, b, 9100 + i, n, reply=self.pick(10, n), tos=self.pick(0, 0x28, 0xb8, 2), wait=0.3,
                    dst=GATEWAY if b == 'gw' else lab.addr(b))


    # -- what changes half-way -----------------------------------------------

    def towards(self, n, m):
        """the rest of a route of node n by node m, as it has it for the blocks there"""
        d, e = self.lab.nodes[n], self.lab.nodes[m]
        if self.mode == 'direct' or self.lab.cross and d['segment'] == e['segment']:
            return 'via %s dev enp1s0' % e['ip']
        return 'via %s dev %s onlink' % (e['ip' if self.mode == 'ipip' else 'vtep'], TUNNEL[self.mode])

    def changes(self):
        """what may be done to a node: its name, and lines for ip(8); or bridge(8)"""
        r, lab = self.later, self.lab
        n, m = r.sample(self.nodes, 2)
        pod = r.choice(self.pods)
        home, ip = lab.pods[pod]['node'], lab.pods[pod]['ip']
        block, e = lab.nodes[m]['block'], lab.nodes[m]
        yield 'a block is withdrawn', n, 'route del %s' % block
        yield 'a block is refused', n, 'route replace %s %s' % (r.choice(('unreachable', 'prohibit', 'blackhole')), block)
        yield 'an endpoint is withdrawn', home, 'route del %s' % ip
        yield 'no default route', n, 'route del default'
        away = [x for x in self.nodes if x != home]
        yield 'an address is borrowed', home, 'route replace %s/32 %s' % (ip, self.towards(home, r.choice(away)))
        if n != home and len(away) > 1:
            yield 'an address has moved', n, 'route add %s/32 %s' % (ip, self.towards(n, r.choice([x for x in away if x != n])))
        if self.lab.neigh == 'static' and lab.nodes[n]['segment'] == e['segment']:
            yield 'a neighbour is forgotten', n, 'neigh del %s dev enp1s0' % e['ip']
        if self.mode == 'vxlan' and 'dev vxlan' in self.towards(n, m):
            yield 'a tunnel end is forgotten', n, 'neigh del %s dev vxlan.calico' % e['vtep']
            yield 'a tunnel end is nowhere', n, 'bridge fdb del %s dev vxlan.calico dst %s self' % (e['vtepMac'], e['ip'])

    def change(self):
        what, n, line = self.later.choice(list(self.changes()))
        time.sleep(0.1)
        self.lab.ev(kind='phase', label='change: %s, %s' % (what, n))
        self.lab.sh(line if line.startswith('bridge') else 'ip ' + line, n)
        time.sleep(0.05)


def draw(lab, seed, exchanges=60):
    drawn = Drawn(lab, seed)
    half = drawn.later.randrange(exchanges // 4, exchanges * 3 // 4) if drawn.later.random() < 0.6 else -1
    lab.start()
    common.sinks(lab, drawn.pods, (9000,))
    for i in range(exchanges):
        if i == half:
            drawn.change()
        drawn.exchange(i)
        time.sleep(0.005)
    time.sleep(0.3)
