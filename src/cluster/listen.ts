/** Sockets that listen, as `nc -l` opens them. */
import type { Node } from '../node/node.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Cluster } from './cluster.ts';

/** Port numbers. */
export interface OpenPorts {
  readonly tcp?: readonly number[];
  readonly udp?: readonly number[];
}

/**
 * Lets ports of a namespace listen, beside those that were told before. From then on all
 * its others are closed: TCP answers by a reset, UDP by "port unreachable". Throws
 * ERR_NAME for a namespace that is not there.
 */
export const listen = (cluster: Cluster, name: string, ports: OpenPorts): void =>
  listenOn(cluster.names.find(name), ports);

export function listenOn(node: Node, { tcp = [], udp = [] }: OpenPorts): void {
  const { sockets } = node;
  node.change();
  sockets.listen(ipv4.PROTO_TCP, tcp);
  sockets.listen(ipv4.PROTO_UDP, udp);
}
