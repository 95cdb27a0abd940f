/**
 * The `local` routing table. The kernel derives it from the devices' addresses
 * (net/ipv4/fib_frontend.c fib_add_ifaddr), so a plan does not carry it.
 */
import type { DevicePlan, NamespacePlan, RoutePlan } from '../plan/plan.ts';
import { type Ip4, lastOf, networkOf, type Prefix } from '../wire/address.ts';
import { type KeptAddress, keptAddresses } from './device-address.ts';

/**
 * Routes of the `local` table in the order the kernel adds them, as kernels since
 * 5.14 do: older ones also had a broadcast route for the network's first address.
 */
export function localRoutes(ns: NamespacePlan): RoutePlan[] {
  const routes = new Map<string, RoutePlan>();
  for (const device of [...ns.devices].sort((a, b) => a.index - b.index)) {
    for (const address of keptAddresses(device)) {
      for (const route of routesOf(device, address)) {
        const { type, destination, source } = route;
        const key = [type, destination.address, destination.length, device.name, source].join(' ');
        if (!routes.has(key)) routes.set(key, route);
      }
    }
  }
  return [...routes.values()];
}

function routesOf(device: DevicePlan, address: KeptAddress): RoutePlan[] {
  const host = (of: Ip4): Prefix => ({ address: of, length: 32 });
  const route = (type: 'local' | 'broadcast', destination: Prefix): RoutePlan => ({
    ...(type === 'broadcast' && device.carrier === false ? { linkdown: true } : {}),
    type,
    destination,
    device: device.name,
    table: 'local',
    protocol: 'kernel',
    scope: type === 'local' ? 'host' : 'link',
    source: address.primary,
    metric: 0,
    onlink: false,
    origin: 'kernel',
  });
  const routes = [route('local', host(address.address))];
  // A device that was never up has no more than this.
  if (!device.up) return routes;
  if (address.broadcast !== undefined && address.broadcast !== -1) {
    routes.push(route('broadcast', host(address.broadcast)));
  }
  const network = networkOf(address);
  if (address.secondary || network.address >>> 24 === 0 || address.length === 32) return routes;
  if (device.kind === 'loopback') routes.push(route('local', network));
  if (address.length < 31) routes.push(route('broadcast', host(lastOf(network))));
  return routes;
}
