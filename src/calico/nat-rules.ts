/** What Felix writes into the table nat: out of pools, and into tunnels (felix/rules nat.go, static.go). */
import { formatIp4 } from '../wire/address.ts';
import type { FelixSettings } from './felix-configuration.ts';

/** Sets by which the rules go: `masquerade` holds what leaves its pools under another name. */
export interface NatSets {
  readonly masquerade: string;
  readonly pools: string;
  readonly hosts: string;
}

/** Out of a pool: the range counts for TCP and UDP, and ends the matter for them (nat.go NATOutgoingChain). */
export function outgoingLines(felix: FelixSettings, sets: NatSets): readonly string[] {
  const { natPortRange: span, natOutgoingAddress: address } = felix;
  const filter = felix.iptablesNATOutgoingInterfaceFilter;
  const target = (ports?: string): string => {
    if (address === undefined) return masquerade(ports);
    const to = `${formatIp4(address)}${ports === undefined ? '' : `:${ports}`}`;
    return `SNAT --to-source ${to} --random-fully`;
  };
  const line = (protocol: string, action: string): string =>
    [
      '-A cali-nat-outgoing',
      ...(filter === undefined ? [] : [`-o ${filter}`]),
      ...(protocol === '' ? [] : [`-p ${protocol}`]),
      `-m set --match-set ${sets.masquerade} src -m set ! --match-set ${sets.pools} dst`,
      ...(felix.natOutgoingExclusions === 'IPPoolsAndHostIPs'
        ? [`-m set ! --match-set ${sets.hosts} dst`]
        : []),
      `-j ${action}`,
    ].join(' ');
  const whole = line('', target());
  if (span === undefined || span.to === 0) return [whole];
  const ranged = ['tcp', 'udp'].flatMap((protocol) => [
    line(protocol, target(`${span.from}-${span.to}`)),
    line(protocol, 'RETURN'),
  ]);
  return [...ranged, whole];
}

/**
 * What a process of the node sends into a tunnel gets that device's address, for the
 * answers to come back by it (static.go StaticNATPostroutingChains). A UDP port that
 * is VXLAN's would have the answer taken for VXLAN, hence `sparedPort`.
 */
export function tunnelLines(device: string, sparedPort: number | undefined): readonly string[] {
  const line = (protocol: string, action: string): string =>
    `-A cali-POSTROUTING -o ${device} ${protocol}-m addrtype ! --src-type LOCAL --limit-iface-out ` +
    `-m addrtype --src-type LOCAL -j ${action}`;
  return [
    ...(sparedPort === undefined ? [] : [line('-p udp ', masquerade(besides(sparedPort)))]),
    line('', masquerade()),
  ];
}

const masquerade = (ports?: string): string =>
  `MASQUERADE${ports === undefined ? '' : ` --to-ports ${ports}`} --random-fully`;

/** The ports that anybody may have: the kernel draws from these (nf_nat_l4proto_unique_tuple). */
const FIRST = 1024;
const LAST = 65535;

/** The wider of the two ranges that a port leaves. */
function besides(port: number): string {
  if (port < FIRST) return `${FIRST}-${LAST}`;
  return port - FIRST > LAST - port ? `${FIRST}-${port - 1}` : `${port + 1}-${LAST}`;
}
