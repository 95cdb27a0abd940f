/**
 * Reads `ip link` and `ip addr`, with or without `-d`: what the text says of each
 * device, before anyone knows what its other end is.
 */
import type {
  BridgeSettings,
  DeviceAddress,
  DeviceKind,
  DevicePlan,
  VxlanSettings,
} from '../plan/plan.ts';
import { type Mac, tryInterfaceAddress } from '../wire/address.ts';
import { tryDsfield } from './dsfield.ts';
import { type PastedLine, type TextPlace, WordCursor, writtenLines } from './line-reader.ts';
import { AGEING } from './link-bridge.ts';
import { tryUnsigned } from './route-name.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** One device as listed. */
export interface LinkListed {
  readonly index: number;
  readonly name: string;
  /** What follows `@`: `if6` for the index in another namespace, a device here, or `NONE`. */
  readonly peer?: string;
  /** `link-netns`: the other namespace's name, where `ip netns` knows one. */
  readonly netns?: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly qdisc: string;
  readonly queueLength: number;
  /** The word after `link/`; absent in a listing with `-4`. */
  readonly linkType?: string;
  readonly mac?: Mac;
  /** What `-d` calls it: vxlan, veth, ipip, wireguard, bridge … */
  readonly kind?: string;
  readonly vxlan?: Partial<VxlanSettings>;
  /** The bridge, bond or VRF that it belongs to. */
  readonly master?: string;
  readonly bridge?: BridgeSettings;
  readonly altNames?: readonly string[];
  readonly addresses: readonly DeviceAddress[];
  readonly source: string;
  readonly line: number;
}

type Draft = Omit<Writable<LinkListed>, 'addresses'> & { addresses: DeviceAddress[] };

/** Does a device's first line stand here? */
export const isLinkHead = (text: string): boolean => /^\d{1,10}: [^ :]{1,40}: </.test(text);

/** Devices in the order of the text. Throws ERR_CONFIG_VALUE with the line. */
export function parseIpLink(text: string, place: TextPlace = { source: 'ip link' }): LinkListed[] {
  const drafts: Draft[] = [];
  for (const line of writtenLines(text, place)) {
    const trimmed = line.text.trimStart();
    if (isLinkHead(trimmed)) drafts.push(readHead(line));
    else {
      const cursor = new WordCursor(line);
      const open = drafts.at(-1);
      if (open === undefined) cursor.fail('the first line of a device: N: NAME: <FLAGS>', trimmed);
      else readMore(cursor, open);
    }
  }
  return drafts;
}

function readHead(line: PastedLine): Draft {
  const cursor = new WordCursor(line);
  const index = Number(cursor.next('an index').slice(0, -1));
  if (index === 0 || index > 2 ** 31 - 1) cursor.fail('an index from 1', String(index));
  const full = cursor.next('a name').slice(0, -1);
  const at = full.indexOf('@');
  const draft: Draft = {
    index,
    name: at < 0 ? full : full.slice(0, at),
    ...(at < 0 ? {} : { peer: full.slice(at + 1) }),
    flags: cursor.value('flags in angle brackets', readFlags),
    mtu: 1500,
    qdisc: 'noqueue',
    queueLength: 0,
    addresses: [],
    source: line.source,
    line: line.line,
  };
  if (!cursor.skip('mtu')) cursor.fail('mtu', cursor.peek);
  draft.mtu = cursor.count('after mtu', 2 ** 31 - 1);
  while (!cursor.done) {
    if (cursor.skip('master')) draft.master = cursor.device('after master');
    else if (cursor.skip('qdisc')) draft.qdisc = cursor.next('a queue after qdisc');
    else if (cursor.skip('qlen')) draft.queueLength = cursor.count('after qlen', 2 ** 32 - 1);
    else if (cursor.skip('link-netns')) draft.netns = cursor.next('a name after link-netns');
    else cursor.next('a word');
  }
  return draft;
}

const readFlags = (word: string): string[] | undefined =>
  word.startsWith('<') && word.endsWith('>') ? word.slice(1, -1).split(',') : undefined;

/** Indented lines that say nothing a plan has a place for. */
const SILENT = new Set(['valid_lft', 'inet6', 'alias', 'RX:', 'TX:', 'vf', 'bridge_slave']);

function readMore(cursor: WordCursor, draft: Draft): void {
  const word = cursor.next('a word');
  if (word.startsWith('link/')) readAddressLine(cursor, word, draft);
  else if (word === 'altname') {
    draft.altNames = [...(draft.altNames ?? []), cursor.next('a name after altname')];
  } else if (word === 'inet') draft.addresses.push(readInet(cursor, draft.name));
  else if (word === 'vxlan') {
    draft.kind = word;
    draft.vxlan = readVxlan(cursor);
  } else if (word === 'bridge') {
    draft.kind = word;
    draft.bridge = readBridge(cursor);
  } else if (!SILENT.has(word) && /^[a-z][a-z0-9_-]{0,30}$/.test(word)) draft.kind ??= word;
}

function readAddressLine(cursor: WordCursor, word: string, draft: Draft): void {
  if (draft.linkType !== undefined) cursor.fail(`one link/ line of ${draft.name}`, word);
  draft.linkType = word.slice('link/'.length);
  if (draft.linkType === 'ether') draft.mac = cursor.mac('after link/ether');
  while (!cursor.done) {
    if (cursor.skip('link-netns')) draft.netns = cursor.next('a name after link-netns');
    else cursor.next('a word');
  }
}

/** What follows `inet` in a line; `name` is the device. Throws ERR_CONFIG_VALUE. */
export function readInet(cursor: WordCursor, name: string): DeviceAddress {
  const address = cursor.value('an IPv4 ADDRESS/LENGTH after inet', tryInterfaceAddress);
  const draft: Writable<DeviceAddress> = { ...address, scope: 'global' };
  let label = name;
  while (!cursor.done) {
    if (cursor.skip('brd')) draft.broadcast = cursor.ip4('after brd');
    else if (cursor.skip('peer')) cursor.next('an address after peer');
    else if (cursor.skip('scope')) draft.scope = cursor.value('global, link or host', readScope);
    else label = cursor.next('a label');
  }
  // `eth0:1` is an old alias of eth0; another device's label means that a line is lost.
  if (label !== name && !label.startsWith(`${name}:`) && !FLAG_WORDS.has(label)) {
    cursor.fail(`the label of an address of ${name}`, label);
  }
  return draft;
}

const FLAG_WORDS = new Set(['secondary', 'dynamic', 'noprefixroute', 'deprecated', 'tentative']);

const readScope = (word: string): DeviceAddress['scope'] | undefined =>
  word === 'global' || word === 'link' || word === 'host' ? word : undefined;

function readVxlan(cursor: WordCursor): Partial<VxlanSettings> {
  const draft: Partial<Writable<VxlanSettings>> = {};
  let [learning, whole] = [true, false];
  while (!cursor.done) {
    if (cursor.skip('id')) draft.vni = cursor.count('after id', 2 ** 24 - 1);
    else if (cursor.skip('local')) {
      if (!cursor.peek?.includes(':')) draft.local = cursor.ip4('after local');
    } else if (cursor.skip('dev')) draft.parent = cursor.device('after dev');
    else if (cursor.skip('tos')) draft.tos = cursor.value('a TOS after tos', tosOf);
    else if (cursor.skip('ttl')) {
      const ttl = cursor.skip('auto') ? 0 : cursor.value('auto, inherit or a TTL', ttlOf);
      if (ttl !== 0) draft.ttl = ttl;
    } else if (cursor.skip('df')) {
      if (!cursor.skip('unset')) draft.df = cursor.value('set, unset or inherit after df', dfOf);
    } else if (cursor.skip('noudpcsum')) draft.udpChecksum = false;
    else if (cursor.skip('nolearning')) learning = false;
    else if (cursor.skip('ageing')) {
      const ageing = cursor.count('after ageing', 2 ** 32 - 1);
      if (ageing !== AGEING) draft.ageing = ageing;
      whole = true;
    } else if (cursor.skip('dstport')) draft.port = cursor.count('after dstport', 65535);
    else cursor.next('a word');
  }
  // `learning` has no word of its own: a line that goes on to the ageing would say that it is off.
  if (learning && whole) draft.learning = true;
  return draft;
}

/** Its lowest bit alone means `inherit`, and JSON leaves it at that. */
const tosOf = (word: string): number | 'inherit' | undefined =>
  word === 'inherit' || /^(0x)?1$/.test(word) ? 'inherit' : tryDsfield(word);

/** JSON says 0 for auto. */
const ttlOf = (word: string): number | 'inherit' | undefined =>
  word === 'inherit' ? word : tryUnsigned(word, 255);

const dfOf = (word: string): 'set' | 'inherit' | undefined =>
  word === 'set' || word === 'inherit' ? word : undefined;

/** Ageing in hundredths of a second; the other words concern the spanning tree and groups. */
function readBridge(cursor: WordCursor): BridgeSettings {
  let ageing = 100 * AGEING;
  while (!cursor.done) {
    if (cursor.skip('ageing_time')) ageing = cursor.count('after ageing_time', 2 ** 32 - 1);
    else cursor.next('a word');
  }
  return { ageing: ageing / 100 };
}

/** The kind that a plan has for it; what it has none for is a `nic`. */
export function linkKind({ name, flags, linkType, kind, peer }: LinkListed): DeviceKind {
  if (flags.includes('LOOPBACK')) return 'loopback';
  if (linkType === 'ipip' || kind === 'ipip') return 'ipip';
  if (kind === 'bridge') return 'bridge';
  if (kind === 'vxlan' || (kind === undefined && name === 'vxlan.calico')) return 'vxlan';
  if (kind === 'wireguard' || (kind === undefined && name === 'wireguard.cali')) return 'wireguard';
  if (kind === undefined && name === 'tunl0') return 'ipip';
  // Also a VLAN prints `@`, but with its parent's name.
  if (kind === 'veth' || (kind === undefined && isIndex(peer))) return 'veth';
  return 'nic';
}

const isIndex = (peer: string | undefined): boolean =>
  peer !== undefined && /^if\d{1,10}$/.test(peer);

/** ifindex of the other end, where the text has it. */
export const peerIndex = ({ peer }: LinkListed): number | undefined =>
  isIndex(peer) ? Number(peer?.slice(2)) : undefined;

/** By `-d`, else by the flags that only such a device has. */
const isDummy = ({ kind, flags }: LinkListed): boolean =>
  kind === 'dummy' ||
  (kind === undefined && flags.includes('NOARP') && flags.includes('BROADCAST'));

/** The device as a plan has it, as far as its own listing tells: without its other end. */
export function linkDevice(listed: LinkListed): DevicePlan {
  const { index, name, mac, mtu, flags, addresses, queueLength, qdisc, vxlan, altNames } = listed;
  const { master, bridge } = listed;
  const kind = linkKind(listed);
  const { vni, port, local, parent } = vxlan ?? {};
  const whole =
    vni !== undefined && port !== undefined && local !== undefined && parent !== undefined;
  return {
    name,
    index,
    kind,
    ...(mac === undefined ? {} : { mac }),
    mtu,
    up: flags.includes('UP'),
    ...(kind === 'nic' && isDummy(listed) ? { noArp: true } : {}),
    ...(altNames === undefined ? {} : { altNames }),
    ...(master === undefined ? {} : { master }),
    ...(bridge === undefined ? {} : { bridge }),
    addresses,
    proxyArp: false,
    ...(whole ? { vxlan: { ...vxlan, vni, port, local, parent } } : {}),
    queueLength,
    qdisc,
    // device.c, WG_NETDEV_FEATURES; of others no listing tells.
    checksumOffload: kind === 'wireguard',
  };
}
