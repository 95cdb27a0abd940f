/**
 * What pods and hosts of a recorded network sent, and what was put on a node's wire by
 * hand inside tunnels, to be known again where a node sends it on under other addresses.
 */
import type { Cluster } from '../cluster/cluster.ts';
import { dissect } from '../frame/dissect.ts';
import type { Node } from '../node/node.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import { type Lab, vxlanPorts } from './lab.ts';

/** What NAT leaves alone of a packet: identification, and the bytes behind ports and checksums. */
export function fingerprint(b: Buffer, at: number): string {
  const l4 = at + ipv4.headerLength(b, at);
  const protocol = ipv4.protocol(b, at);
  const skipped = protocol === ipv4.PROTO_TCP ? [4, 16] : [8, 40];
  const later = ipv4.fragmentOffset(b, at);
  const body =
    later > 0 ? '' : b.toString('hex', l4 + skipped[0]!, Math.min(l4 + skipped[1]!, b.length));
  return `${protocol} ${ipv4.identification(b, at)} ${later} ${body}`;
}

export class PodPackets {
  private readonly found = new Map<string, Buffer[]>();
  /** Addresses that some namespace has; a service has none of them. */
  private readonly held: ReadonlySet<number>;

  constructor(lab: Lab, cluster: Cluster) {
    this.held = new Set(cluster.nodes.flatMap((n) => n.devices.flatMap((d) => d.addresses)));
    for (const node of cluster.nodes.filter((n) => n.silent)) {
      for (const device of node.devices) {
        if (!device.ethernet) continue;
        const mac = (device.plan.mac ?? 0).toString(16).padStart(12, '0');
        for (const { bytes } of lab.frames(node.name, device.name) ?? []) {
          const at = ethernet.HEADER_LEN;
          if (bytes.toString('hex', 6, 12) !== mac) continue;
          if (ipv4.check(bytes, at, bytes.length) === 0) this.add(bytes.subarray(at));
        }
      }
    }
    for (const { frame } of lab.events) {
      if (frame === undefined) continue;
      for (const layer of dissect(frame.bytes, { vxlanPorts: vxlanPorts(lab) }).layers) {
        if (layer.layer === 'ipv4' && layer.quoted !== true) {
          this.add(frame.bytes.subarray(layer.offset));
        }
      }
    }
  }

  /**
   * The packet that `node` sends on as the one at `at`: as it is, or, where the node
   * translates, with another source, or for a service's address or a port of its own.
   */
  before(node: Node, b: Buffer, at: number): Buffer | undefined {
    const alike = this.found.get(fingerprint(b, at)) ?? [];
    const [from, to] = [ipv4.source(b, at), ipv4.destination(b, at)];
    const port = destinationPort(b, at);
    const same = alike.filter(
      (p) => ipv4.destination(p, 0) === to && destinationPort(p, 0) === port,
    );
    const asItIs = same.find((p) => ipv4.source(p, 0) === from);
    if (asItIs !== undefined || node.netfilter === null) return asItIs;
    const own = new Set(node.devices.flatMap((d) => d.addresses));
    const mayBeService = (p: Buffer): boolean => {
      const address = ipv4.destination(p, 0);
      return own.has(address) || !this.held.has(address);
    };
    return same.at(-1) ?? alike.findLast(mayBeService);
  }

  private add(packet: Buffer): void {
    const key = fingerprint(packet, 0);
    const alike = this.found.get(key);
    if (alike === undefined) this.found.set(key, [packet]);
    else alike.push(packet);
  }
}

/** Of TCP and UDP, 0 for others. Only with another address it is translated. */
function destinationPort(b: Buffer, at: number): number {
  const l4 = at + ipv4.headerLength(b, at);
  const protocol = ipv4.protocol(b, at);
  const hasPorts = protocol === ipv4.PROTO_TCP || protocol === ipv4.PROTO_UDP;
  if (!hasPorts || ipv4.fragmentOffset(b, at) !== 0 || b.length < l4 + 4) return 0;
  return udp.destinationPort(b, l4);
}
