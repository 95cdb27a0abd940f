/**
 * Addresses as numbers, and their text. The only file of wire/ that throws:
 * text comes from users.
 */
import { found, PodwireError } from '../errors.ts';
import { type Bytes, i32, u16 } from './bytes.ts';

declare const ip4: unique symbol;
declare const mac: unique symbol;

/** An IPv4 address as a *signed* 32-bit integer (V8 keeps those unboxed). */
export type Ip4 = number & { readonly [ip4]: true };

/** An Ethernet address as a 48-bit unsigned number, first byte highest. */
export type Mac = number & { readonly [mac]: true };

/** An IPv4 prefix; the bits of `address` beyond `length` are zero. */
export interface Prefix {
  readonly address: Ip4;
  /** 0 to 32. */
  readonly length: number;
}

/** An interface address: the host part is kept, as `inet 192.168.33.55/24` does. */
export interface InterfaceAddress {
  readonly address: Ip4;
  readonly length: number;
}

export const BROADCAST_MAC = 0xffffffffffff as Mac;

/** `undefined` where the text is not a dotted quad of decimal bytes without leading zeros. */
export function tryIp4(text: string): Ip4 | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || text.length > 15) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8) | Number(part);
  }
  return value as Ip4;
}

export function parseIp4(text: string): Ip4 {
  const address = tryIp4(text);
  if (address === undefined) {
    throw new PodwireError('ERR_ADDRESS', `expected an IPv4 address, found ${found(text)}`);
  }
  return address;
}

export const formatIp4 = (address: number): string =>
  `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;

/** `undefined` where the text is not six hexadecimal bytes joined by `:` or `-`. */
export function tryMac(text: string): Mac | undefined {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) return undefined;
  return Number.parseInt(text.replace(/[:-]/g, ''), 16) as Mac;
}

export function parseMac(text: string): Mac {
  const address = tryMac(text);
  if (address === undefined) {
    throw new PodwireError('ERR_ADDRESS', `expected an Ethernet address, found ${found(text)}`);
  }
  return address;
}

export function formatMac(address: number): string {
  const hex = address.toString(16).padStart(12, '0');
  return hex.replace(/(..)(?=.)/g, '$1:');
}

/** The netmask of a prefix length, as a signed integer: 24 gives 0xffffff00 | 0. */
export const netmask = (length: number): number => (length === 0 ? 0 : -1 << (32 - length));

export const contains = (prefix: Prefix, address: number): boolean =>
  ((address ^ prefix.address) & netmask(prefix.length)) === 0;

/** The first address of the network that `address` with this mask lies in. */
export const networkOf = ({ address, length }: InterfaceAddress): Prefix => ({
  address: (address & netmask(length)) as Ip4,
  length,
});

/** The last address of a network. */
export const lastOf = (prefix: Prefix): Ip4 => (prefix.address | ~netmask(prefix.length)) as Ip4;

export const overlaps = (a: Prefix, b: Prefix): boolean =>
  a.length <= b.length ? contains(a, b.address) : contains(b, a.address);

/** `10.2.0.0/16` or a bare address (taken as /32); host bits may be set. */
export function tryInterfaceAddress(text: string): InterfaceAddress | undefined {
  const slash = text.indexOf('/');
  const address = tryIp4(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  if (slash < 0) return { address, length: 32 };
  const length = text.slice(slash + 1);
  if (!/^\d{1,2}$/.test(length) || Number(length) > 32) return undefined;
  return { address, length: Number(length) };
}

export function parseInterfaceAddress(text: string): InterfaceAddress {
  const address = tryInterfaceAddress(text);
  if (address === undefined) {
    throw new PodwireError('ERR_ADDRESS', `expected ADDRESS/LENGTH, found ${found(text)}`);
  }
  return address;
}

/** As `tryInterfaceAddress`, but `undefined` where bits beyond the length are set. */
export function tryPrefix(text: string): Prefix | undefined {
  const prefix = tryInterfaceAddress(text);
  if (prefix === undefined || (prefix.address & ~netmask(prefix.length)) !== 0) return undefined;
  return prefix;
}

export function parsePrefix(text: string): Prefix {
  const prefix = tryPrefix(text);
  if (prefix === undefined) {
    throw new PodwireError('ERR_ADDRESS', `expected an IPv4 prefix, found ${found(text)}`);
  }
  return prefix;
}

export const formatPrefix = ({ address, length }: InterfaceAddress): string =>
  `${formatIp4(address)}/${length}`;

/** Orders addresses as unsigned numbers. */
export const compareIp4 = (a: number, b: number): number => (a >>> 0) - (b >>> 0);

/** The upper 16 and the lower 32 bits of a MAC: two small integers for the packet path. */
export const macHigh = (address: number): number => Math.floor(address / 2 ** 32);
export const macLow = (address: number): number => address | 0;
export const joinMac = (high: number, low: number): Mac => (high * 2 ** 32 + (low >>> 0)) as Mac;

/** Reads a MAC from bytes; for reports and tables, not for the packet path. */
export const macAt = (b: Bytes, at: number): Mac => joinMac(u16(b, at), i32(b, at + 2));

/** The EUI-64 link-local address of a MAC, RFC 4291 appendix A, as RFC 5952 text. */
export function linkLocal(address: number): string {
  const high = macHigh(address);
  const low = address % 2 ** 32;
  const groups = [
    (high ^ 0x0200) & 0xffff,
    (((low >>> 24) & 0xff) << 8) | 0xff,
    0xfe00 | ((low >>> 16) & 0xff),
    low & 0xffff,
  ];
  return shortenIpv6(['fe80', '0', '0', '0', ...groups.map((g) => g.toString(16))]);
}

/** RFC 5952 section 4.2: the longest run of zero groups, the first of equals, becomes `::`. */
function shortenIpv6(groups: readonly string[]): string {
  let best = -1;
  let bestLength = 1;
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === '0') end++;
    if (end - start > bestLength) [best, bestLength] = [start, end - start];
  }
  if (best < 0) return groups.join(':');
  return `${groups.slice(0, best).join(':')}::${groups.slice(best + bestLength).join(':')}`;
}
