/**
 * A rule of a Calico policy or profile (libcalico-go apis/v3 Rule). What is written
 * and not modelled is refused: a rule without one of its conditions is another rule.
 */
import { printable } from '../errors.ts';
import type { PortRange } from '../plan/netfilter.ts';
import type { Prefix } from '../wire/address.ts';
import type { Field } from './field.ts';
import { readNets } from './network-set.ts';
import { ACCOUNT_LABEL, NAME_LABEL, NAMESPACE_LABEL, type PartySelector } from './party.ts';
import { parseSelector } from './selector.ts';

export interface PolicyRule {
  readonly action: 'allow' | 'deny' | 'pass';
  /** Its place in the resource, from 1. */
  readonly number: number;
  /** IP protocol numbers. */
  readonly protocol: number | undefined;
  readonly notProtocol: number | undefined;
  readonly icmp: IcmpKind | undefined;
  readonly notIcmp: IcmpKind | undefined;
  readonly source: RuleEnd;
  readonly destination: RuleEnd;
}

/** What a rule without conditions says. */
export const ANYTHING = {
  protocol: undefined,
  notProtocol: undefined,
  icmp: undefined,
  notIcmp: undefined,
  source: {},
  destination: {},
} as const;

export interface IcmpKind {
  readonly type: number;
  readonly code?: number;
}

/** One end of a rule. All that is given must hold. */
export interface RuleEnd {
  /** One of these. */
  readonly nets?: readonly Prefix[];
  readonly notNets?: readonly Prefix[];
  readonly selector?: PartySelector;
  readonly notSelector?: PartySelector;
  /** The endpoints of a service, `namespace/name`; as a destination with their ports. */
  readonly service?: string;
  /** One of these, or one of the named. */
  readonly ports?: readonly PortRange[];
  readonly named?: readonly string[];
  readonly notPorts?: readonly PortRange[];
}

const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
};
/** Protocols with ports where TCP has them. */
const WITH_PORTS: readonly unknown[] = [6, 17, 132, 136];

const RULE_KEYS = new Set(
  'action ipVersion protocol notProtocol icmp notICMP source destination metadata'.split(' '),
);
const END_KEYS = new Set(
  'nets notNets selector notSelector namespaceSelector ports notPorts serviceAccounts services'.split(
    ' ',
  ),
);

/** `namespace` is that of a namespaced policy. Rules for IPv6 and Log rules are left out. */
export const readRules = (at: Field, namespace: string | undefined): readonly PolicyRule[] =>
  at.items().flatMap((item, i) => readRule(item, i + 1, namespace) ?? []);

function readRule(
  at: Field,
  number: number,
  namespace: string | undefined,
): PolicyRule | undefined {
  refuseOthers(at, RULE_KEYS);
  const action = at.entry('action').choice(['Allow', 'Deny', 'Log', 'Pass']);
  const protocol = at.entry('protocol').optional(readProtocol);
  const rule = {
    number,
    protocol,
    notProtocol: at.entry('notProtocol').optional(readProtocol),
    icmp: at.entry('icmp').optional((f) => readIcmp(f, protocol)),
    notIcmp: at.entry('notICMP').optional((f) => readIcmp(f, protocol)),
    source: readEnd(at.entry('source'), namespace, protocol),
    destination: readEnd(at.entry('destination'), namespace, protocol),
  };
  const version = at.entry('ipVersion').optional((f) => f.integer(4, 6));
  // A log line is no part of a packet's way.
  if (action === 'Log' || version === 6) return undefined;
  // Nothing but IPv6 prefixes: a rule of the other family (felix/rules FilterRuleToIPVersion).
  if (rule.source.nets?.length === 0 || rule.destination.nets?.length === 0) return undefined;
  const verdict = action === 'Allow' ? 'allow' : action === 'Deny' ? 'deny' : 'pass';
  return { action: verdict, ...rule };
}

function refuseOthers(at: Field, known: ReadonlySet<string>): void {
  for (const [key, f] of at.entries()) {
    if (known.has(key) || f.absent) continue;
    throw f.refuse(`no ${printable(key, 40)}, which is not modelled in a rule`);
  }
}

/** A name or number of an IP protocol. */
export function readProtocol(at: Field): number {
  if (!at.isText) return at.integer(0, 255);
  const text = at.text().toLowerCase();
  const number = Object.hasOwn(PROTOCOLS, text) ? PROTOCOLS[text]! : Number(text || Number.NaN);
  if (Number.isInteger(number) && number >= 0 && number <= 255) return number;
  throw at.refuse('TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number');
}

function readIcmp(at: Field, protocol: number | undefined): IcmpKind {
  if (protocol !== PROTOCOLS['icmp'] && protocol !== PROTOCOLS['icmpv6']) {
    throw at.refuse('no ICMP type where the protocol is not ICMP');
  }
  const code = at.entry('code').optional((f) => f.integer(0, 255));
  return { type: at.entry('type').integer(0, 254), ...(code === undefined ? {} : { code }) };
}

function readEnd(at: Field, namespace: string | undefined, protocol: number | undefined): RuleEnd {
  refuseOthers(at, END_KEYS);
  const services = at.entry('services');
  if (!services.absent) return { service: readService(at, services, namespace) };
  const nets = readNets(at.entry('nets'));
  const notNets = readNets(at.entry('notNets'));
  const selector = readSelector(at, namespace);
  const notSelector = written(at.entry('notSelector'));
  const listed = at.entry('ports');
  const excluded = at.entry('notPorts');
  for (const f of [listed, excluded]) {
    if (f.items().length === 0 || WITH_PORTS.includes(protocol)) continue;
    throw f.refuse('no ports where the protocol is not TCP, UDP, SCTP or UDPLite');
  }
  const ports = listed.items().map(readPort);
  const notPorts = excluded.items().map(readPort);
  const named = ports.filter((port) => typeof port === 'string');
  if (notPorts.some((port) => typeof port === 'string')) {
    throw excluded.refuse('numbers: ports by name are not modelled here');
  }
  return {
    ...(nets === undefined ? {} : { nets }),
    ...(notNets === undefined ? {} : { notNets }),
    ...(selector === undefined ? {} : { selector }),
    ...(notSelector === undefined
      ? {}
      : { notSelector: { text: notSelector.text(), holds: holder(notSelector) } }),
    ...(ports.length === 0 ? {} : { ports: ports.filter((port) => typeof port !== 'string') }),
    ...(named.length === 0 ? {} : { named }),
    ...(notPorts.length === 0
      ? {}
      : { notPorts: notPorts.filter((port) => typeof port !== 'string') }),
  };
}

/** Its own selector and ports are all that holds: nothing may stand beside it (validator.go). */
function readService(at: Field, services: Field, namespace: string | undefined): string {
  const beside = at.entries().find(([key, f]) => key !== 'services' && !f.absent);
  if (beside !== undefined) throw beside[1].refuse(`no ${beside[0]} beside services`);
  const place = services.entry('namespace').optional((f) => f.name()) ?? namespace;
  if (place === undefined) throw services.entry('namespace').refuse('the namespace of the service');
  return `${place}/${services.entry('name').name()}`;
}

/** A number, a range `1024:2048`, or a name that pods give to ports. */
export function readPort(at: Field): PortRange | string {
  const expected = 'a port, a range FROM:TO or the name of a port';
  if (!at.isText) {
    const port = at.integer(0, 65535);
    return { from: port, to: port };
  }
  const text = at.text();
  const match = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text);
  if (match === null) {
    if (/^[-_A-Za-z0-9.]{1,128}$/.test(text)) return text;
    throw at.refuse(expected);
  }
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  if (from > to || to > 65535) throw at.refuse(expected);
  return { from, to };
}

const holder = (at: Field): PartySelector['holds'] => {
  const holds = parseSelector(at);
  return ({ labels }) => holds(labels);
};

/** Empty text is no selector. */
const written = (at: Field): Field | undefined =>
  at.absent || at.text('a label selector').trim() === '' ? undefined : at;

/** `all()` is every namespace, `global()` what is in none (updateprocessors/rules.go). */
export function namespaceSelector(at: Field): PartySelector['holds'] {
  const inside = (labels: ReadonlyMap<string, string>) => labels.has(NAME_LABEL);
  const holds = parseSelector(at, { all: inside, global: (labels) => !inside(labels) });
  return ({ namespace }) => holds(namespace);
}

/**
 * The parties that one end of a rule speaks of. In a namespaced policy a selector
 * without a namespaceSelector stays in its own namespace, also where only a
 * notSelector is written (updateprocessors/rules.go getEndpointSelector).
 */
function readSelector(at: Field, namespace: string | undefined): PartySelector | undefined {
  const own = written(at.entry('selector'));
  const spaces = written(at.entry('namespaceSelector'));
  const not = written(at.entry('notSelector'));
  const accounts = at.entry('serviceAccounts');
  const names = accounts
    .entry('names')
    .items()
    .map((f) => f.text());
  const accountSelector = written(accounts.entry('selector'));
  const tests: PartySelector['holds'][] = [];
  if (own !== undefined) tests.push(holder(own));
  if (names.length > 0) {
    tests.push(({ labels }) => names.includes(labels.get(ACCOUNT_LABEL) ?? ''));
  }
  if (accountSelector !== undefined) {
    const holds = parseSelector(accountSelector);
    tests.push(({ account }) => holds(account));
  }
  if (spaces !== undefined) tests.push(namespaceSelector(spaces));
  else if (namespace !== undefined && (tests.length > 0 || not !== undefined)) {
    tests.push(({ labels }) => labels.get(NAMESPACE_LABEL) === namespace);
  }
  if (tests.length === 0) return undefined;
  const text = JSON.stringify([
    spaces === undefined ? [namespace ?? ''] : spaces.text(),
    own?.text(),
    names,
    accountSelector?.text(),
  ]);
  return { text, holds: (party) => tests.every((holds) => holds(party)) };
}
