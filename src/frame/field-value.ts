/** Values that callers put into layers, checked on their way into a header. */
import { found, PodwireError } from '../errors.ts';
import { tryIp4, tryMac } from '../wire/address.ts';

/** Which layer a value belongs to, for the message. */
export interface Spot {
  readonly index: number;
  readonly layer: string;
}

export function wrong(spot: Spot, name: string, expected: string, value: unknown): PodwireError {
  const where = `layer ${spot.index} (${spot.layer}) ${name}`;
  return new PodwireError('ERR_FRAME', `${where}: expected ${expected}, found ${found(value)}`);
}

/** An integer from 0 to `max`; `fallback` stands in for a value left out. */
export function integer(
  spot: Spot,
  name: string,
  value: unknown,
  max: number,
  fallback?: number,
): number {
  const number = value ?? fallback;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > max) {
    throw wrong(spot, name, `an integer from 0 to ${max}`, value);
  }
  return number;
}

/** A signed 32-bit number, as wire/ takes addresses. */
export function ip4(spot: Spot, name: string, value: unknown): number {
  const address = typeof value === 'string' ? tryIp4(value) : undefined;
  if (address === undefined) throw wrong(spot, name, 'an IPv4 address', value);
  return address;
}

export function mac(spot: Spot, name: string, value: unknown): number {
  const address = typeof value === 'string' ? tryMac(value) : undefined;
  if (address === undefined) throw wrong(spot, name, 'an Ethernet address', value);
  return address;
}

export function hexBytes(spot: Spot, name: string, value: unknown): Buffer {
  if (typeof value !== 'string' || value.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(value)) {
    throw wrong(spot, name, 'an even number of hexadecimal digits', value);
  }
  return Buffer.from(value, 'hex');
}
