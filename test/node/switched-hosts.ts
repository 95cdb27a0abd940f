/** A bridge with three hosts, h0 to h2. */
import type { ClusterPlan, DevicePlan, NamespacePlan } from '../../src/plan/plan.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';
import { address, device, lo, namespace, route } from '../text/namespace.ts';

export const PORTS = ['p0', 'p1', 'p2'] as const;
/** Of a port. */
export const macOf = (n: number): string => `02:00:00:00:00:0${n}`;
export const hostMac = (n: number): string => `02:00:00:00:01:0${n}`;

/** `sw` bridges three hosts, and has 10.5.0.100 itself. */
export function switchedHosts(more: Partial<NamespacePlan> = {}): ClusterPlan {
  const connected = (dev: string, own: string) =>
    route('10.5.0.0/24', {
      device: dev,
      protocol: 'kernel',
      scope: 'link',
      source: parseIp4(own),
      origin: 'kernel',
    });
  const port = (name: string, i: number): DevicePlan =>
    device({
      name,
      index: 3 + i,
      mac: parseMac(macOf(i)),
      master: 'br0',
      peer: { namespace: `h${i}`, device: 'eth0' },
    });
  const sw = namespace({
    name: 'sw',
    role: 'router',
    devices: [
      lo,
      device({
        name: 'br0',
        index: 2,
        kind: 'bridge',
        mac: parseMac(macOf(0)),
        addresses: [address('10.5.0.100/24', '10.5.0.255')],
      }),
      ...PORTS.map(port),
    ],
    routes: [connected('br0', '10.5.0.100')],
    ...more,
  });
  const host = (i: number) =>
    namespace({
      name: `h${i}`,
      role: 'router',
      forwarding: false,
      devices: [
        lo,
        device({
          name: 'eth0',
          index: 2,
          mac: parseMac(hostMac(i)),
          addresses: [address(`10.5.0.${i + 1}/24`, '10.5.0.255')],
          peer: { namespace: 'sw', device: PORTS[i]! },
        }),
      ],
      routes: [connected('eth0', `10.5.0.${i + 1}`)],
    });
  return {
    namespaces: [sw, host(0), host(1), host(2)],
    segments: [],
    pools: [],
    free: { identifications: [], vxlanSourcePorts: [] },
    assumptions: [],
    ignored: [],
  };
}
