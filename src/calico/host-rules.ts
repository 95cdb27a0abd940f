/**
 * What Felix's own chains say about host endpoints (felix/rules static.go): where the
 * chains of the endpoints are asked, table by table, and what is let through before.
 */
import { type FailsafePorts, failsafeLines } from './failsafe-port.ts';
import { cleared, marked, type RuleStyle } from './rule-style.ts';
import { IPIP_HOSTS, VXLAN_HOSTS } from './tunnel-hosts.ts';

/** Lines for a node with host endpoints, by the place where they belong. */
export interface HostLines {
  readonly rawFirst: readonly string[];
  readonly rawLast: readonly string[];
  readonly mangle: readonly string[];
  /** Declarations, what is let through from other nodes, and all of OUTPUT. */
  readonly filter: readonly string[];
  readonly input: readonly string[];
  readonly forwardFirst: readonly string[];
  readonly forwardLast: readonly string[];
  /** After everybody else's rules in FORWARD. */
  readonly appended: readonly string[];
}

export const NO_HOST_LINES: HostLines = {
  rawFirst: [],
  rawLast: [],
  mangle: [],
  filter: [],
  input: [],
  forwardFirst: [],
  forwardLast: [],
  appended: [],
};

interface Input {
  readonly style: RuleStyle;
  /** Where VXLAN's packets are let through, and whether IPIP's are; absent: there is no such pool. */
  readonly vxlanPort: number | undefined;
  readonly ipip: boolean;
  /** The same of WireGuard; absent: it is off. */
  readonly wireguardPort: number | undefined;
  readonly failsafes: FailsafePorts;
}

export function hostLines(input: Input): HostLines {
  const { style, failsafes } = input;
  const { marks, filterAllow, mangleAllow } = style;
  const acceptMark = marked(marks.accept);
  const clear = (chain: string): string =>
    `-A ${chain} -j MARK --set-xmark ${cleared(marks.decisions)}`;
  /** Accepted by a table before, or by the host endpoint just asked. */
  const accepted = (chain: string, how: string): string =>
    `-A ${chain} -m mark --mark ${acceptMark} -j ${how}`;
  const undecided = cleared((marks.decisions & ~marks.accept) >>> 0);
  return {
    rawFirst: [
      ...failsafeLines('raw', failsafes),
      clear('cali-PREROUTING'),
      clear('cali-OUTPUT'),
      '-A cali-OUTPUT -j cali-to-host-endpoint',
    ],
    rawLast: [
      `-A cali-PREROUTING -m mark --mark ${cleared(marks.workload)} -j cali-from-host-endpoint`,
      accepted('cali-PREROUTING', 'ACCEPT'),
      accepted('cali-OUTPUT', 'ACCEPT'),
    ],
    mangle: [
      '*mangle',
      ':PREROUTING ACCEPT [0:0]',
      ':INPUT ACCEPT [0:0]',
      ':FORWARD ACCEPT [0:0]',
      ':OUTPUT ACCEPT [0:0]',
      ':POSTROUTING ACCEPT [0:0]',
      ...failsafeLines('mangle', failsafes),
      ':cali-PREROUTING - [0:0]',
      ':cali-POSTROUTING - [0:0]',
      '-A PREROUTING -j cali-PREROUTING',
      '-A POSTROUTING -j cali-POSTROUTING',
      `-A cali-PREROUTING -m conntrack --ctstate RELATED,ESTABLISHED -j ${mangleAllow}`,
      accepted('cali-PREROUTING', mangleAllow),
      '-A cali-PREROUTING -j cali-from-host-endpoint',
      accepted('cali-PREROUTING', mangleAllow),
      // Forwarded packets bear the mark: what is asked here is for those of the host itself.
      accepted('cali-POSTROUTING', 'RETURN'),
      clear('cali-POSTROUTING'),
      '-A cali-POSTROUTING -m conntrack --ctstate DNAT -j cali-to-host-endpoint',
      accepted('cali-POSTROUTING', 'RETURN'),
      'COMMIT',
    ],
    filter: [
      ...failsafeLines('filter', failsafes),
      ':cali-OUTPUT - [0:0]',
      '-A OUTPUT -j cali-OUTPUT',
      accepted('cali-OUTPUT', filterAllow),
      '-A cali-OUTPUT -o cali+ -j RETURN',
      ...tunnelLines(input),
      clear('cali-OUTPUT'),
      '-A cali-OUTPUT -m conntrack ! --ctstate DNAT -j cali-to-host-endpoint',
      accepted('cali-OUTPUT', filterAllow),
    ],
    input: [
      accepted('cali-INPUT', filterAllow),
      clear('cali-INPUT'),
      '-A cali-INPUT -j cali-from-host-endpoint',
      accepted('cali-INPUT', filterAllow),
    ],
    forwardFirst: [
      `-A cali-FORWARD -j MARK --set-xmark ${undecided}`,
      `-A cali-FORWARD -m mark --mark ${cleared(marks.accept)} -j cali-from-hep-forward`,
    ],
    forwardLast: ['-A cali-FORWARD -j cali-to-hep-forward'],
    appended: [`-A FORWARD -j MARK --set-xmark ${acceptMark}`],
  };
}

/** No policy of a host can cut its pods off from other nodes. */
function tunnelLines({ style, vxlanPort, ipip, wireguardPort }: Input): readonly string[] {
  const { filterAllow } = style;
  const udp = (chain: string, port: number): string => `-A ${chain} -p udp -m udp --dport ${port}`;
  return [
    ...(ipip
      ? [
          `-A cali-OUTPUT -p ipencap -m set --match-set ${IPIP_HOSTS} dst -m addrtype --src-type LOCAL -j ${filterAllow}`,
        ]
      : []),
    ...(vxlanPort === undefined
      ? []
      : [
          `${udp('cali-OUTPUT', vxlanPort)} -m addrtype --src-type LOCAL -m set --match-set ${VXLAN_HOSTS} dst -j ${filterAllow}`,
        ]),
    ...(wireguardPort === undefined
      ? []
      : [
          `${udp('cali-INPUT', wireguardPort)} -m addrtype --dst-type LOCAL -j ${filterAllow}`,
          `${udp('cali-OUTPUT', wireguardPort)} -m addrtype --src-type LOCAL -j ${filterAllow}`,
        ]),
  ];
}
