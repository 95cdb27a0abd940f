/** IP sets of selectors, prefixes and named ports; every node shares the same ones. */
import { createHash } from 'node:crypto';
import type { IpSetPlan } from '../plan/netfilter.ts';
import { formatPrefix, type Prefix } from '../wire/address.ts';
import type { Party, PartySelector } from './party.ts';

/** The kernel takes 31 characters. */
const HASHED = 31 - 'cali40s:'.length;

export class PolicySets {
  private readonly parties: readonly Party[];
  private readonly made = new Map<string, IpSetPlan>();

  constructor(parties: readonly Party[]) {
    this.parties = parties;
  }

  /** The addresses of all that a selector selects. */
  selected({ text, holds }: PartySelector): IpSetPlan {
    return this.once('s', text, () =>
      this.parties.filter(holds).flatMap(({ prefixes }) => prefixes),
    );
  }

  /** Prefixes that a rule lists. */
  listed(prefixes: readonly Prefix[]): IpSetPlan {
    return this.once('n', prefixes.map(formatPrefix).join(' '), () => prefixes);
  }

  /** The addresses that have a port of this name, by its number. */
  named(name: string, protocol: number): ReadonlyMap<number, IpSetPlan> {
    const holders = new Map<number, Prefix[]>();
    for (const { ports, prefixes } of this.parties) {
      for (const port of ports) {
        if (port.name !== name || port.protocol !== protocol) continue;
        holders.set(port.port, [...(holders.get(port.port) ?? []), ...prefixes]);
      }
    }
    return new Map(
      [...holders].map(([port, prefixes]) => {
        const text = `${name} ${protocol} ${port}`;
        return [port, this.once('p', text, () => prefixes)] as const;
      }),
    );
  }

  private once(kind: string, text: string, members: () => readonly Prefix[]): IpSetPlan {
    const hash = createHash('sha256').update(text, 'utf8').digest('base64url').slice(0, HASHED);
    const name = `cali40${kind}:${hash}`;
    let set = this.made.get(name);
    if (set === undefined) {
      set = { name, prefixes: members() };
      this.made.set(name, set);
    }
    return set;
  }
}
