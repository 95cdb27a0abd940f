/** The words for what a trace recorded: which entry won, what was done, why it ended. */
import { type Drop, dropInfo } from '../drop.ts';
import { INHERIT } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import { Room, roomName } from '../node/room.ts';
import { isValid } from '../tables/neighbours.ts';
import { RouteKind } from '../tables/routes.ts';
import { fdbEntry } from '../text/bridge-fdb.ts';
import { endpointText } from '../text/endpoint-rule.ts';
import { neighbourEntry } from '../text/ip-neigh.ts';
import { routeEntry } from '../text/ip-route.ts';
import { ANSWERED_BY_RESET, DROPPED, type TraceRecord } from '../trace/ring.ts';
import { formatIp4, formatMac, type Ip4, joinMac } from '../wire/address.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { neighbourPlan } from './dump.ts';
import { tellWireguardIn, tellWireguardOut } from './explain-wireguard.ts';

/** One room a packet passed. */
export interface Step {
  /** Name of the namespace. */
  readonly node: string;
  readonly room: string;
  /** The device concerned, where there is one. */
  readonly device?: string;
  /** The table entry that won, as the command that lists the table prints it. */
  readonly entry?: string;
  readonly note: string;
}

/** What a room did: the entry it used and a sentence about it. */
export interface Finding {
  readonly entry?: string;
  readonly note: string;
}

type Teller = (node: Node, record: TraceRecord) => Finding;

const protocolName = (protocol: number): string =>
  ({
    [ipv4.PROTO_ICMP]: 'ICMP',
    [ipv4.PROTO_IPIP]: 'IPIP',
    [ipv4.PROTO_TCP]: 'TCP',
    [ipv4.PROTO_UDP]: 'UDP',
  })[protocol] ?? `protocol ${protocol}`;

const deviceName = (node: Node, position: number): string =>
  node.devices[position]?.name ?? 'no device';

const tellRoute: Teller = (node, { noteA: id, noteB: redirected }) => {
  if (id < 0) return { note: 'no route matches' };
  const plan = node.routes.origin(id);
  const entry = routeEntry(plan);
  const kind = node.routes.kind(id);
  if (kind === RouteKind.Local) return { entry, note: 'an address of this namespace' };
  if (kind !== RouteKind.Unicast) return { entry, note: `a ${plan.type} route won` };
  const gateway = node.routes.gateway(id);
  const device = deviceName(node, node.routes.device(id));
  const hop = gateway === 0 ? 'directly connected' : `next hop ${formatIp4(gateway)}`;
  if (redirected !== 0) {
    return { entry, note: `redirected to ${formatIp4(redirected)}, out by ${device}` };
  }
  return { entry, note: `${hop}, out by ${device}` };
};

const tellNeighbour: Teller = (node, { noteA: id, noteB: broadcast, next }) => {
  if (broadcast === 1) return { note: 'broadcast: to ff:ff:ff:ff:ff:ff' };
  if (id < 0) return { note: '' };
  const plan = neighbourPlan(node, id);
  const address = formatIp4(plan.address);
  if (next > 0 && isValid(node.neighbours.state(id))) {
    return { entry: neighbourEntry(plan), note: `${address} is at ${formatMac(plan.mac ?? 0)}` };
  }
  if (next > 0) return { note: `${address} was resolved` };
  return { note: `nobody known at ${address} on ${plan.device}: ARP asks, the packet waits` };
};

const tellVxlanOut: Teller = (node, { noteA: id, noteB: port, noteC: remotes, output }) => {
  const device = node.devices[output];
  if (id < 0 || device === undefined)
    return { note: `no FDB entry on ${deviceName(node, output)}` };
  const { macHigh, macLow, destination } = node.fdb.entry(id);
  const entry = fdbEntry({
    device: device.name,
    mac: joinMac(macHigh, macLow),
    destination: destination as Ip4,
    state: 'permanent',
  });
  const to = formatIp4(destination);
  const ttl = device.ttl === INHERIT ? 'of the inner packet' : device.ttl || 64;
  const df = device.df === 'unset' ? '' : `, DF ${device.df}`;
  return {
    entry,
    note: `VXLAN: VNI ${device.vni}, outer ${formatIp4(device.local)}:${port} > ${to}:${device.port}, TTL ${ttl}${df}${remotes > 1 ? `, and to ${remotes - 1} more` : ''}`,
  };
};

const tellLocal: Teller = (_node, { noteA: protocol, noteB }) => {
  const note = `for this namespace: ${protocolName(protocol)}`;
  if (noteB === 0) return { note };
  const isRedirect = protocol === ipv4.PROTO_ICMP;
  return { note: `${note}${isRedirect ? ` redirect to ${formatIp4(noteB)}` : ` port ${noteB}`}` };
};

const tellBridge: Teller = (node, { noteA: port, noteB: copies, noteC: own }) => {
  const here = own === 1 ? 'for the bridge itself' : '';
  if (port >= 0) return { note: `known behind ${deviceName(node, port)}` };
  if (copies === 0) return { note: here };
  const ports = `flooded to ${copies} ${copies === 1 ? 'port' : 'ports'}`;
  return { note: here === '' ? ports : `${ports}, and ${here}` };
};

/** The rule that won, where one did. */
const tellHook =
  (end: 'source' | 'destination'): Teller =>
  (node, { noteA: id, noteB: address }) => {
    const rule = id < 0 ? undefined : node.netfilter?.chains.rules[id];
    const note = address === 0 ? 'passed' : `${end} is now ${formatIp4(address as Ip4)}`;
    if (rule === undefined) return { note };
    return { entry: rule.text, note: address === 0 ? note : note + endpointText(rule) };
  };

const tellers: { readonly [R in Room]: Teller } = {
  [Room.Ingress]: (node, { input }) => ({ note: `in by ${deviceName(node, input)}` }),
  [Room.Arp]: (_node, { noteA, noteB }) => ({
    note: `ARP ${noteA === 1 ? 'request' : 'reply'}${noteB === 1 ? ', answered' : ''}`,
  }),
  [Room.IpInput]: () => ({ note: 'IPv4 header sound' }),
  [Room.Route]: tellRoute,
  [Room.Forward]: (_node, { noteA: mtu, noteB: ttl }) => ({
    note: mtu === 0 ? 'not forwarded' : `TTL now ${ttl}, fits MTU ${mtu}`,
  }),
  [Room.Output]: (_node, { noteA: hop, noteB: mtu }) => ({
    note: `to ${formatIp4(hop)}, MTU ${mtu}`,
  }),
  [Room.Neighbour]: tellNeighbour,
  [Room.Prerouting]: tellHook('destination'),
  [Room.Input]: tellHook('source'),
  [Room.ForwardFilter]: tellHook('source'),
  [Room.LocalOut]: tellHook('destination'),
  [Room.Postrouting]: tellHook('source'),
  [Room.Finish]: (_node, { noteB: mtu }) => ({ note: `MTU ${mtu}` }),
  [Room.Gather]: () => ({ note: 'waits for what arrives with it' }),
  [Room.Poll]: (_node, { noteA: bytes }) => ({
    note: bytes === 0 ? 'alone' : `with the segments after it, ${bytes} bytes of data`,
  }),
  [Room.Transmit]: (node, { output }) => ({ note: `out by ${deviceName(node, output)}` }),
  [Room.Local]: tellLocal,
  [Room.VxlanOut]: tellVxlanOut,
  [Room.VxlanIn]: (_node, { noteA: vni, noteB: from }) => ({
    note: vni < 0 ? 'not unwrapped' : `VXLAN unwrapped: VNI ${vni}, from ${formatIp4(from)}`,
  }),
  [Room.IpipOut]: (_node, { noteA: from, noteB: to }) => ({
    note: `IPIP: outer ${formatIp4(from)} > ${formatIp4(to)}, TTL and DF of the inner packet`,
  }),
  [Room.IpipIn]: (_node, { noteA: from }) => ({ note: `IPIP unwrapped, from ${formatIp4(from)}` }),
  [Room.BridgeIn]: tellBridge,
  [Room.BridgeOut]: tellBridge,
  [Room.WireguardOut]: tellWireguardOut,
  [Room.WireguardIn]: tellWireguardIn,
};

/** The drop code a record ended in, or undefined. */
export const dropOf = (record: TraceRecord): Drop | undefined =>
  record.next <= DROPPED ? ((DROPPED - record.next) as Drop) : undefined;

export function explain(nodes: readonly Node[], record: TraceRecord): Step {
  const node = nodes[record.node]!;
  const room = record.room as Room;
  const drop = dropOf(record);
  const told = tellers[room](node, record);
  const finding = { ...told, note: told.note + answerText(record) };
  const position = record.output >= 0 ? record.output : record.input;
  const device = position < 0 ? {} : { device: deviceName(node, position) };
  const step = { node: node.name, room: roomName[room], ...device };
  if (drop === undefined) return { ...step, ...finding };
  const reason = `${dropInfo[drop].name}: ${dropInfo[drop].meaning}${sizes(record, drop, node)}`;
  const why = `dropped: ${reason}${answerText(record)}`;
  return finding.entry === undefined
    ? { ...step, note: why }
    : { ...step, entry: finding.entry, note: why };
}

const ANSWERS: Readonly<Record<number, string>> = {
  [icmp.ECHO_REPLY << 8]: 'echo reply',
  [icmp.UNREACHABLE << 8]: 'net unreachable',
  [(icmp.UNREACHABLE << 8) | icmp.CODE_HOST]: 'host unreachable',
  [(icmp.UNREACHABLE << 8) | icmp.CODE_PORT]: 'port unreachable',
  [(icmp.UNREACHABLE << 8) | icmp.CODE_PROTOCOL]: 'protocol unreachable',
  [(icmp.UNREACHABLE << 8) | icmp.CODE_NET_PROHIBITED]: 'net prohibited',
  [(icmp.UNREACHABLE << 8) | icmp.CODE_HOST_PROHIBITED]: 'host prohibited',
  [(icmp.UNREACHABLE << 8) | icmp.CODE_FRAG_NEEDED]: 'fragmentation needed',
  [(icmp.UNREACHABLE << 8) | icmp.CODE_FILTERED]: 'administratively filtered',
  [icmp.TIME_EXCEEDED << 8]: 'time exceeded',
  [(icmp.TIME_EXCEEDED << 8) | icmp.CODE_REASSEMBLY]: 'fragment reassembly time exceeded',
  [icmp.PARAMETER_PROBLEM << 8]: 'parameter problem',
  [(icmp.REDIRECT << 8) | icmp.CODE_REDIRECT_HOST]: 'redirect',
};

/** What this room sent about the packet, and to whom. */
function answerText({ answer, answerTo }: TraceRecord): string {
  if (answer === 0) return '';
  if (answer === ANSWERED_BY_RESET) return `; TCP reset sent to ${formatIp4(answerTo)}`;
  return `; ICMP ${ANSWERS[answer - 1] ?? answer - 1} sent to ${formatIp4(answerTo)}`;
}

/** The figure behind a drop, where one tells more than the reason. */
function sizes(record: TraceRecord, drop: Drop, node: Node): string {
  const name = dropInfo[drop].name;
  if (name === 'packet-too-big') {
    const mtu = record.room === Room.Forward ? record.noteA : record.noteB;
    return ` (MTU ${mtu} of ${deviceName(node, record.output)})`;
  }
  if (name === 'filtered') {
    const why = ruleComment(node.netfilter?.chains.rules[record.noteA]?.text ?? '');
    return why === '' ? '' : ` (${why})`;
  }
  if (name === 'neighbour-failed' && record.noteA >= 0) {
    return ` (${formatIp4(node.neighbours.address(record.noteA))} on ${deviceName(node, record.output)})`;
  }
  return '';
}

/** What a rule says of itself; `cali:` and a hash is only how Felix knows its own again. */
const ruleComment = (text: string): string =>
  [...text.matchAll(/--comment "([^"]*)"/g)]
    .map(([, comment]) => comment!)
    .filter((comment) => !comment.startsWith('cali:'))
    .at(-1) ?? '';
