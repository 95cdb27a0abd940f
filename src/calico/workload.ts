/** Pod and WorkloadEndpoint: what runs where, with which address. */
import { formatIp4, type Ip4, type Mac, tryInterfaceAddress } from '../wire/address.ts';
import { type Field, type Given, given } from './field.ts';
import { readAddressRequest, readPoolRequest } from './ipam-request.ts';
import { podMac, vethName } from './names.ts';
import { readProtocol } from './policy-rule.ts';
import type { Labels } from './selector.ts';

/** What one resource says of a pod; the other may fill the gaps. */
export interface Workload {
  /** `namespace/pod` */
  readonly key: string;
  readonly namespace: string;
  readonly pod: string;
  readonly node: Given<string>;
  readonly address: Given<Ip4> | undefined;
  /** How the address came about; `reported` also where there is none. */
  readonly addressing: 'reported' | 'requested' | 'outside IPAM';
  /** Names or CIDRs of the pools that the pod's own annotation asks for. */
  readonly pools: Given<readonly string[]> | undefined;
  /** MAC of eth0 in the pod, where it is stated. */
  readonly mac: Mac | undefined;
  /** MAC in the endpoint itself: Felix makes it a PERMANENT neighbour (endpoint_mgr.go). */
  readonly endpointMac: Mac | undefined;
  /** The veth on the node. */
  readonly device: string;
  readonly labels: Labels;
  /** Its service account; empty where an endpoint names none. */
  readonly account: string;
  /** Ports of its containers that have names. */
  readonly ports: readonly NamedPort[];
  /** Services send to it; false while it starts and while it ends. */
  readonly ready: boolean;
  /** Names of its profiles, where the endpoint lists them. */
  readonly profiles: readonly string[] | undefined;
  readonly at: Field;
}

/** A port that policies may call by its name. */
export interface NamedPort {
  readonly name: string;
  readonly protocol: number;
  readonly port: number;
}

/** Of the `labels` of a resource. */
export type ReadLabels = (at: Field) => Labels;

/** Why a pod has no place on the network: counted, not an error. */
export type Skipped = 'host network' | 'finished' | 'no node';

/** A Pod as kubectl prints it. Written out member by member, as there may be 100,000. */
export function readPod(
  { key, namespace, pod }: PodName,
  resource: Field,
  readLabels: ReadLabels,
): Workload | Skipped {
  const annotations = resource.entry('metadata').entry('annotations');
  const spec = resource.entry('spec');
  const status = resource.entry('status');
  if (spec.entry('hostNetwork').optional((f) => f.boolean())) return 'host network';
  const phase = status.entry('phase').optional((f) => f.text());
  if (phase === 'Succeeded' || phase === 'Failed') return 'finished';
  const node = given(spec.entry('nodeName'), (f) => f.name());
  if (node === undefined) return 'no node';
  const { address, addressing } = podAddress(status, annotations);
  return {
    key,
    namespace,
    pod,
    node,
    address,
    addressing,
    pools: readPoolRequest(annotations),
    mac: annotations.entry('cni.projectcalico.org/hwAddr').optional((f) => f.mac()),
    endpointMac: undefined,
    device: vethName(namespace, pod),
    labels: readLabels(resource.entry('metadata').entry('labels')),
    account: spec.entry('serviceAccountName').optional((f) => f.text()) ?? 'default',
    ports: portsOf(
      spec
        .entry('containers')
        .items()
        .flatMap((container) => container.entry('ports').items()),
      'containerPort',
    ),
    ready: isReady(status, resource.entry('metadata')),
    profiles: undefined,
    at: resource.emptied(),
  };
}

/** A WorkloadEndpoint as calicoctl prints it. */
export function readEndpoint(
  { key, namespace, pod }: PodName,
  resource: Field,
  readLabels: ReadLabels,
): Workload {
  const spec = resource.entry('spec');
  const at = spec.entry('node');
  const mac = spec.entry('mac').optional((f) => f.mac());
  const networks = spec.entry('ipNetworks').items();
  return {
    key,
    namespace,
    pod,
    node: { value: at.name(), at },
    address: firstIp4(networks),
    addressing: 'reported',
    pools: undefined,
    mac,
    endpointMac: mac,
    device: spec.entry('interfaceName').optional((f) => f.deviceName()) ?? vethName(namespace, pod),
    labels: readLabels(resource.entry('metadata').entry('labels')),
    account: spec.entry('serviceAccountName').optional((f) => f.text()) ?? '',
    ports: portsOf(spec.entry('ports').items(), 'port'),
    ready: true,
    profiles: spec.entry('profiles').optional((f) => f.items().map((item) => item.text())),
    at: resource.emptied(),
  };
}

export interface PodName {
  readonly key: string;
  readonly namespace: string;
  readonly pod: string;
}

export const podName = (namespace: string, pod: string): PodName => ({
  key: `${namespace}/${pod}`,
  namespace,
  pod,
});

/** A pod from its Pod and its WorkloadEndpoint; the endpoint's interface and MAC win. */
export function mergeWorkload(pod: Workload, endpoint: Workload): Workload {
  if (pod.node.value !== endpoint.node.value) {
    throw endpoint.node.at.conflict(
      `node ${pod.node.value} as ${pod.node.at.where} says`,
      endpoint.node.value,
    );
  }
  // What the endpoint has settles what the pod only asked for.
  const a = pod.addressing === 'reported' ? pod.address : undefined;
  const b = endpoint.address;
  if (a !== undefined && b !== undefined && a.value !== b.value) {
    throw b.at.conflict(`${formatIp4(a.value)} as ${a.at.where} says`, formatIp4(b.value));
  }
  return {
    ...pod,
    address: a ?? b ?? pod.address,
    addressing: (a ?? b) === undefined ? pod.addressing : 'reported',
    mac: endpoint.mac ?? pod.mac,
    endpointMac: endpoint.endpointMac,
    device: endpoint.device,
    labels: endpoint.labels.size > 0 ? endpoint.labels : pod.labels,
    account: endpoint.account === '' ? pod.account : endpoint.account,
    ports: endpoint.ports.length > 0 ? endpoint.ports : pod.ports,
    profiles: endpoint.profiles,
  };
}

/** Where nothing is said of that, it counts as ready. */
function isReady(status: Field, metadata: Field): boolean {
  if (!metadata.entry('deletionTimestamp').absent) return false;
  const condition = status
    .entry('conditions')
    .items()
    .find((at) => at.entry('type').optional((f) => f.text()) === 'Ready');
  return condition === undefined || condition.entry('status').text() === 'True';
}

const NO_PORTS: readonly NamedPort[] = [];

function portsOf(fields: readonly Field[], key: string): readonly NamedPort[] {
  const ports = fields.flatMap((at) => namedPort(at, key) ?? []);
  return ports.length === 0 ? NO_PORTS : ports;
}

function namedPort(at: Field, key: string): NamedPort | undefined {
  const name = at.entry('name').optional((f) => f.text());
  if (name === undefined || name === '') return undefined;
  const protocol = at.entry('protocol').optional(readProtocol) ?? TCP;
  return { name, protocol, port: at.entry(key).integer(0, 65535) };
}

/** What Kubernetes takes a port for that names no protocol. */
const TCP = 6;

export const workloadMac = ({ mac, namespace, pod }: Workload): Mac =>
  mac ?? podMac(namespace, pod);

function podAddress(status: Field, annotations: Field): Pick<Workload, 'address' | 'addressing'> {
  const listed = status.entry('podIPs').items();
  const reported =
    firstIp4([status.entry('podIP'), ...listed.map((f) => f.entry('ip'))]) ??
    firstIp4([
      annotations.entry('cni.projectcalico.org/podIP'),
      annotations.entry('cni.projectcalico.org/podIPs'),
    ]);
  const asked = readAddressRequest(annotations);
  if (reported === undefined && asked !== undefined) return asked;
  // An address that was never IPAM's stays so once it is reported.
  const outside = asked?.addressing === 'outside IPAM' && reported?.value === asked.address.value;
  return { address: reported, addressing: outside ? 'outside IPAM' : 'reported' };
}

/** The first IPv4 address of several fields, each of which may hold a comma-joined list. */
function firstIp4(fields: readonly Field[]): Given<Ip4> | undefined {
  for (const at of fields) {
    for (const text of at.optional((f) => f.text('an IPv4 address'))?.split(',') ?? []) {
      // IPv6 of a dual-stack pod, or an empty text before the CNI plugin has run.
      if (text === '' || text.includes(':')) continue;
      const address = tryInterfaceAddress(text.trim());
      if (address?.length !== 32) throw at.refuse('an IPv4 address');
      return { value: address.address, at };
    }
  }
  return undefined;
}
