/** IP sets of selectors, prefixes and named ports; every node shares the same ones. */
import { createHash } from 'node:crypto';
import type { IpSetPlan } from '../plan/netfilter.ts';
import { formatPrefix, type Prefix } from '../wire/address.ts';
import type { Party, PartySelector } from './party.ts';
import type { ServiceEndpoint } from './service-resource.ts';

/** The kernel takes 31 characters. */
const HASHED = 31 - 'cali40s:'.length;

type ServiceMember = Pick<ServiceEndpoint, 'address' | 'protocol' | 'port'>;

/** Endpoints that have one port of one protocol. */
interface ServicePortSet {
  readonly protocol: number;
  readonly port: number;
  readonly set: IpSetPlan;
}

const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const;

const hostPrefix = ({ address }: ServiceMember): Prefix => ({ address, length: 32 });

export class PolicySets {
  private readonly parties: readonly Party[];
  private readonly services: ReadonlyMap<string, readonly ServiceMember[]>;
  private readonly made = new Map<string, IpSetPlan>();

  constructor(parties: readonly Party[], services: ReadonlyMap<string, readonly ServiceMember[]>) {
    this.parties = parties;
    this.services = services;
  }

  /** The addresses of a service's endpoints, ready or not (felix/calc service index). */
  service(name: string): IpSetPlan {
    const members = this.services.get(name) ?? [];
    return this.once('s', `svcnoport ${name}`, () => members.map(hostPrefix));
  }

  /** The same by protocol and port. */
  servicePorts(name: string): readonly ServicePortSet[] {
    const groups = new Map<string, ServiceMember[]>();
    for (const member of this.services.get(name) ?? []) {
      const key = `${member.protocol} ${member.port}`;
      groups.set(key, [...(groups.get(key) ?? []), member]);
    }
    return [...groups].map(([key, members]) => ({
      protocol: PROTOCOL_NUMBERS[members[0]!.protocol],
      port: members[0]!.port,
      set: this.once('p', `svc ${name} ${key}`, () => members.map(hostPrefix)),
    }));
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
