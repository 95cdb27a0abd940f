/**
 * Endpoints of services that recorded nodes drew at random: where a packet went on to
 * another destination than its pod had called, that one was drawn for its connection.
 */
import type { Cluster } from '../cluster/cluster.ts';
import type { Choices } from '../node/choices.ts';
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import { readTuple, type Tuple } from '../node/tuple.ts';
import type { Packet } from '../packet/packet.ts';
import { innermost } from '../replay/sent-again.ts';
import { macAt } from '../wire/address.ts';
import { i32 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Lab } from './lab.ts';
import { PodPackets } from './pod-packets.ts';

/** Tells the nodes of the network what they drew; before the run. */
export function declareChoices(lab: Lab, cluster: Cluster): void {
  const drawing = cluster.nodes.filter(({ plan }) =>
    plan.netfilter?.chains.some(({ rules }) =>
      rules.some(({ matches }) => matches.statistic?.mode === 'random'),
    ),
  );
  if (drawing.length === 0) return;
  const packets = new PodPackets(lab, cluster);
  for (const node of drawing) {
    if (node.netfilter !== null)
      node.netfilter.chains.choices = new RecordedChoices(lab, node, packets);
  }
}

class RecordedChoices implements Choices {
  /** Endpoints by the connection as its sender called it. */
  private readonly endpoints = new Map<string, number>();
  private readonly asked: Tuple = { source: 0, destination: 0, ports: 0, protocol: 0, zone: 0 };

  constructor(lab: Lab, node: Node, packets: PodPackets) {
    for (const device of node.devices) {
      for (const { bytes: b } of lab.frames(node.name, device.name) ?? []) {
        const at = sentPacket(node, device, b);
        const before = at < 0 ? undefined : packets.before(node, b, at);
        if (before === undefined || hasNoPorts(before)) continue;
        const to = ipv4.destination(b, at);
        if (ipv4.destination(before, 0) !== to) this.endpoints.set(keyOf(before), to);
      }
    }
  }

  endpoint(p: Packet): number | null {
    const { asked } = this;
    if (this.endpoints.size === 0 || !readTuple(p.l3, p.tail, asked)) return null;
    const { protocol, source, destination, ports } = asked;
    return this.endpoints.get(`${protocol} ${source} ${destination} ${ports}`) ?? null;
  }
}

/** Where the packet stands, inside all tunnels, that a device sent; -1 for what it received. */
function sentPacket(node: Node, device: Device, b: Buffer): number {
  if (!device.ethernet) return innermost(node, b, 0, b.length);
  const at = ethernet.HEADER_LEN;
  const isSent = b.length > at && macAt(b, ethernet.field.source) === device.plan.mac;
  return isSent && ethernet.type(b, 0) === ethernet.TYPE_IPV4
    ? innermost(node, b, at, b.length)
    : -1;
}

const hasNoPorts = (p: Buffer): boolean =>
  ipv4.isFragment(p, 0) || p.length < ipv4.headerLength(p, 0) + 4;

const keyOf = (p: Buffer): string =>
  `${ipv4.protocol(p, 0)} ${ipv4.source(p, 0)} ${ipv4.destination(p, 0)} ${i32(p, ipv4.headerLength(p, 0))}`;
