/**
 * Layers to bytes. Two passes over one buffer: headers from the outside in, when
 * all lengths are known; checksums from the inside out, since an outer UDP or
 * ICMP checksum covers everything within it.
 *
 *   at[0]      at[1]     at[2]            contentEnd   bytes.length
 *   | ethernet | ipv4    | udp | payload  |  trailer   |
 *                                         ^ where computed lengths end
 */
import { PodwireError } from '../errors.ts';
import * as arp from '../wire/arp.ts';
import { putU16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import { checksumAt, coverageOf, putCoverage } from './checksum-coverage.ts';
import { hexBytes, integer, type Spot, wrong } from './field-value.ts';
import type { Layer, PayloadLayer } from './layer.ts';
import { type Part, putLayer } from './layer-writer.ts';
import { encodeTcpOptions } from './tcp-options.ts';
import { wireguardSize } from './wireguard-message.ts';

/** A guard against lists made by mistake; no real frame has a tenth of it. */
const MAX_LAYERS = 256;
const TCP_START_LEN = 8;

/**
 * The frame of some layers, outermost first. Whatever is left out of a layer
 * (lengths, protocols, checksums) is computed; whatever is given wins.
 * Throws ERR_FRAME for values that fit no header field.
 */
export function buildFrame(layers: readonly Layer[]): Buffer {
  return buildParts(layers).bytes;
}

/** A frame and where its layers stand. */
export interface BuiltFrame {
  readonly bytes: Buffer;
  readonly parts: readonly Part[];
  /** Where trailers begin, else its length. */
  readonly contentEnd: number;
}

/** As `buildFrame`. */
export function buildParts(layers: readonly Layer[]): BuiltFrame {
  const parts = arrange(layers);
  const last = parts.at(-1);
  const b = Buffer.alloc(last === undefined ? 0 : last.at + last.size);
  const contentEnd = parts.find((part) => part.layer.layer === 'trailer')?.at ?? b.length;
  for (const [i, part] of parts.entries()) putLayer(b, part, parts[i + 1]?.layer, contentEnd);
  for (let i = parts.length - 1; i >= 0; i--) putChecksum(b, parts[i]!, parts[i - 1], contentEnd);
  return { bytes: b, parts, contentEnd };
}

function arrange(layers: readonly Layer[]): Part[] {
  if (!Array.isArray(layers) || layers.length > MAX_LAYERS) {
    throw new PodwireError('ERR_FRAME', `layers: expected a list of at most ${MAX_LAYERS} layers`);
  }
  const parts: Part[] = [];
  let at = 0;
  for (const [index, layer] of layers.entries()) {
    const spot = { index, layer: String(layer?.layer) };
    if (parts.at(-1)?.layer.layer === 'trailer' && layer?.layer !== 'trailer') {
      throw wrong(spot, 'place', 'nothing but trailers behind a trailer', layer?.layer);
    }
    const carried = carriedBytes(layer, spot);
    const size = headerSize(layer, spot) + carried.length;
    parts.push({ layer, spot, at, size, carried });
    at += size;
  }
  return parts;
}

function carriedBytes(layer: Layer, spot: Spot): Buffer {
  switch (layer?.layer) {
    case 'payload':
      return payloadBytes(layer, spot);
    case 'trailer':
      return hexBytes(spot, 'hex', layer.hex);
    case 'tcp':
      return encodeTcpOptions(layer.options ?? [], spot);
    case 'ipv4': {
      const options = hexBytes(spot, 'options', layer.options ?? '');
      if (options.length > 40) throw wrong(spot, 'options', 'at most 40 bytes', options.length);
      return Buffer.concat([options], (options.length + 3) & ~3);
    }
    default:
      return Buffer.alloc(0);
  }
}

function payloadBytes(layer: PayloadLayer, spot: Spot): Buffer {
  const given = [layer.hex, layer.text, layer.bytes].filter((form) => form !== undefined);
  if (given.length !== 1) throw wrong(spot, 'content', 'one of hex, text, bytes', given.length);
  if (layer.bytes !== undefined) {
    if (!(layer.bytes instanceof Uint8Array)) throw wrong(spot, 'bytes', 'bytes', layer.bytes);
    return Buffer.from(layer.bytes.buffer, layer.bytes.byteOffset, layer.bytes.byteLength);
  }
  if (layer.hex !== undefined) return hexBytes(spot, 'hex', layer.hex);
  if (typeof layer.text !== 'string') throw wrong(spot, 'text', 'text', layer.text);
  return Buffer.from(layer.text, 'utf8');
}

/** Bytes of the header without options. */
function headerSize(layer: Layer, spot: Spot): number {
  switch (layer?.layer) {
    case 'ethernet':
      return ethernet.HEADER_LEN;
    case 'vlan':
      return ethernet.TAG_LEN;
    case 'arp':
      return arp.LEN;
    case 'ipv4':
      return ipv4.HEADER_LEN;
    case 'udp':
      return udp.HEADER_LEN;
    case 'tcp':
      return tcp.HEADER_LEN;
    case 'tcp-start':
      return TCP_START_LEN;
    case 'icmp':
      return icmp.HEADER_LEN;
    case 'vxlan':
      return vxlan.HEADER_LEN;
    case 'wireguard':
      return wireguardSize(layer, spot);
    case 'payload':
    case 'trailer':
      return 0;
    default:
      throw wrong(spot, 'layer', 'a known layer', (layer as { layer?: unknown })?.layer);
  }
}

function putChecksum(b: Buffer, part: Part, before: Part | undefined, end: number): void {
  const { layer, spot } = part;
  const coverage = coverageOf(b, part, before, end);
  if (coverage !== undefined) putCoverage(b, coverage);
  else if ('checksum' in layer) {
    putU16(b, checksumAt(part)!, integer(spot, 'checksum', layer.checksum, 0xffff));
  }
}
