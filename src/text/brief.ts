/** `ip -o` and `ip -br`: a device or an address on each line (ip/ipaddress.c). */
import type { NamespacePlan } from '../plan/plan.ts';
import { keptAddresses } from './device-address.ts';
import { type AddrListing, addressLines } from './ip-addr.ts';
import { type LinkListing, listedDevices, printIpLink } from './ip-link.ts';
import { linkFlags, linkLayer, linkState } from './link-kind.ts';
import { peerName } from './link-peer.ts';

/** `ip -o link`: the lines of a device joined by backslashes. */
export const onelineLink = (ns: NamespacePlan, options: LinkListing): string =>
  listedDevices(ns, options)
    .map(({ name }) => printIpLink(ns, { ...options, device: name }))
    .map((text) => `${text.trimEnd().replace(/\n/g, '\\')}\n`)
    .join('');

/** `ip -o addr`: one line an address. */
export const onelineAddr = (ns: NamespacePlan, options: AddrListing): string =>
  listedDevices(ns, options)
    .flatMap((device) =>
      addressLines(device, options.family4).map(
        ([address, lifetime]) => `${device.index}: ${device.name}    ${address}\\${lifetime}\n`,
      ),
    )
    .join('');

/** `ip -br link` */
export const briefLink = (ns: NamespacePlan, options: LinkListing): string =>
  listedDevices(ns, options)
    .map((device) => {
      const { address } = linkLayer(device);
      const words = [...(address === undefined ? [] : [address]), linkFlags(device)];
      return briefHead(ns, device, options) + words.map((word) => `${word} `).join('');
    })
    .map((line) => `${line}\n`)
    .join('');

/** `ip -br addr` */
export const briefAddr = (ns: NamespacePlan, options: AddrListing): string =>
  listedDevices(ns, options)
    .filter((device) => !options.family4 || keptAddresses(device).length > 0)
    .map((device) => {
      const addresses = addressLines(device, options.family4).map(
        ([line]) => `${line.split(' ')[1]} `,
      );
      return `${briefHead(ns, device, options)}${addresses.join('')}\n`;
    })
    .join('');

const briefHead = (
  ns: NamespacePlan,
  device: NamespacePlan['devices'][number],
  { peers }: LinkListing,
): string =>
  `${`${device.name}${peerName(ns, device, peers)}`.padEnd(16)} ${linkState(device).padEnd(14)} `;
