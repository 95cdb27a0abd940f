/** What a user may call a namespace, a device, a destination. */
import { found, PodwireError } from '../errors.ts';
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import type { ServicePlan } from '../plan/plan.ts';
import { type Ip4, tryIp4 } from '../wire/address.ts';

/** A device of a namespace. */
export interface Port {
  readonly node: Node;
  readonly device: Device;
}

export class Names {
  private readonly nodes: readonly Node[];
  private readonly exact: ReadonlyMap<string, Node>;
  /** Pods by the name behind the slash, made at the first question. */
  private bare: ReadonlyMap<string, readonly Node[]> | null = null;
  /** By `name.namespace`. */
  private readonly services: ReadonlyMap<string, Ip4>;

  constructor(nodes: readonly Node[], services: readonly ServicePlan[] = []) {
    this.nodes = nodes;
    this.services = new Map(
      services.map(({ name, clusterIp }) => [name.split('/').reverse().join('.'), clusterIp]),
    );
    this.exact = new Map(nodes.map((node) => [node.name, node]));
  }

  /** A node, router or host by name; a pod as `namespace/pod`, or bare where that is unambiguous. */
  find(name: string): Node {
    return this.named(name, '');
  }

  private named(name: string, otherwise: string): Node {
    const exact = this.exact.get(name);
    const matches = name.includes('/') ? [] : this.pods(name);
    if (exact !== undefined && matches.length === 0) return exact;
    const candidates = exact === undefined ? matches : [exact, ...matches];
    if (candidates.length === 1) return candidates[0]!;
    if (candidates.length > 1) {
      const names = candidates.map((n) => n.name).join(', ');
      throw new PodwireError('ERR_NAME', `${found(name)}: expected one of ${names}, found several`);
    }
    throw new PodwireError(
      'ERR_NAME',
      `expected ${this.known()}${otherwise}, found ${found(name)}`,
    );
  }

  private pods(name: string): readonly Node[] {
    if (this.bare === null) {
      const bare = new Map<string, Node[]>();
      for (const node of this.nodes) {
        // A pod of pasted tables may have no namespace: its name is the exact one.
        if (node.plan.role !== 'pod' || !node.name.includes('/')) continue;
        const own = node.name.slice(node.name.lastIndexOf('/') + 1);
        const others = bare.get(own);
        if (others === undefined) bare.set(own, [node]);
        else others.push(node);
      }
      this.bare = bare;
    }
    return this.bare.get(name) ?? [];
  }

  /** `NAME:DEVICE`. */
  port(text: string): { node: Node; device: Device } {
    const colon = text.lastIndexOf(':');
    if (colon <= 0)
      throw new PodwireError('ERR_NAME', `expected NODE:DEVICE, found ${found(text)}`);
    const node = this.find(text.slice(0, colon));
    const name = text.slice(colon + 1);
    const device = node.devices.find((d) => d.name === name);
    if (device !== undefined) return { node, device };
    const names = node.devices.map((d) => d.name).join(', ');
    throw new PodwireError(
      'ERR_NAME',
      `${node.name}: expected a device of ${names}, found ${found(name)}`,
    );
  }

  /**
   * An address as text; a namespace, which gives its first address; or a service by its
   * name in DNS, `kube-dns.kube-system` with or without `.svc.cluster.local`.
   */
  address(text: string): Ip4 {
    const address = tryIp4(text);
    if (address !== undefined) return address;
    const service = this.services.get(text.replace(/\.svc(\.cluster\.local\.?)?$/, ''));
    if (service !== undefined && !this.exact.has(text)) return service;
    const node = this.named(text, ', or a service as NAME.NAMESPACE or an IPv4 address');
    const own = ownAddress(node);
    if (own !== undefined) return own;
    throw new PodwireError('ERR_NAME', `${node.name}: expected an address, found none`);
  }

  /** The namespace that has an address, if any. */
  owner(address: number): Node | undefined {
    return this.nodes.find((n) => n.devices.some((d) => d.addresses.includes(address | 0)));
  }

  private known(): string {
    const list = (role: string): string => {
      const names = this.nodes.filter((n) => n.plan.role === role).map((n) => n.name);
      return names.length > 8
        ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more`
        : names.join(', ');
    };
    const pods = list('pod');
    const nodes = list('node');
    return `a pod (${pods || 'none here'}) or a node (${nodes || 'none here'})`;
  }
}

/** The address a namespace is known by: a pod's, or that of the first NIC. */
export function ownAddress(node: Node): Ip4 | undefined {
  const device = node.devices.find((d) => d.plan.kind !== 'loopback' && d.addresses.length > 0);
  return device?.addresses[0] as Ip4 | undefined;
}
