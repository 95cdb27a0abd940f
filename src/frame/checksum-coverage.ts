/** What the checksum of a layer is taken over, for whoever computes one. */
import { type Bytes, putU16 } from '../wire/bytes.ts';
import { add, finish, fold, pseudoHeader } from '../wire/checksum.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import { wrong } from './field-value.ts';
import type { Part } from './layer-writer.ts';

export interface Coverage {
  /** Where the checksum itself stands. */
  readonly at: number;
  /** The bytes summed; none for a partial one. */
  readonly start: number;
  readonly end: number;
  /** Of TCP and UDP (RFC 9293 section 3.1, RFC 768); `addressesAt` is that of eight bytes. */
  readonly pseudo: { addressesAt: number; protocol: number; length: number } | undefined;
  /** `udp`: a zero is sent as ffff. `partial`: the folded sum of the pseudo-header, not complemented. */
  readonly form: 'plain' | 'udp' | 'partial';
}

/** Where the checksum of a layer stands; undefined for layers that have none. */
export function checksumAt({ layer, at }: Part): number | undefined {
  switch (layer.layer) {
    case 'ipv4':
      return at + ipv4.field.checksum;
    case 'icmp':
      return at + icmp.field.checksum;
    case 'udp':
      return at + udp.field.checksum;
    case 'tcp':
      return at + tcp.field.checksum;
    default:
      return undefined;
  }
}

/**
 * Of a layer whose headers are written, or undefined where it has no checksum or the caller gave
 * one. `before` is the layer before it, `end` where the content of the frame ends. Throws ERR_FRAME
 * for TCP or UDP without addresses.
 */
export function coverageOf(
  b: Bytes,
  part: Part,
  before: Part | undefined,
  end: number,
): Coverage | undefined {
  const { layer, at, size } = part;
  const checksum = 'checksum' in layer ? layer.checksum : undefined;
  const partial = checksum === 'partial' && (layer.layer === 'udp' || layer.layer === 'tcp');
  if (checksum !== undefined && !partial) return undefined;
  const field = checksumAt(part)!;
  switch (layer.layer) {
    case 'ipv4':
      return { at: field, start: at, end: at + size, pseudo: undefined, form: 'plain' };
    case 'icmp':
      return { at: field, start: at, end, pseudo: undefined, form: 'plain' };
    case 'udp':
    case 'tcp': {
      if (before?.layer.layer !== 'ipv4') {
        const wanted = 'an ipv4 layer before it, or a checksum';
        throw wrong(part.spot, 'place', wanted, before?.layer.layer);
      }
      const isUdp = layer.layer === 'udp';
      // A given UDP length may lie; the sum takes it as the receiver would, within the frame.
      const length = isUdp ? udp.length(b, at) : end - at;
      const protocol = isUdp ? ipv4.PROTO_UDP : ipv4.PROTO_TCP;
      const pseudo = { addressesAt: before.at + ipv4.field.source, protocol, length };
      if (partial) return { at: field, start: at, end: at, pseudo, form: 'partial' };
      const last = at + Math.min(length, end - at);
      return { at: field, start: at, end: last, pseudo, form: isUdp ? 'udp' : 'plain' };
    }
    default:
      return undefined;
  }
}

/** The running sum of what is covered; the field itself has to be zero. */
export function coveredSum(b: Bytes, { start, end, pseudo }: Coverage): number {
  const first =
    pseudo === undefined ? 0 : pseudoHeader(b, pseudo.addressesAt, pseudo.protocol, pseudo.length);
  return add(first, b, start, end - start);
}

/** A sum as it stands in the field. */
export function checksumOf(sum: number, form: Coverage['form']): number {
  if (form === 'partial') return fold(sum);
  const value = finish(sum);
  return form === 'udp' && value === 0 ? 0xffff : value;
}

/** Computes the checksum and writes it. */
export function putCoverage(b: Bytes, coverage: Coverage): void {
  putU16(b, coverage.at, 0);
  putU16(b, coverage.at, checksumOf(coveredSum(b, coverage), coverage.form));
}
