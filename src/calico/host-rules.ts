/**
 * What Felix's own chains say about host endpoints (felix/rules static.go): where the
 * chains of the endpoints are asked, table by table, and what is let through before.
 */
import { type FailsafePorts, failsafeLines } from './failsafe-port.ts';
import { ACCEPT_MARK } from './policy-chains.ts';
import type { Flavour } from './release.ts';

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

interface Input extends Pick<Flavour, 'workloadMark' | 'packetMarks'> {
  readonly vxlanPort: number;
  /** Where WireGuard's own packets are let through; absent: it is off. */
  readonly wireguardPort: number | undefined;
  readonly failsafes: FailsafePorts;
}

const hex = (mark: number): string => `0x${mark.toString(16)}`;

/** Accepted by a table before, or by the host endpoint just asked. */
const accepted = (chain: string, how = 'ACCEPT'): string =>
  `-A ${chain} -m mark --mark ${ACCEPT_MARK} -j ${how}`;

export function hostLines({
  workloadMark,
  packetMarks,
  vxlanPort,
  wireguardPort,
  failsafes,
}: Input): HostLines {
  const clear = (chain: string): string =>
    `-A ${chain} -j MARK --set-xmark 0x0/${hex(packetMarks)}`;
  const forwarded = hex(packetMarks & ~ACCEPT_BIT);
  return {
    rawFirst: [
      ...failsafeLines('raw', failsafes),
      clear('cali-PREROUTING'),
      clear('cali-OUTPUT'),
      '-A cali-OUTPUT -j cali-to-host-endpoint',
    ],
    rawLast: [
      `-A cali-PREROUTING -m mark --mark 0x0/${hex(workloadMark)} -j cali-from-host-endpoint`,
      accepted('cali-PREROUTING'),
      accepted('cali-OUTPUT'),
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
      '-A cali-PREROUTING -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      accepted('cali-PREROUTING'),
      '-A cali-PREROUTING -j cali-from-host-endpoint',
      accepted('cali-PREROUTING'),
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
      accepted('cali-OUTPUT'),
      '-A cali-OUTPUT -o cali+ -j RETURN',
      '-A cali-OUTPUT -p ipencap -m set --match-set cali40all-hosts-net dst -m addrtype --src-type LOCAL -j ACCEPT',
      `-A cali-OUTPUT -p udp -m udp --dport ${vxlanPort} -m addrtype --src-type LOCAL -m set --match-set cali40all-hosts-net dst -j ACCEPT`,
      ...(wireguardPort === undefined
        ? []
        : [
            `-A cali-INPUT -p udp -m udp --dport ${wireguardPort} -m addrtype --dst-type LOCAL -j ACCEPT`,
            `-A cali-OUTPUT -p udp -m udp --dport ${wireguardPort} -m addrtype --src-type LOCAL -j ACCEPT`,
          ]),
      clear('cali-OUTPUT'),
      '-A cali-OUTPUT -m conntrack ! --ctstate DNAT -j cali-to-host-endpoint',
      accepted('cali-OUTPUT'),
    ],
    input: [
      accepted('cali-INPUT'),
      clear('cali-INPUT'),
      '-A cali-INPUT -j cali-from-host-endpoint',
      accepted('cali-INPUT'),
    ],
    forwardFirst: [
      `-A cali-FORWARD -j MARK --set-xmark 0x0/${forwarded}`,
      `-A cali-FORWARD -m mark --mark 0x0/${ACCEPT_MARK.split('/')[1]} -j cali-from-hep-forward`,
    ],
    forwardLast: ['-A cali-FORWARD -j cali-to-hep-forward'],
    appended: [`-A FORWARD -j MARK --set-xmark ${ACCEPT_MARK}`],
  };
}

const ACCEPT_BIT = Number(ACCEPT_MARK.split('/')[0]);
