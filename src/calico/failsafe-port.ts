/**
 * Failsafe ports: what no policy of a host endpoint can close, so that nobody locks
 * himself out (felix/config config_params.go FailsafeInboundHostPorts and …Outbound…).
 */
import { formatPrefix, networkOf, type Prefix } from '../wire/address.ts';
import type { Field } from './field.ts';

export interface FailsafePort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
  /** The far end; absent: any. */
  readonly net?: Prefix;
}

export interface FailsafePorts {
  readonly inbound: readonly FailsafePort[];
  readonly outbound: readonly FailsafePort[];
}

const ports = (text: string): readonly FailsafePort[] =>
  text.split(' ').map((one) => {
    const [protocol, port] = one.split(':');
    return { protocol: protocol === 'udp' ? 'udp' : 'tcp', port: Number(port) };
  });

const CONTROL = 'tcp:179 tcp:2379 tcp:2380 tcp:5473 tcp:6443 tcp:6666 tcp:6667';

/** SSH, DHCP, DNS, BGP, etcd, Typha and the API server. */
export const DEFAULT_FAILSAFES: FailsafePorts = {
  inbound: ports(`tcp:22 udp:68 ${CONTROL}`),
  outbound: ports(`udp:53 udp:67 ${CONTROL}`),
};

/** The list of a FelixConfiguration; an empty one means none. Those of IPv6 are left out. */
export const readFailsafes = (at: Field): readonly FailsafePort[] =>
  at.items().flatMap((f) => {
    const protocol = f.entry('protocol').text().toLowerCase();
    if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
      throw f.entry('protocol').refuse('tcp, udp or sctp');
    }
    const port = f.entry('port').integer(0, 65535);
    const net = f.entry('net');
    if (net.absent || net.text() === '') return [{ protocol, port }];
    if (net.text().includes(':')) return [];
    return [{ protocol, port, net: networkOf(net.interfaceAddress()) }];
  });

/**
 * The chains `cali-failsafe-in` and `cali-failsafe-out` of one table. Before connections
 * are tracked, in `raw`, they let the answers pass too (felix/rules static.go).
 */
export function failsafeLines(table: string, { inbound, outbound }: FailsafePorts): string[] {
  const line = (chain: string, one: FailsafePort, far: 's' | 'd', side: 's' | 'd'): string => {
    const { protocol, port, net } = one;
    const from = net === undefined ? '' : `-${far} ${formatPrefix(net)} `;
    return `-A ${chain} ${from}-p ${protocol} -m multiport --${side}ports ${port} -j ACCEPT`;
  };
  const answers = table === 'raw';
  return [
    ':cali-failsafe-in - [0:0]',
    ':cali-failsafe-out - [0:0]',
    ...inbound.map((one) => line('cali-failsafe-in', one, 's', 'd')),
    ...(answers ? outbound.map((one) => line('cali-failsafe-in', one, 's', 's')) : []),
    ...outbound.map((one) => line('cali-failsafe-out', one, 'd', 'd')),
    ...(answers ? inbound.map((one) => line('cali-failsafe-out', one, 'd', 's')) : []),
  ];
}
