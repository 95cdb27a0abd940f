/** The fields of headers that a series of frames can count in. */
import * as arp from '../wire/arp.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import { type Spot, wrong } from './field-value.ts';
import type { Part } from './layer-writer.ts';

/** Where a field stands in its header; big-endian. Of a MAC, the last four bytes. */
interface Place {
  readonly at: number;
  readonly bytes: 1 | 2 | 3 | 4;
}

const ICMP_ID = icmp.field.rest;
const ICMP_SEQUENCE = icmp.field.rest + 2;

const PLACES: Readonly<Record<string, Readonly<Record<string, Place>>>> = {
  ethernet: {
    src: { at: ethernet.field.source + 2, bytes: 4 },
    dst: { at: ethernet.field.destination + 2, bytes: 4 },
  },
  arp: {
    senderMac: { at: arp.field.senderMac + 2, bytes: 4 },
    senderIp: { at: arp.field.senderIp, bytes: 4 },
    targetMac: { at: arp.field.targetMac + 2, bytes: 4 },
    targetIp: { at: arp.field.targetIp, bytes: 4 },
  },
  ipv4: {
    tos: { at: ipv4.field.tos, bytes: 1 },
    id: { at: ipv4.field.identification, bytes: 2 },
    ttl: { at: ipv4.field.ttl, bytes: 1 },
    src: { at: ipv4.field.source, bytes: 4 },
    dst: { at: ipv4.field.destination, bytes: 4 },
  },
  udp: {
    srcPort: { at: udp.field.sourcePort, bytes: 2 },
    dstPort: { at: udp.field.destinationPort, bytes: 2 },
  },
  tcp: {
    srcPort: { at: tcp.field.sourcePort, bytes: 2 },
    dstPort: { at: tcp.field.destinationPort, bytes: 2 },
    seq: { at: tcp.field.sequence, bytes: 4 },
    ack: { at: tcp.field.acknowledgement, bytes: 4 },
    window: { at: tcp.field.window, bytes: 2 },
  },
  icmp: { id: { at: ICMP_ID, bytes: 2 }, seq: { at: ICMP_SEQUENCE, bytes: 2 } },
  vxlan: { vni: { at: vxlan.field.vni, bytes: 3 } },
};

/** A field that changes from frame to frame. */
export interface SeriesField {
  /** Which layer, from 0. */
  readonly layer: number;
  /** As it is called in the layer: `src`, `id`, `srcPort`, `vni`; of a MAC the last four bytes change. */
  readonly field: string;
  /** Added from one frame to the next; 1. */
  readonly step?: number;
  /** So much above the first value it begins again; at most 2^31. Unless told, only where the field ends. */
  readonly span?: number;
}

/** A field with its place in the frame. */
export interface PlacedField {
  readonly at: number;
  readonly bytes: Place['bytes'];
  readonly step: number;
  /** 0: none. */
  readonly span: number;
}

const MAX_SPAN = 2 ** 31;

/** Throws ERR_FRAME for a layer or field that is not there, or cannot count. */
export function placeField(parts: readonly Part[], wanted: SeriesField): PlacedField {
  const spot: Spot = { index: wanted.layer, layer: parts[wanted.layer]?.layer.layer ?? 'absent' };
  const part = parts[wanted.layer];
  if (part === undefined) throw wrong(spot, 'place', `one of ${parts.length} layers`, wanted.layer);
  const known = PLACES[part.layer.layer] ?? {};
  const place = Object.hasOwn(known, wanted.field) ? known[wanted.field] : undefined;
  if (place === undefined) {
    const names = Object.keys(known).join(', ') || 'a layer that has numbers';
    throw wrong(spot, 'field', names, wanted.field);
  }
  const { step = 1, span } = wanted;
  if (span !== undefined && !isBetween(span, 1, MAX_SPAN)) {
    throw wrong(spot, 'span', `an integer from 1 to ${MAX_SPAN}`, span);
  }
  if (!isBetween(step, 0, span ?? MAX_SPAN)) {
    throw wrong(spot, 'step', `an integer from 0 to ${span ?? MAX_SPAN}`, step);
  }
  return { at: part.at + place.at, bytes: place.bytes, step, span: span ?? 0 };
}

const isBetween = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most;
