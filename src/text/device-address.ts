/**
 * The IPv4 addresses of a device as the kernel keeps them, which differs a little
 * from the order they were added in (net/ipv4/devinet.c __inet_insert_ifa).
 */
import type { DeviceAddress, DevicePlan } from '../plan/plan.ts';
import { contains, type Ip4, networkOf } from '../wire/address.ts';

export interface KeptAddress extends DeviceAddress {
  /** A later address of a subnet that the device is already in. */
  readonly secondary: boolean;
  /** The subnet's first address; of a first address, itself. */
  readonly primary: Ip4;
}

const LOOPBACK: DeviceAddress = {
  address: 0x7f000001 as Ip4,
  length: 8,
  scope: 'host',
};

/** First addresses in their order, then the secondary ones; a bare `lo` that is up has 127.0.0.1/8. */
export function keptAddresses(device: DevicePlan): KeptAddress[] {
  const given =
    device.kind === 'loopback' && device.up && device.addresses.length === 0
      ? [LOOPBACK]
      : device.addresses;
  const primary: KeptAddress[] = [];
  const secondary: KeptAddress[] = [];
  for (const address of given) {
    const first = primary.find(
      (p) => p.length === address.length && contains(networkOf(p), address.address),
    );
    if (first === undefined) {
      primary.push({ ...address, secondary: false, primary: address.address });
    } else if (!isKept(address, first, secondary)) {
      secondary.push({ ...address, secondary: true, primary: first.address });
    }
  }
  return [...primary, ...secondary];
}

/** The same address twice is EEXIST. */
const isKept = (address: DeviceAddress, first: KeptAddress, rest: readonly KeptAddress[]) =>
  [first, ...rest].some((k) => k.address === address.address && k.length === address.length);
