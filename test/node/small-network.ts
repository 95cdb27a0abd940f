/**
 * A small network for the tests of this folder, made of plain data: hosts on two
 * segments, a router between them, every emitted frame kept and its checksums
 * summed again by a slow twin.
 *
 *   in 10.1.0.2, in2 10.1.0.3 ── lan ── 10.1.0.1 gw 192.0.2.1 ── wan ── out 192.0.2.9
 */
import '../accounts.ts';
import { expect } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { ClusterOptions } from '../../src/cluster/cluster-options.ts';
import { type Drop, dropInfo } from '../../src/drop.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { bytes } from '../../src/packet/arena.ts';
import type { ConntrackSettings } from '../../src/plan/conntrack.ts';
import type { ClusterPlan, DevicePlan, NamespacePlan, RoutePlan } from '../../src/plan/plan.ts';
import { parseNetfilter } from '../../src/text/iptables-save.ts';
import { parseInterfaceAddress, parseIp4, parseMac, parsePrefix } from '../../src/wire/address.ts';

export const IN = '10.1.0.2';
export const IN2 = '10.1.0.3';
export const LAN = '10.1.0.1';
export const WAN = '192.0.2.1';
export const OUT = '192.0.2.9';

const lo: DevicePlan = {
  name: 'lo',
  index: 1,
  kind: 'loopback',
  mtu: 65536,
  up: true,
  addresses: [{ ...parseInterfaceAddress('127.0.0.1/8'), scope: 'host' }],
  proxyArp: false,
  queueLength: 1000,
  qdisc: 'noqueue',
  checksumOffload: false,
};

const nic = (index: number, address: string, mac: string, mtu = 1500): DevicePlan => ({
  ...lo,
  name: `eth${index - 2}`,
  index,
  kind: 'nic',
  mtu,
  mac: parseMac(mac),
  addresses: [{ ...parseInterfaceAddress(address), scope: 'global' }],
});

const route = (destination: string, device: string, via?: string): RoutePlan => ({
  type: 'unicast',
  destination: parsePrefix(destination),
  device,
  ...(via === undefined ? {} : { via: parseIp4(via) }),
  table: 'main',
  protocol: 'boot',
  scope: via === undefined ? 'link' : 'global',
  metric: 0,
  onlink: false,
  origin: 'admin',
});

const host = (
  name: string,
  devices: DevicePlan[],
  routes: RoutePlan[],
  more: Partial<NamespacePlan> = {},
): NamespacePlan => ({
  name,
  role: 'host',
  forwarding: false,
  silent: true,
  devices: [lo, ...devices],
  routes,
  neighbours: [],
  fdb: [],
  ...more,
});

export interface Setting {
  /** What iptables-save prints on the router; without it nothing is tracked. */
  readonly rules?: string;
  readonly conntrack?: ConntrackSettings;
  readonly seed?: number;
  /** MTU of the router's outer device. */
  readonly mtu?: number;
  /** MTU of all other devices. */
  readonly largeMtu?: number;
  /** The router leaves checksums to its devices. */
  readonly offload?: boolean;
}

export interface Seen {
  readonly node: string;
  readonly device: string;
  /** From the IPv4 header on. */
  readonly packet: Buffer;
}

const members = (...ends: string[]) =>
  ends.map((end) => {
    const [namespace = '', device = ''] = end.split(':');
    return { namespace, device };
  });

export function planOf({
  rules,
  conntrack,
  mtu = 1500,
  largeMtu = 1500,
  offload = false,
}: Setting): ClusterPlan {
  const lan = route('10.1.0.0/24', 'eth0');
  const inner = [lan, route('0.0.0.0/0', 'eth0', LAN)];
  const outer = [route('192.0.2.0/24', 'eth0'), route('0.0.0.0/0', 'eth0', WAN)];
  return {
    namespaces: [
      host('in', [nic(2, `${IN}/24`, '02:00:00:00:00:02', largeMtu)], inner),
      host('in2', [nic(2, `${IN2}/24`, '02:00:00:00:00:03', largeMtu)], inner),
      host(
        'gw',
        [
          nic(2, `${LAN}/24`, '02:00:00:00:00:01', largeMtu),
          nic(3, `${WAN}/24`, '02:00:00:00:01:01', mtu),
        ].map((device) => ({ ...device, checksumOffload: offload })),
        [lan, route('192.0.2.0/24', 'eth1')],
        {
          role: 'router',
          forwarding: true,
          silent: false,
          icmpRateLimit: 0,
          ...(rules === undefined ? {} : { netfilter: parseNetfilter(rules) }),
          ...(conntrack === undefined ? {} : { conntrack }),
        },
      ),
      host('out', [nic(2, `${OUT}/24`, '02:00:00:00:01:09', largeMtu)], outer),
    ],
    segments: [
      {
        name: 'lan',
        mtu: 65535,
        members: members('in:eth0', 'in2:eth0', 'gw:eth0'),
        srcDstCheck: false,
      },
      { name: 'wan', mtu: 65535, members: members('gw:eth1', 'out:eth0'), srcDstCheck: false },
    ],
    pools: [],
    free: { identifications: [], vxlanSourcePorts: [] },
    assumptions: [],
    ignored: [],
  };
}

export class SmallNetwork {
  readonly cluster: Cluster;
  private seen: Seen[] = [];

  constructor(setting: Setting = {}, options: ClusterOptions = {}) {
    this.cluster = Cluster.fromPlan(planOf(setting), { seed: setting.seed ?? 1, ...options });
    this.cluster.observer = {
      see: (node, device, p) => {
        const frame = Buffer.from(bytes.subarray(p.data, p.tail));
        if (frame.readUInt16BE(12) !== 0x0800) return;
        const packet = frame.subarray(14, 14 + frame.readUInt16BE(16));
        expectChecksums(packet);
        this.seen.push({ node: node.name, device: device.name, packet });
      },
    };
  }

  /** Sends one packet (IPv4 and what is in it); what every device saw of it and after it. */
  send(from: string, layers: readonly Layer[]): Seen[] {
    this.seen = [];
    this.cluster.originate(this.cluster.names.find(from), buildFrame(layers));
    return this.seen;
  }

  /** What reached a host in the end, where anything did. */
  arrives(from: string, to: string, layers: readonly Layer[]): Buffer | undefined {
    return this.send(from, layers).findLast(({ node }) => node === to)?.packet;
  }

  /** Drops so far by name. */
  get drops(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const [code, count] of this.cluster.drops().entries()) {
      if (count > 0) counts[dropInfo[code as Drop].name] = count;
    }
    return counts;
  }

  /** Lets virtual seconds pass. */
  wait(seconds: number): void {
    const { now } = this.cluster;
    this.cluster.advance({ ...now, seconds: now.seconds + seconds });
  }
}

/** RFC 1071 by long addition and one division. */
export function slowSum(...parts: Buffer[]): number {
  let sum = 0n;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) sum += BigInt(part[i]! << (i % 2 === 0 ? 8 : 0));
  }
  return sum === 0n ? 0 : Number(((sum - 1n) % 0xffffn) + 1n);
}

/** Header, and what an unfragmented UDP, TCP or ICMP packet carries. */
export function expectChecksums(packet: Buffer): void {
  const header = (packet[0]! & 15) * 4;
  expect(slowSum(packet.subarray(0, header))).toBe(0xffff);
  if ((packet.readUInt16BE(6) & 0x3fff) !== 0) return;
  const content = packet.subarray(header);
  const protocol = packet[9]!;
  if (protocol === 1) {
    expect(slowSum(content)).toBe(0xffff);
    if ([3, 11].includes(content[0]!)) {
      const quote = content.subarray(8);
      // A header with options is quoted before its checksum is made again.
      if (quote[0] === 0x45) expect(slowSum(quote.subarray(0, 20))).toBe(0xffff);
    }
  }
  if (protocol !== 6 && protocol !== 17) return;
  if (protocol === 17 && content.readUInt16BE(6) === 0) return;
  const pseudo = Buffer.alloc(12);
  packet.copy(pseudo, 0, 12, 20);
  pseudo[9] = protocol;
  pseudo.writeUInt16BE(content.length, 10);
  expect(slowSum(pseudo, content)).toBe(0xffff);
}

const dotted = (b: Buffer, at: number): string => [...b.subarray(at, at + 4)].join('.');

/** `10.1.0.2:40000 > 192.0.2.9:53`; of an echo both ports are its identifier. */
export function flowOf(packet: Buffer | undefined): string {
  if (packet === undefined) return 'nothing';
  const l4 = (packet[0]! & 15) * 4;
  const icmp = packet[9] === 1;
  const echo = icmp ? packet.readUInt16BE(l4 + 4) : 0;
  const [from, to] = icmp ? [echo, echo] : [packet.readUInt16BE(l4), packet.readUInt16BE(l4 + 2)];
  return `${dotted(packet, 12)}:${from} > ${dotted(packet, 16)}:${to}`;
}
