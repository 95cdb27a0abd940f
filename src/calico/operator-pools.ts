/**
 * The pools that the operator makes from its Installation, where the cluster has none
 * yet (operator/pkg/controller/ippool).
 */
import { formatPrefix } from '../wire/address.ts';
import type { ClusterRanges } from './cluster-ranges.ts';
import { DEFAULT_CIDR, DEFAULT_POOL, poolFromSpec } from './default-pool.ts';
import type { Field } from './field.ts';
import type { IpPool } from './ip-pool.ts';

const MODES = new Map([
  ['IPIP', { ipipMode: 'Always' }],
  ['IPIPCrossSubnet', { ipipMode: 'CrossSubnet' }],
  ['VXLAN', { vxlanMode: 'Always' }],
  ['VXLANCrossSubnet', { vxlanMode: 'CrossSubnet' }],
  ['None', {}],
]);

/** None for an empty list, which says that somebody else makes them. `ranges` are kubeadm's. */
export function operatorPools(installation: Field, ranges: ClusterRanges): IpPool[] {
  const at = installation.entry('spec').entry('calicoNetwork').entry('ipPools');
  const where = `${installation.where} (Installation)`;
  if (at.absent) {
    const cidr = ranges.pods === undefined ? DEFAULT_CIDR : formatPrefix(ranges.pods);
    return one(poolFromSpec(DEFAULT_POOL, where, { cidr, ipipMode: 'Always', natOutgoing: true }));
  }
  const written = at.items().filter((item) => !item.entry('cidr').text().includes(':'));
  return written.flatMap((item) => one(readPool(item, written.length === 1)));
}

const one = (pool: IpPool | undefined): IpPool[] => (pool === undefined ? [] : [pool]);

function readPool(item: Field, alone: boolean): IpPool | undefined {
  const cidr = formatPrefix(item.entry('cidr').prefix());
  const encapsulation = item.entry('encapsulation');
  const kind = encapsulation.optional((f) => f.choice([...MODES.keys()])) ?? 'IPIP';
  const enabled = (key: string): boolean | undefined =>
    item.entry(key).optional((f) => f.choice(['Enabled', 'Disabled']) === 'Enabled');
  const name = item.entry('name').optional((f) => f.name());
  return poolFromSpec(name ?? (alone ? DEFAULT_POOL : cidr.replace('/', '-')), item.where, {
    cidr,
    ...MODES.get(kind),
    blockSize: item.entry('blockSize').optional((f) => f.integer(20, 32)),
    natOutgoing: enabled('natOutgoing') ?? true,
    nodeSelector: item.entry('nodeSelector').optional((f) => f.text()),
    disableBGPExport: item.entry('disableBGPExport').optional((f) => f.boolean()),
    allowedUses: item.entry('allowedUses').plain(),
    assignmentMode: item.entry('assignmentMode').plain(),
    disabled: item.entry('disableNewAllocations').optional((f) => f.boolean()),
  });
}
