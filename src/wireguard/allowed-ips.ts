/**
 * Cryptokey routing: which peer an inner address belongs to, by longest prefix. The
 * same table chooses the peer to send to and judges the sources it may send from.
 */
import { Fib } from '../tables/fib.ts';
import { type Ip4, netmask, type Prefix } from '../wire/address.ts';

export class AllowedIps<T> {
  private readonly fib = new Fib();
  /** By the value in the trie; freed ones are used again. */
  private readonly owners: (T | undefined)[] = [];
  private readonly numbers = new Map<T, number>();
  private readonly free: number[] = [];

  /** Gives a prefix to an owner; it belongs to nobody else then. */
  insert({ address, length }: Prefix, owner: T): void {
    this.fib.remove(address, length);
    this.fib.insert(address, length, this.numberOf(owner));
  }

  /** The owner of the longest prefix that holds an address, or null. */
  lookup(address: number): T | null {
    const number = this.fib.find(address);
    return number < 0 ? null : this.owners[number]!;
  }

  /** An owner loses all it has. */
  remove(owner: T): void {
    const number = this.numbers.get(owner);
    if (number === undefined) return;
    for (const { address, length } of this.of(owner)) this.fib.remove(address, length);
    this.numbers.delete(owner);
    this.owners[number] = undefined;
    this.free.push(number);
  }

  /** The prefixes of an owner, by address, the longer first. */
  of(owner: T): Prefix[] {
    const number = this.numbers.get(owner);
    return [...this.fib]
      .filter(({ value }) => value === number)
      .map(({ address, length }) => ({ address: (address & netmask(length)) as Ip4, length }));
  }

  private numberOf(owner: T): number {
    let number = this.numbers.get(owner);
    if (number === undefined) {
      number = this.free.pop() ?? this.owners.length;
      this.owners[number] = owner;
      this.numbers.set(owner, number);
    }
    return number;
  }
}
