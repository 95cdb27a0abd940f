/**
 * FreeInputs: podwire's own resource for what no table tells. Names are checked
 * against the finished plan; see `checkFreeNames`.
 */
import type { FreeInputs, Listeners, NamespacePlan } from '../plan/plan.ts';
import { type Ip4, tryIp4 } from '../wire/address.ts';
import { PrivateKey, tryKey } from '../wireguard/key.ts';
import type { Field } from './field.ts';
import { listNames } from './names.ts';

export interface DeviceNote {
  readonly node: string;
  readonly device: string;
  readonly at: Field;
}

/** The private half of a node's WireGuard key. */
export interface GivenKey {
  readonly node: string;
  readonly key: PrivateKey;
  readonly at: Field;
}

export interface Freedoms {
  readonly inputs: FreeInputs;
  readonly checksumOffload: readonly DeviceNote[];
  readonly ifindex: readonly (DeviceNote & { readonly index: number })[];
  readonly wireguardKeys: readonly GivenKey[];
  /** Every namespace named in `inputs`, with its place. */
  readonly names: readonly { readonly name: string; readonly at: Field }[];
}

export const noFreedoms: Freedoms = {
  inputs: { identifications: [], vxlanSourcePorts: [] },
  checksumOffload: [],
  ifindex: [],
  wireguardKeys: [],
  names: [],
};

const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['icmp', 1],
  ['ipip', 4],
  ['tcp', 6],
  ['udp', 17],
]);
const MAX_IFINDEX = 2 ** 31 - 1;

/** One resource's inputs after those of `before`. */
export function readFreeInputs(resource: Field, before: Freedoms): Freedoms {
  const spec = resource.entry('spec');
  const identifications = spec.entry('identifications').items();
  const ports = spec.entry('vxlanSourcePorts').items();
  const keys = spec.entry('wireguardPrivateKeys').secret().items();
  const listeners = spec.entry('listeners').items();
  return {
    inputs: {
      identifications: [
        ...before.inputs.identifications,
        ...identifications.map((at) => ({
          node: namespaceName(at.entry('node')),
          source: at.entry('source').ip4(),
          destination: at.entry('destination').ip4(),
          protocol: protocol(at.entry('protocol')),
          next: at.entry('next').integer(0, 0xffff),
        })),
      ],
      vxlanSourcePorts: [...before.inputs.vxlanSourcePorts, ...ports.map(readSourcePort)],
      listeners: [...(before.inputs.listeners ?? []), ...listeners.map(readListeners)],
    },
    checksumOffload: [
      ...before.checksumOffload,
      ...spec.entry('checksumOffload').items().map(readDevice),
    ],
    ifindex: [
      ...before.ifindex,
      ...spec
        .entry('ifindex')
        .items()
        .map((at) => ({ ...readDevice(at), index: at.entry('index').integer(1, MAX_IFINDEX) })),
    ],
    wireguardKeys: [...before.wireguardKeys, ...keys.map(readPrivateKey)],
    names: [
      ...before.names,
      ...[...identifications, ...ports, ...keys, ...listeners].map((entry) => {
        const at = entry.entry('node');
        return { name: namespaceName(at), at };
      }),
    ],
  };
}

function readSourcePort(at: Field): FreeInputs['vxlanSourcePorts'][number] {
  const number = protocol(at.entry('protocol'));
  const withPorts = number === 6 || number === 17;
  const source = endpoint(at.entry('source'), withPorts);
  const destination = endpoint(at.entry('destination'), withPorts);
  return {
    node: namespaceName(at.entry('node')),
    source: source.address,
    destination: destination.address,
    protocol: number,
    sourcePort: source.port,
    destinationPort: destination.port,
    port: at.entry('port').integer(0, 0xffff),
  };
}

function readPrivateKey(at: Field): GivenKey {
  const key = at.entry('privateKey');
  const text = key.isText ? key.text() : '';
  const bytes = tryKey(text);
  if (bytes === undefined || bytes.every((byte) => byte === 0)) {
    throw key.refuse('a private key as `wg genkey` prints it');
  }
  return { node: namespaceName(at.entry('node')), key: new PrivateKey(bytes), at };
}

function readListeners(at: Field): Listeners {
  const ports = (key: string): number[] =>
    at
      .entry(key)
      .items()
      .map((port) => port.integer(1, 0xffff));
  return { node: namespaceName(at.entry('node')), tcp: ports('tcp'), udp: ports('udp') };
}

const readDevice = (at: Field): DeviceNote => ({
  node: namespaceName(at.entry('node')),
  device: at.entry('device').deviceName(),
  at,
});

/** A node's name, or `namespace/pod`. */
const namespaceName = (at: Field): string => at.text('the name of a node or a namespace/pod');

function protocol(at: Field): number {
  if (!at.isText) return at.integer(0, 255);
  const number = PROTOCOLS.get(at.text());
  if (number === undefined) throw at.refuse('tcp, udp, icmp, ipip or a protocol number');
  return number;
}

/** `10.2.169.136:52920`; without ports a bare address, and 0. */
function endpoint(at: Field, withPort: boolean): { address: Ip4; port: number } {
  const expected = withPort ? 'an IPv4 ADDRESS:PORT' : 'an IPv4 address';
  const text = at.text(expected);
  const colon = text.indexOf(':');
  const address = tryIp4(withPort ? text.slice(0, Math.max(colon, 0)) : text);
  const digits = withPort ? text.slice(colon + 1) : '0';
  if (address === undefined || !/^\d{1,5}$/.test(digits) || Number(digits) > 0xffff) {
    throw at.refuse(expected);
  }
  return { address, port: Number(digits) };
}

/** Free inputs for what is not in the plan are mistakes, not spare parts. */
export function checkFreeNames(
  { names, ifindex, checksumOffload }: Freedoms,
  namespaces: readonly NamespacePlan[],
): void {
  const known = new Map(namespaces.map((namespace) => [namespace.name, namespace]));
  for (const { name, at } of names) {
    if (!known.has(name)) throw at.refuse('the name of a node or a namespace/pod of the cluster');
  }
  for (const { node, device, at } of [...ifindex, ...checksumOffload]) {
    const namespace = known.get(node);
    if (namespace === undefined) {
      throw at.entry('node').refuse('the name of a node or a namespace/pod of the cluster');
    }
    if (namespace.devices.some(({ name }) => name === device)) continue;
    throw at
      .entry('device')
      .refuse(`a device of ${node} (${listNames(namespace.devices.map(({ name }) => name))})`);
  }
}
