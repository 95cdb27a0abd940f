/** IPAMBlock and BlockAffinity: which node owns which block of a pool. */
import type { Prefix } from '../wire/address.ts';
import type { Field } from './field.ts';

export interface BlockClaim {
  readonly cidr: Prefix;
  /** Absent for a block that exists and belongs to no node. */
  readonly node: string | undefined;
  readonly at: Field;
}

/** `undefined` for IPv6 blocks and deleted ones. */
export function readIpamBlock(resource: Field): BlockClaim | undefined {
  const spec = resource.entry('spec');
  const cidr = blockCidr(spec.entry('cidr'));
  if (cidr === undefined || isDeleted(spec)) return undefined;
  const at = spec.entry('affinity');
  if (at.absent) return { cidr, node: undefined, at: resource };
  const [kind, node, ...rest] = at.text('host:NODE').split(':');
  if (node === undefined || node === '' || rest.length > 0) throw at.refuse('host:NODE');
  // `virtual:load-balancer` holds service addresses; nothing routes to it.
  return { cidr, node: kind === 'host' ? node : undefined, at };
}

/** `undefined` for IPv6, deleted, virtual and unconfirmed affinities. */
export function readBlockAffinity(resource: Field): BlockClaim | undefined {
  const spec = resource.entry('spec');
  const cidr = blockCidr(spec.entry('cidr'));
  if (cidr === undefined || isDeleted(spec)) return undefined;
  const state =
    spec.entry('state').optional((f) => f.choice(['confirmed', 'pending', 'pendingDeletion'])) ??
    'confirmed';
  const type = spec.entry('type').optional((f) => f.choice(['host', 'virtual'])) ?? 'host';
  const at = spec.entry('node');
  const node = at.name();
  return state === 'confirmed' && type === 'host' ? { cidr, node, at } : undefined;
}

function blockCidr(at: Field): Prefix | undefined {
  if (at.text('an IPv4 prefix').includes(':')) return undefined;
  const cidr = at.prefix();
  if (cidr.length < 20) throw at.refuse('a block of length 20 to 32');
  return cidr;
}

/** A boolean in IPAMBlock, the text "true" or "false" in BlockAffinity (both are Calico's). */
const isDeleted = (spec: Field): boolean =>
  spec.entry('deleted').optional((f) => f.flag()) ?? false;
