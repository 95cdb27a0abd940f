/** Sets of addresses that rules ask, ipset(8). */
import { commonSet } from '../plan/common-tables.ts';
import type { IpSetPlan } from '../plan/netfilter.ts';
import { Fib } from '../tables/fib.ts';
import type { Prefix } from '../wire/address.ts';

export class IpSet {
  private readonly own: Fib;
  private readonly all: Fib | null;
  private readonly lacks: number;

  /** Sets of one plan, and what sets have in common, are made once. */
  constructor(plan: IpSetPlan) {
    const common = commonSet(plan);
    this.own = fibOf(common?.added ?? plan.prefixes);
    this.all = common === undefined ? null : fibOf(common.all);
    this.lacks = common?.lacks ?? 0;
  }

  /** `address`: signed. */
  has(address: number): boolean {
    if (this.own.find(address) >= 0) return true;
    return this.all !== null && address !== this.lacks && this.all.find(address) >= 0;
  }
}

/** By list: nodes share them. */
const fibs = new WeakMap<readonly Prefix[], Fib>();

function fibOf(prefixes: readonly Prefix[]): Fib {
  let fib = fibs.get(prefixes);
  if (fib === undefined) {
    fib = new Fib();
    for (const { address, length } of prefixes) fib.insert(address, length, 0);
    fibs.set(prefixes, fib);
  }
  return fib;
}

const made = new WeakMap<IpSetPlan, IpSet>();

/** The set of a plan; namespaces with the same one share it. */
export function ipSetOf(plan: IpSetPlan): IpSet {
  let set = made.get(plan);
  if (set === undefined) {
    set = new IpSet(plan);
    made.set(plan, set);
  }
  return set;
}
