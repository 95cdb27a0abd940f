/**
 * BGPFilter: rules that a BGPPeer asks before Calico's own (bird.cfg.template and
 * bgp_processor.go). The first that matches decides; without one, Calico's own do.
 */
import { contains, type Prefix } from '../wire/address.ts';
import type { Field } from './field.ts';

export type Verdict = 'Accept' | 'Reject';

/**
 * What a filter says of a prefix; `undefined` where it has no opinion. `learned`: did the
 * route come from a BGP peer (`source: RemotePeers`, BIRD's RTS_BGP)?
 */
export type BgpFilterRules = (prefix: Prefix, learned: boolean) => Verdict | undefined;

export interface BgpFilter {
  readonly name: string;
  readonly import: BgpFilterRules;
  readonly export: BgpFilterRules;
  /** Fields of rules that are set and not modelled; such rules are left out. */
  readonly unmodelled: readonly string[];
  readonly at: Field;
}

const OPERATORS = ['Equal', 'NotEqual', 'In', 'NotIn'] as const;
const UNMODELLED = ['interface', 'peerType', 'communities', 'asPathPrefix', 'priority'];

type Rule = BgpFilterRules;

export function readBgpFilter(name: string, resource: Field): BgpFilter {
  const spec = resource.entry('spec');
  const unmodelled = new Set<string>();
  const rules = (key: string): BgpFilterRules => {
    const list = spec
      .entry(key)
      .items()
      .flatMap((at) => {
        const unknown = UNMODELLED.filter((field) => !at.entry(field).absent);
        for (const field of unknown) unmodelled.add(`${key}.${field}`);
        return unknown.length > 0 ? [] : [readRule(at)];
      });
    return (prefix, learned) => {
      for (const rule of list) {
        const verdict = rule(prefix, learned);
        if (verdict !== undefined) return verdict;
      }
      return undefined;
    };
  };
  return {
    name,
    import: rules('importV4'),
    export: rules('exportV4'),
    unmodelled: [...unmodelled],
    at: resource,
  };
}

function readRule(at: Field): Rule {
  const action = at.entry('action').choice(['Accept', 'Reject']);
  const where = at.entry('cidr');
  const sizes = at.entry('prefixLength');
  const source = at.entry('source').optional((f) => f.choice(['RemotePeers']));
  const comes = (learned: boolean): boolean => source === undefined || learned;
  if (where.absent) return (_, learned) => (comes(learned) ? action : undefined);
  const cidr = where.prefix();
  const operator = at.entry('matchOperator').choice(OPERATORS);
  const min = sizes.entry('min').optional((f) => f.integer(0, 32)) ?? cidr.length;
  const max = sizes.entry('max').optional((f) => f.integer(0, 32)) ?? 32;
  const equal = ({ address, length }: Prefix): boolean =>
    address === cidr.address && length === cidr.length;
  const inside = ({ address, length }: Prefix): boolean =>
    length >= cidr.length && length >= min && length <= max && contains(cidr, address);
  const holds = operator.endsWith('qual') ? equal : inside;
  const wanted = !operator.startsWith('Not');
  return (prefix, learned) => (comes(learned) && holds(prefix) === wanted ? action : undefined);
}
