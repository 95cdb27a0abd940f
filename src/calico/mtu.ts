/** The MTUs that Felix derives from the node's uplinks (int_dataplane.go). Bytes. */
import type { FelixSettings } from './felix-configuration.ts';
import { UPLINK } from './interface-pattern.ts';
import type { IpPool } from './ip-pool.ts';
import type { Nic } from './nic.ts';

/** What Felix takes where no link matches (findHostMTU). */
const FALLBACK = 1460;
/** Bytes that an encapsulation adds to an IP packet. */
const OVERHEAD = { ipip: 20, vxlan: 50, wireguard: 60 } as const;

export interface Mtus {
  readonly ipip: number;
  readonly vxlan: number;
  readonly wireguard: number;
  /** Both ends of a pod's veth: room for every encapsulation in use (determinePodMTU). */
  readonly pod: number;
}

function uplinks(nics: readonly Nic[], felix: FelixSettings): Nic[] {
  const matches = felix.mtuIfacePattern ?? ((device: string) => UPLINK.test(device));
  // findHostMTU passes by what is down.
  return nics.filter(({ device, up = true }) => up && matches(device));
}

/** Does Felix see the MTU of the underlay at all? */
export const hasUplink = (nics: readonly Nic[], felix: FelixSettings): boolean =>
  uplinks(nics, felix).length > 0;

export function mtusOf(nics: readonly Nic[], felix: FelixSettings, pools: readonly IpPool[]): Mtus {
  const links = uplinks(nics, felix).map(({ mtu }) => mtu);
  const host = links.length > 0 ? Math.min(...links) : FALLBACK;
  // 0 is Felix's word for "derive it".
  const ipip = felix.ipipMTU || host - OVERHEAD.ipip;
  const vxlan = felix.vxlanMTU || host - OVERHEAD.vxlan;
  const wireguard = felix.wireguardMTU || host - OVERHEAD.wireguard;
  const inUse = [
    ...(pools.some(({ encapsulation }) => encapsulation === 'ipip') ? [ipip] : []),
    ...(pools.some(({ encapsulation }) => encapsulation === 'vxlan') ? [vxlan] : []),
    ...(felix.wireguardEnabled === true ? [wireguard] : []),
  ];
  return { ipip, vxlan, wireguard, pod: inUse.length > 0 ? Math.min(...inUse) : host };
}
