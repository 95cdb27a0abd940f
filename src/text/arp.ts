/** `arp`: the neighbour table as net-tools prints it (arp.c arp_display and arp_disp_2). */
import type { NamespacePlan, NeighbourPlan } from '../plan/plan.ts';
import { formatIp4, formatMac } from '../wire/address.ts';
import { isResolved } from './ip-neigh.ts';

export interface ArpListing {
  /** `-n`. Addresses are numbers either way: a plan has no names. */
  readonly numeric?: boolean | undefined;
  /** `-a`: one sentence an entry instead of the columns. */
  readonly all?: boolean | undefined;
  /** `-i DEVICE` */
  readonly device?: string | undefined;
}

const TITLE = 'Address                  HWtype  HWaddress           Flags Mask            Iface\n';

/** `arp -n` or, with `all`, `arp -an`; in the plan's order, '' when there is no entry. */
export function printArp(ns: NamespacePlan, { all, device }: ArpListing = {}): string {
  const entries = ns.neighbours.filter(
    (n) => n.state !== 'NOARP' && (device === undefined || n.device === device),
  );
  if (all) return entries.map((n) => `${sentence(n)}\n`).join('');
  return entries.length === 0 ? '' : TITLE + entries.map((n) => `${row(n)}\n`).join('');
}

function sentence(n: NeighbourPlan): string {
  const permanent = n.state === 'PERMANENT' ? ' PERM' : '';
  const at =
    isResolved(n) && n.mac !== undefined
      ? `${formatMac(n.mac)} [ether]${permanent}`
      : '<incomplete>';
  return `? (${formatIp4(n.address)}) at ${at} on ${n.device}`;
}

function row(n: NeighbourPlan): string {
  const address = formatIp4(n.address).padEnd(25);
  if (!isResolved(n) || n.mac === undefined) {
    return `${address}${''.padEnd(8)}${'(incomplete)'.padEnd(42)}${n.device}`;
  }
  const flags = n.state === 'PERMANENT' ? 'CM' : 'C';
  return `${address}${'ether'.padEnd(8)}${formatMac(n.mac).padEnd(20)}${flags.padEnd(22)}${n.device}`;
}
