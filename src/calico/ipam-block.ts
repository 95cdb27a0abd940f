/** IPAMBlock and BlockAffinity: which node owns which block, and who has its addresses. */
import type { Ip4, Prefix } from '../wire/address.ts';
import type { Field } from './field.ts';

/** An address that a block gave away. */
export interface Allocation {
  readonly address: Ip4;
  /** Absent where the attributes do not say. */
  readonly node: string | undefined;
  /** `namespace/pod`, or a type such as vxlanTunnelAddress, or else the handle. */
  readonly use: string;
}

export interface BlockClaim {
  readonly cidr: Prefix;
  /** Absent for a block that exists and belongs to no node. */
  readonly node: string | undefined;
  /** May other nodes borrow from it? Not where it holds addresses of services. */
  readonly lends: boolean;
  readonly allocations: readonly Allocation[];
  /** Free ordinals, the next one first; absent where the resource does not list them. */
  readonly unallocated: readonly number[] | undefined;
  readonly at: Field;
}

/** `undefined` for IPv6 blocks and deleted ones. */
export function readIpamBlock(resource: Field): BlockClaim | undefined {
  const spec = resource.entry('spec');
  const cidr = blockCidr(spec.entry('cidr'));
  if (cidr === undefined || isDeleted(spec)) return undefined;
  const at = spec.entry('affinity');
  const contents = { cidr, ...readContents(spec, cidr) };
  if (at.absent) return { ...contents, node: undefined, lends: true, at: resource };
  const [kind, node, ...rest] = at.text('host:NODE').split(':');
  if (node === undefined || node === '' || rest.length > 0) throw at.refuse('host:NODE');
  // `virtual:load-balancer` holds service addresses; nothing routes to it.
  const lends = kind === 'host';
  return { ...contents, node: lends ? node : undefined, lends, at };
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
  if (state !== 'confirmed' || type !== 'host') return undefined;
  return { cidr, node, lends: true, allocations: [], unallocated: undefined, at };
}

/**
 * `allocations` has an index into `attributes` for each address of the block, or null;
 * `unallocated` lists the free ordinals.
 */
function readContents(spec: Field, cidr: Prefix): Pick<BlockClaim, 'allocations' | 'unallocated'> {
  const size = 2 ** (32 - cidr.length);
  const attributes = spec.entry('attributes').items();
  const holders = attributes.map(readHolder);
  const at = spec.entry('allocations');
  const indexes = at.items();
  if (indexes.length > size) throw at.refuse(`a list of ${size}, one for each address`);
  const allocations = indexes.flatMap((item, ordinal) => {
    const index = item.optional((f) => f.integer(0, 2 ** 31 - 1));
    if (index === undefined) return [];
    const holder = holders[index];
    if (holder === undefined) throw item.refuse(`an index into attributes (${holders.length})`);
    return [{ address: (cidr.address + ordinal) as Ip4, ...holder }];
  });

  const free = spec.entry('unallocated');
  const ordinals = free.items().map((f) => f.integer(0, size - 1));
  if (new Set(ordinals).size < ordinals.length) throw free.refuse('each ordinal once');
  return { allocations, unallocated: free.absent ? undefined : ordinals };
}

function readHolder(attribute: Field): Omit<Allocation, 'address'> {
  const secondary = attribute.entry('secondary');
  const text = (key: string) => secondary.entry(key).optional((f) => f.text());
  const [pod, namespace] = [text('pod'), text('namespace')];
  const handle = attribute.entry('handle_id').optional((f) => f.text());
  const named = pod === undefined ? undefined : `${namespace ?? 'default'}/${pod}`;
  return { node: text('node'), use: named ?? text('type') ?? handle ?? 'unknown' };
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
