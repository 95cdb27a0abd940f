/**
 * The outer UDP source port of VXLAN: a hash of the inner flow, scaled into
 * net.ipv4.ip_local_port_range (udp_flow_src_port of include/net/udp.h). Real
 * values hang on a secret drawn at boot, so a capture's ports can be declared
 * for their flows; others follow from the seed.
 */
import { flowHash } from './flow-hash.ts';

/** Defaults of ip_local_port_range; the upper end is never reached. */
export const PORT_MIN = 32768;
export const PORT_MAX = 60999;

interface Declared {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly port: number;
}

export class SourcePorts {
  private readonly seed: number;
  private readonly declared: Declared[] = [];

  constructor(seed: number) {
    this.seed = seed;
  }

  declare(flow: Declared): void {
    this.declared.push({
      ...flow,
      source: flow.source | 0,
      destination: flow.destination | 0,
    });
  }

  port(
    source: number,
    destination: number,
    protocol: number,
    sourcePort: number,
    destinationPort: number,
  ): number {
    for (let i = 0; i < this.declared.length; i++) {
      const d = this.declared[i]!;
      if (
        d.source === source &&
        d.destination === destination &&
        d.protocol === protocol &&
        d.sourcePort === sourcePort &&
        d.destinationPort === destinationPort
      ) {
        return d.port;
      }
    }
    const hash = flowHash(this.seed, source, destination, protocol, sourcePort, destinationPort);
    const spread = (hash ^ (hash << 16)) >>> 0;
    return PORT_MIN + Math.floor((spread * (PORT_MAX - PORT_MIN)) / 2 ** 32);
  }
}
