/**
 * Frames of one interface compared: recorded and made, as multisets. Equal frames
 * are paired first, then frames equal outside the free bytes, then frames that are
 * the same packet to look at but differ somewhere: those are told field by field.
 */
import { type DissectOptions, dissect } from '../frame/dissect.ts';
import type { DissectedLayer } from '../frame/layer.ts';
import type { Device } from '../node/device.ts';
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../pcap/pcap.ts';
import * as ethernet from '../wire/ethernet.ts';
import { ringSlots, thatRingMayLose } from './capture-ring.ts';
import { gatherAsRecorded } from './gathered.ts';
import { type Insider, maskFrame } from './mask.ts';
import { wholePackets } from './whole-packets.ts';

export interface RecordedFrame {
  readonly bytes: Buffer;
  /** Seconds since the recording began. */
  readonly at: number;
}

export interface MadeFrame extends RecordedFrame {
  /** The route that sent it, or what else brought it here. */
  readonly decision: string;
  /** The same for all frames that one sent packet became, and for what answered it; 0 for a packet by itself. */
  readonly packet: number;
  /** How many frames of the network were made before it. */
  readonly order: number;
  /** It went out by its device. */
  readonly outgoing: boolean;
}

/** A made frame, with the bytes masked that are free. */
export interface JudgedFrame extends Omit<MadeFrame, 'decision'> {
  /** Lower-case hex. */
  readonly masked: string;
}

export interface FrameDifference {
  /** Number of the frame in its capture, or of the made frame, from 1. */
  readonly frame: number;
  /** When it was recorded, or made where only podwire has it: seconds since the recording began. */
  readonly at: number;
  /** First field that differs, `ipv4.ttl`; `frame` for one that only one side has. */
  readonly field: string;
  readonly expected: string;
  readonly got: string;
  readonly decision: string;
}

export interface InterfaceComparison {
  readonly namespace: string;
  readonly interface: string;
  /** Frames recorded. */
  readonly frames: number;
  readonly equal: number;
  readonly equalOutsideFree: number;
  readonly different: number;
  readonly missing: number;
  readonly extra: number;
  /** Of those recorded, the ones that were put in here as they were: they prove nothing. */
  readonly given: number;
  /** Made, and lost by the capture, as others show. */
  readonly lost: number;
  readonly differences: readonly FrameDifference[];
  /** Made frames that both have, those recorded otherwise, and those only podwire has. */
  readonly agreed: readonly JudgedFrame[];
  readonly disputed: readonly JudgedFrame[];
  readonly unexpected: readonly JudgedFrame[];
  /** Of those, what its capture may have lost. */
  readonly losable: readonly JudgedFrame[];
  /** Masked packets that frames which both have are the fragments of; lower-case hex. */
  readonly whole: readonly string[];
}

interface Side extends JudgedFrame {
  readonly number: number;
  /** As `masked`, without what only keys can read: a recording may lack them. */
  readonly blind: string;
  readonly decision: string;
}

/** `gathers`: what came in one batch may have been joined, though the device has Ethernet. */
export function compareFrames(
  namespace: string,
  device: Device,
  recorded: readonly RecordedFrame[],
  made: readonly MadeFrame[],
  insider: Insider,
  gathers = false,
): InterfaceComparison {
  const raw = !device.ethernet;
  const how: DissectOptions = {
    linkType: raw ? LINKTYPE_RAW : LINKTYPE_ETHERNET,
    vxlanPorts: insider.vxlanPorts,
    wireguardPorts: insider.wireguardPorts,
  };
  const blinded: Insider = { ...insider, plain: () => undefined };
  const masks = (bytes: Buffer): Pick<Side, 'masked' | 'blind'> => {
    const masked = maskFrame(bytes, raw, insider).hex;
    const readable = insider.wireguardPorts.length > 0;
    return { masked, blind: readable ? maskFrame(bytes, raw, blinded).hex : masked };
  };
  const side = (frame: MadeFrame, i: number): Side => ({
    ...frame,
    number: i + 1,
    ...masks(frame.bytes),
  });
  const expected = recorded.map((frame, i) => side({ ...frame, ...NOT_MADE }, i));
  const at = raw ? 0 : ethernet.HEADER_LEN;
  const gathered = raw || gathers ? gatherAsRecorded(recorded, made, at) : made;
  const got = gathered.map(side);
  const exact = pair(expected, got, ({ bytes }) => bytes.toString('hex'));
  const read = pair(exact.left, exact.right, (s) => s.masked);
  const unread = new Set(read.left.filter((s) => s.masked === s.blind));
  const blind = pair([...unread], read.right, (s) => s.blind);
  const unpaired = new Set(blind.left);
  const masked = {
    pairs: [...read.pairs, ...blind.pairs],
    left: read.left.filter((s) => !unread.has(s) || unpaired.has(s)),
    right: blind.right,
  };
  const alike = pair(masked.left, masked.right, ({ bytes }) => likeness(bytes, how));
  const agreed = [...exact.pairs, ...masked.pairs].map(([, b]) => b);
  const wrong = masked.pairs.filter(([, b]) => maskFrame(b.bytes, raw, insider).faults.length > 0);
  return {
    namespace,
    interface: device.name,
    frames: recorded.length,
    equal: exact.pairs.length,
    equalOutsideFree: masked.pairs.length - wrong.length,
    different: alike.pairs.length + wrong.length,
    missing: alike.left.length,
    extra: alike.right.length,
    given: 0,
    lost: 0,
    differences: [
      ...wrong.map(([a, b]) => difference(a, b, how)),
      ...alike.pairs.map(([a, b]) => difference(a, b, how)),
      ...alike.left.map((a) => only(a, 'expected', how)),
      ...alike.right.map((b) => only(b, 'got', how)),
    ],
    agreed,
    disputed: alike.pairs.map(([, b]) => b),
    unexpected: alike.right,
    losable: thatRingMayLose(alike.right, agreed, ringSlots(device)),
    whole: wholePackets(
      agreed.map(({ bytes }) => bytes.subarray(raw ? 0 : ethernet.HEADER_LEN)),
    ).map((packet) => maskFrame(packet, true, insider).hex),
  };
}

const NOT_MADE = { decision: '', packet: 0, order: 0, outgoing: false };

/** Pairs what has the same key; the rest stays in order. */
function pair(
  left: readonly Side[],
  right: readonly Side[],
  key: (side: Side) => string,
): { pairs: [Side, Side][]; left: Side[]; right: Side[] } {
  const waiting = new Map<string, Side[]>();
  for (const side of right) {
    const list = waiting.get(key(side));
    if (list === undefined) waiting.set(key(side), [side]);
    else list.push(side);
  }
  const pairs: [Side, Side][] = [];
  const alone: Side[] = [];
  for (const side of left) {
    const match = waiting.get(key(side))?.shift();
    if (match === undefined) alone.push(side);
    else pairs.push([side, match]);
  }
  const rest = new Set([...waiting.values()].flat());
  return { pairs, left: alone, right: right.filter((side) => rest.has(side)) };
}

/** What makes two frames the same packet to look at: kinds of layers, innermost addresses and identification. */
function likeness(frame: Buffer, how: DissectOptions): string {
  const { layers } = dissect(frame, how);
  const inner = layers.filter((l) => l.layer === 'ipv4' && l.quoted !== true).at(-1);
  const kinds = layers.map((l) => l.layer).join(' ');
  if (inner?.layer !== 'ipv4') return kinds;
  return `${kinds} ${inner.src} ${inner.dst} ${inner.protocol}`;
}

/** Fields of a layer that only say where it stands. */
const PLACE = new Set(['layer', 'offset', 'length', 'quoted']);

/** The first field that differs outside the free bytes; with a wrong checksum, the first at all. */
function difference(a: Side, b: Side, how: DissectOptions): FrameDifference {
  const [expected, got] =
    a.masked === b.masked
      ? [a.bytes, b.bytes]
      : [Buffer.from(a.masked, 'hex'), Buffer.from(b.masked, 'hex')];
  const theirs = dissect(expected, how).layers;
  const ours = dissect(got, how).layers;
  const { number: frame, at } = a;
  const { decision } = b;
  for (const [i, layer] of theirs.entries()) {
    const other: DissectedLayer | undefined = ours[i];
    if (other === undefined || other.layer !== layer.layer) {
      return {
        frame,
        at,
        field: layer.layer,
        expected: layer.layer,
        got: other?.layer ?? 'nothing',
        decision,
      };
    }
    for (const [name, value] of Object.entries(layer)) {
      if (PLACE.has(name)) continue;
      const got = JSON.stringify((other as unknown as Record<string, unknown>)[name]) ?? 'nothing';
      const expected = JSON.stringify(value) ?? 'nothing';
      if (got !== expected)
        return { frame, at, field: `${layer.layer}.${name}`, expected, got, decision };
    }
  }
  return {
    frame,
    at,
    field: 'frame',
    expected: a.bytes.toString('hex'),
    got: b.bytes.toString('hex'),
    decision,
  };
}

function only(side: Side, which: 'expected' | 'got', how: DissectOptions): FrameDifference {
  const text = summary(side.bytes, how);
  const { number: frame, at, decision } = side;
  if (which === 'expected')
    return { frame, at, field: 'frame', expected: text, got: 'nothing', decision };
  return { frame, at, field: 'frame', expected: 'nothing', got: text, decision };
}

/** `ethernet ipv4 udp 10.2.36.71 > 10.2.169.136` */
function summary(frame: Buffer, how: DissectOptions): string {
  const { layers } = dissect(frame, how);
  const inner = layers.filter((l) => l.layer === 'ipv4').at(-1);
  const addresses = inner?.layer === 'ipv4' ? ` ${inner.src} > ${inner.dst}` : '';
  return `${layers.map((l) => l.layer).join(' ')}${addresses}, ${frame.length} bytes`;
}
