/** Hand-made namespaces for the tests of this folder, and the texts they are held against. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  DeviceAddress,
  DevicePlan,
  FdbPlan,
  NamespacePlan,
  NeighbourPlan,
  NeighbourState,
  RoutePlan,
} from '../../src/plan/plan.ts';
import { parseInterfaceAddress, parseIp4, parseMac, parsePrefix } from '../../src/wire/address.ts';

export function namespace(parts: Partial<NamespacePlan>): NamespacePlan {
  const empty = { devices: [], routes: [], neighbours: [], fdb: [] };
  return { name: 'node1', role: 'node', forwarding: true, ...empty, ...parts };
}

export function device(
  parts: Partial<DevicePlan> & Pick<DevicePlan, 'name' | 'index'>,
): DevicePlan {
  return {
    kind: 'veth',
    mtu: 1500,
    up: true,
    addresses: [],
    proxyArp: false,
    queueLength: 0,
    qdisc: 'noqueue',
    checksumOffload: false,
    ...parts,
  };
}

export const lo: DevicePlan = device({
  name: 'lo',
  index: 1,
  kind: 'loopback',
  mtu: 65536,
  queueLength: 1000,
  addresses: [address('127.0.0.1/8', undefined, 'host')],
});

export function address(
  text: string,
  broadcast?: string,
  scope: DeviceAddress['scope'] = 'global',
): DeviceAddress {
  const brd = broadcast === undefined ? {} : { broadcast: parseIp4(broadcast) };
  return { ...parseInterfaceAddress(text), ...brd, scope };
}

export function route(destination: string, parts: Partial<RoutePlan> = {}): RoutePlan {
  return {
    type: 'unicast',
    destination: parsePrefix(destination === 'default' ? '0.0.0.0/0' : destination),
    table: 'main',
    protocol: 'boot',
    scope: 'global',
    metric: 0,
    onlink: false,
    origin: 'admin',
    ...parts,
  };
}

export const neighbour = (
  device: string,
  ip: string,
  mac: string | undefined,
  state: NeighbourState,
): NeighbourPlan => ({
  device,
  address: parseIp4(ip),
  ...(mac === undefined ? {} : { mac: parseMac(mac) }),
  state,
});

export const fdb = (
  device: string,
  mac: string,
  destination: string,
  state: FdbPlan['state'] = 'permanent',
): FdbPlan => ({ device, mac: parseMac(mac), destination: parseIp4(destination), state });

export const trimLines = (text: string): string => text.replace(/ +$/gm, '');

export const shared: string = join(process.cwd(), '..', 'shared');

/** The document with this number, or `undefined` and a loud word on stderr. */
export function documentText(number: string): string | undefined {
  const folder = join(shared, 'documents');
  const name = existsSync(folder) && readdirSync(folder).find((n) => n.startsWith(number));
  if (!name) {
    console.warn(`SKIPPED: document ${number} is not in ${folder}`);
    return undefined;
  }
  return readFileSync(join(folder, name), 'utf8');
}
