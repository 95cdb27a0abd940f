/**
 * Reads the tables that real commands printed in the oracle's namespaces into
 * plans. A test's own reader: it shares nothing with src/text but the route reader.
 */
import type {
  DevicePlan,
  NamespacePlan,
  NeighbourPlan,
  NeighbourState,
} from '../../src/plan/plan.ts';
import { parseIpRoute } from '../../src/text/ip-route.ts';
import type { PeerLookup } from '../../src/text/link-peer.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';
import { address, device, fdb, namespace, neighbour } from './namespace.ts';

/** What each command of one namespace printed, by command. */
export interface Tables {
  readonly name: string;
  readonly texts: ReadonlyMap<string, string>;
}

export function splitTables(file: string): Tables[] {
  return file
    .split(/^##### namespace /m)
    .slice(1)
    .map((part) => {
      const texts = new Map<string, string>();
      for (const section of part.split(/^# /m).slice(1)) {
        const end = section.indexOf('\n');
        const body = section.slice(end + 1).replace(/\n+$/, '\n');
        texts.set(section.slice(0, end), body === '\n' ? '' : body);
      }
      return { name: part.slice(0, part.indexOf('\n')), texts };
    });
}

/** The namespace without its routes; `undefined` where it has a kind of device that plans have not. */
export function planOf({ name, texts }: Tables): NamespacePlan | undefined {
  const links = texts.get('ip -d link');
  if (links === undefined || /wireguard/.test(links)) return undefined;
  const devices = links.split(/^(?=\d+: )/m).map(readDevice);
  const addressed = devices.map((d) => ({
    ...d,
    addresses: readAddresses(texts.get('ip -4 addr') ?? '', d.name),
  }));
  const entries = (texts.get('bridge fdb show') ?? '').split('\n').flatMap((line) => {
    const [, mac, dev, dst] = /^(\S+) dev (\S+) dst (\S+) self permanent/.exec(line) ?? [];
    return mac && dev && dst ? [fdb(dev, mac, dst)] : [];
  });
  return namespace({ name, devices: addressed, fdb: entries });
}

export const neighboursOf = ({ texts }: Tables): NeighbourPlan[] =>
  (texts.get('ip neigh') ?? '').split('\n').flatMap((line) => {
    const [, ip, dev, mac, state] =
      /^(\S+) dev (\S+)(?: lladdr (\S+))? (\w+)$/.exec(line) ?? ([] as string[]);
    return ip && dev && state ? [neighbour(dev, ip, mac, state as NeighbourState)] : [];
  });

export const routesOf = ({ texts }: Tables) =>
  parseIpRoute(texts.get('ip route show table all') ?? '');

/** `@if4 … link-netns node1` became the peer `if4` of namespace `node1`. */
export const peers: PeerLookup = ({ namespace: netns, device: of }) => ({
  index: Number(of.slice(2)),
  netns,
});

function readDevice(text: string): DevicePlan {
  const head =
    /^(\d+): ([^:@]+)(?:@(\w+))?: <(.*?)> mtu (\d+) qdisc (\w+) .*?(?:qlen (\d+))?\n/.exec(text);
  if (head === null) throw new Error(`not a device: ${text}`);
  const [, index, name = '', peer, flags = '', mtu, qdisc = '', queueLength] = head;
  const netns = /link-netns (\S+)/.exec(text)?.[1];
  const mac = /link\/ether (\S+)/.exec(text)?.[1];
  const vxlan = /vxlan id (\d+) local (\S+) dev (\S+) .* dstport (\d+)/.exec(text);
  return device({
    name,
    index: Number(index),
    kind: name === 'lo' ? 'loopback' : vxlan ? 'vxlan' : /link\/ipip/.test(text) ? 'ipip' : 'veth',
    mtu: Number(mtu),
    qdisc,
    queueLength: Number(queueLength ?? 0),
    up: flags.split(',').includes('UP'),
    ...(mac ? { mac: parseMac(mac) } : {}),
    ...(netns && peer ? { peer: { namespace: netns, device: peer } } : {}),
    ...(vxlan
      ? {
          vxlan: {
            vni: Number(vxlan[1]),
            local: parseIp4(vxlan[2] ?? ''),
            parent: vxlan[3] ?? '',
            port: Number(vxlan[4]),
          },
        }
      : {}),
  });
}

function readAddresses(text: string, name: string) {
  const block = text.split(/^(?=\d+: )/m).find((part) => / ([^:@]+)/.exec(part)?.[1] === name);
  return [...(block ?? '').matchAll(/inet (\S+)(?: brd (\S+))? scope (\w+)/g)].map(
    ([, prefix, brd, scope]) => address(prefix ?? '', brd, scope as 'global'),
  );
}
