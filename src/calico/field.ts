/**
 * A place in a resource, and the value read there with its expectation stated:
 * every refusal names file, line, resource and path.
 */
import { isMap, isScalar, isSeq } from 'yaml';
import { type ErrorCode, found, PodwireError, printable } from '../errors.ts';
import {
  formatPrefix,
  type InterfaceAddress,
  type Ip4,
  type Mac,
  networkOf,
  type Prefix,
  tryInterfaceAddress,
  tryIp4,
  tryMac,
} from '../wire/address.ts';
import type { YamlDocument, YamlNode } from './yaml-document.ts';

/** Kubernetes asks for RFC 1123 names; capitals and `_` are let through for hosts outside. */
const NAME = /^[A-Za-z0-9]([-_.A-Za-z0-9]{0,251}[A-Za-z0-9])?$/;
/** dev_valid_name() in net/core/dev.c: at most 15 bytes, no slash, colon or space. */
const DEVICE = /^(?!\.\.?$)[!-.0-9;-~]{1,15}$/;

/** What a field needs of its document, without the tree: fields outlive most of it. */
type Origin = Omit<YamlDocument, 'root'> & { readonly secret?: boolean };

export class Field {
  /** `IPPool/default-ipv4-ippool` */
  readonly resource: string;
  /** `spec.ipipMode`; empty for the resource itself. */
  readonly path: string;
  readonly #document: Origin;
  /** Absent where the key is missing or null, which Kubernetes treats alike. */
  readonly #node: YamlNode | undefined;
  readonly #line: number;

  private constructor(
    document: Origin,
    node: YamlNode | undefined,
    line: number,
    resource: string,
    path: string,
  ) {
    this.#document = document;
    this.#node = node;
    this.#line = line;
    this.resource = resource;
    this.path = path;
  }

  static root({ source, root, lineOf, resolve }: YamlDocument): Field {
    return new Field({ source, lineOf, resolve }, root, lineOf(root), 'document', '');
  }

  /** The same place, called by its resource from here on. */
  named(resource: string): Field {
    return new Field(this.#document, this.#node, this.#line, resource, '');
  }

  /** This place without what stands there: for messages much later, at no cost in memory. */
  emptied(): Field {
    return new Field(this.#document, undefined, this.#line, this.resource, this.path);
  }

  /** The same place, and all below it; refusals do not repeat what stands there. */
  secret(): Field {
    const document = { ...this.#document, secret: true };
    return new Field(document, this.#node, this.#line, this.resource, this.path);
  }

  get absent(): boolean {
    return this.#node === undefined;
  }

  /** `file:line`, for messages about two places. */
  get where(): string {
    return `${printable(this.#document.source)}:${this.#line}`;
  }

  /** ERR_CONFIG_VALUE at this place: what was expected, and what stands here. */
  refuse(expected: string): PodwireError {
    const masked = this.#document.secret === true && !this.absent;
    const shown = masked ? 'something else' : found(this.#shape());
    return this.#error('ERR_CONFIG_VALUE', `expected ${expected}, found ${shown}`);
  }

  /** ERR_CONFIG_CONFLICT: this place is sound by itself but not beside another. */
  conflict(expected: string, what: string): PodwireError {
    return this.#error('ERR_CONFIG_CONFLICT', `expected ${expected}, found ${what}`);
  }

  #error(code: ErrorCode, message: string): PodwireError {
    const where = this.path === '' ? this.resource : `${this.resource} ${this.path}`;
    return new PodwireError(code, `${where}: ${message}`, {
      source: this.#document.source,
      line: this.#line,
    });
  }

  #shape(): unknown {
    if (isSeq(this.#node)) return [];
    if (isMap(this.#node)) return {};
    return isScalar(this.#node) ? this.#node.value : undefined;
  }

  #child(value: unknown, keyNode: YamlNode | undefined, step: string): Field {
    const written = (value ?? undefined) as YamlNode | undefined;
    const node = written === undefined ? undefined : this.#document.resolve(written);
    const empty = node === undefined || (isScalar(node) && node.value === null);
    const anchor = written ?? keyNode;
    const line = anchor === undefined ? this.#line : this.#document.lineOf(anchor);
    return new Field(this.#document, empty ? undefined : node, line, this.resource, step);
  }

  #step(key: string): string {
    // Annotation keys hold dots and slashes.
    const safe = /^[-A-Za-z0-9_]+$/.test(key) ? key : `["${printable(key, 80)}"]`;
    if (this.path === '') return safe;
    return safe.startsWith('[') ? `${this.path}${safe}` : `${this.path}.${safe}`;
  }

  /** The value of a key; an absent field where there is none. Refuses what is not a mapping. */
  entry(key: string): Field {
    const pair = this.#pairs().find((p) => isScalar(p.key) && String(p.key.value) === key);
    return this.#child(pair?.value, pair?.key, this.#step(key));
  }

  #pairs(): readonly { key: YamlNode; value: YamlNode | null }[] {
    if (this.#node === undefined) return [];
    if (!isMap<YamlNode, YamlNode | null>(this.#node)) throw this.refuse('a mapping');
    return this.#node.items;
  }

  /** Every key with its value, in the order written. */
  entries(): (readonly [string, Field])[] {
    return this.#pairs().flatMap(({ key, value }) => {
      if (!isScalar(key)) return [];
      const name = String(key.value);
      return [[name, this.#child(value, key, this.#step(name))] as const];
    });
  }

  /** The elements of a list; none where the field is absent. */
  items(): Field[] {
    if (this.#node === undefined) return [];
    if (!isSeq<YamlNode>(this.#node)) throw this.refuse('a list');
    return this.#node.items.map((item, i) => this.#child(item, undefined, `${this.path}[${i}]`));
  }

  /** Reads only what is there: `spec.entry('mac').optional((f) => f.mac())`. */
  optional<T>(read: (field: this) => T): T | undefined {
    return this.absent ? undefined : read(this);
  }

  text(expected = 'text'): string {
    const value = this.#shape();
    if (typeof value !== 'string') throw this.refuse(expected);
    return value;
  }

  name(): string {
    const expected = 'a name of letters, digits, "-" and "."';
    const value = this.text(expected);
    if (!NAME.test(value)) throw this.refuse(expected);
    return value;
  }

  deviceName(): string {
    const expected = 'an interface name of at most 15 characters';
    const value = this.text(expected);
    if (!DEVICE.test(value)) throw this.refuse(expected);
    return value;
  }

  integer(min: number, max: number): number {
    const value = this.#shape();
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      throw this.refuse(`an integer from ${min} to ${max}`);
    }
    return value;
  }

  /** Any finite number. */
  number(): number {
    const value = this.#shape();
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.refuse('a number');
    return value;
  }

  boolean(): boolean {
    const value = this.#shape();
    if (typeof value !== 'boolean') throw this.refuse('true or false');
    return value;
  }

  /** The whole value as plain data, for printing it back; `undefined` where it is absent. */
  plain(): unknown {
    if (isSeq(this.#node)) return this.items().map((item) => item.plain());
    if (!isMap(this.#node)) return this.#shape();
    // fromEntries defines its keys, so that __proto__ is a key like any other.
    return Object.fromEntries(this.entries().map(([key, value]) => [key, value.plain()]));
  }

  get isText(): boolean {
    return typeof this.#shape() === 'string';
  }

  /** A boolean, or its text. */
  flag(): boolean {
    const value = this.#shape();
    if (value === 'true' || value === 'false') return value === 'true';
    return this.boolean();
  }

  choice<T extends string>(values: readonly T[]): T {
    const value = this.#shape();
    const known = values.find((v) => v === value);
    if (known === undefined) {
      throw this.refuse(`${values.slice(0, -1).join(', ')} or ${values.at(-1)}`);
    }
    return known;
  }

  ip4(): Ip4 {
    const expected = 'an IPv4 address';
    const address = tryIp4(this.text(expected));
    if (address === undefined) throw this.refuse(expected);
    return address;
  }

  /** ADDRESS/LENGTH, host bits kept; a bare address is a /32. */
  interfaceAddress(): InterfaceAddress {
    const expected = 'an IPv4 ADDRESS/LENGTH';
    const address = tryInterfaceAddress(this.text(expected));
    if (address === undefined) throw this.refuse(expected);
    return address;
  }

  prefix(): Prefix {
    const expected = 'an IPv4 prefix';
    const text = this.text(expected);
    const address = tryInterfaceAddress(text);
    if (address === undefined || !text.includes('/')) throw this.refuse(expected);
    const network = networkOf(address);
    if (network.address !== address.address) {
      throw this.refuse(`${formatPrefix(network)} (no bits beyond the length)`);
    }
    return network;
  }

  /** A unicast Ethernet address. */
  mac(): Mac {
    const expected = 'a unicast Ethernet address';
    const address = tryMac(this.text(expected));
    if (address === undefined || Math.floor(address / 2 ** 40) % 2 === 1) {
      throw this.refuse(expected);
    }
    return address;
  }
}

/** A value together with where it was written. */
export interface Given<T> {
  readonly value: T;
  readonly at: Field;
}

/** The value of a field that may be absent, with its place. */
export const given = <T>(at: Field, read: (field: Field) => T): Given<T> | undefined =>
  at.optional((field) => ({ value: read(field), at: field }));
