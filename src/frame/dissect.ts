/**
 * Bytes to layers: a loop that takes one header per turn and never looks back,
 * so that nesting costs no stack. It goes as far as the headers are sound; the
 * rest is a payload, with the reason beside it.
 */
import { PodwireError } from '../errors.ts';
import * as vxlan from '../wire/vxlan.ts';
import * as wireguard from '../wire/wireguard.ts';
import { type Cursor, kept, type Stop, take } from './cursor.ts';
import type { DissectedLayer } from './layer.ts';
import { type Next, readers } from './layer-reader.ts';

export interface DissectOptions {
  /** Link type of the capture: 1 Ethernet (the default); 12, 14, 101, 228 bare IPv4. */
  readonly linkType?: number;
  /** UDP destination ports that carry VXLAN; 4789. */
  readonly vxlanPorts?: readonly number[];
  /** UDP destination ports that carry WireGuard; 51820. */
  readonly wireguardPorts?: readonly number[];
  /** Bytes of the frame on the wire, where the capture kept fewer. */
  readonly originalLength?: number;
  /** Opens the data messages of WireGuard whose handshakes it has seen. */
  readonly tunnels?: TunnelKeys;
}

/** Reads other people's tunnels, message by message, as far as it has keys. */
export interface TunnelKeys {
  /** Takes the message `b[at..end)` into account. */
  learn(b: Buffer, at: number, end: number): void;
  /** The packet, with its padding, in the data message `b[at..end)`; it may be empty. */
  plain(b: Buffer, at: number, end: number): Buffer | undefined;
}

export interface Dissection {
  /** Outermost first. `buildFrame(layers)` gives the very bytes again. */
  readonly layers: readonly DissectedLayer[];
  /** Why the last bytes are a mere payload; absent where everything was understood. */
  readonly stopped?: Stop;
  /** The packet inside a WireGuard message that a key opened; a keepalive has no layers. */
  readonly inner?: Dissection;
}

/** Headers that are read at most; Calico's own nesting needs eight. */
const MAX_LAYERS = 16;
const RAW_IPV4 = [12, 14, 101, 228];

/**
 * The layers of a frame. Never throws for bytes, only for an unknown link type
 * (ERR_FRAME), and never reads beyond the buffer.
 */
export function dissect(bytes: Buffer, options: DissectOptions = {}): Dissection {
  const linkType = options.linkType ?? 1;
  if (linkType !== 1 && !RAW_IPV4.includes(linkType)) {
    const expected = `1 (Ethernet), ${RAW_IPV4.join(', ')} (IPv4)`;
    throw new PodwireError('ERR_FRAME', `link type: expected ${expected}, found ${linkType}`);
  }
  const wireLength = Math.max(options.originalLength ?? 0, bytes.length);
  const c: Cursor = {
    b: bytes,
    vxlanPorts: options.vxlanPorts ?? [vxlan.PORT],
    wireguardPorts: options.wireguardPorts ?? [wireguard.PORT],
    layers: [],
    at: 0,
    end: wireLength,
    limit: wireLength,
    ipAt: 0,
    fragment: false,
    sourceRoute: false,
    lenient: false,
    quoted: false,
    stopped: undefined,
  };
  let kind: Next = linkType === 1 ? 'ethernet' : 'ipv4';
  while (kind !== undefined) {
    if (c.layers.length === MAX_LAYERS) {
      const meaning = `more than ${MAX_LAYERS} layers stand inside each other`;
      c.stopped = { at: c.at, drop: 'too-many-layers', meaning };
      break;
    }
    kind = readers[kind](c);
  }
  addRest(c);
  const inner = options.tunnels === undefined ? undefined : openMessage(c, options.tunnels);
  return {
    layers: c.layers,
    ...(c.stopped === undefined ? {} : { stopped: c.stopped }),
    ...(inner === undefined ? {} : { inner }),
  };
}

/** Only one deep: nobody's tunnel runs in another's here. */
function openMessage({ layers, b }: Cursor, tunnels: TunnelKeys): Dissection | undefined {
  const n = layers.findIndex(({ layer, quoted }) => layer === 'wireguard' && quoted !== true);
  const message = layers[n];
  const udp = layers[n - 1];
  if (message === undefined || udp?.layer !== 'udp') return undefined;
  const at = message.offset;
  const end = udp.offset + udp.udpLength;
  if (end > b.length) return undefined;
  tunnels.learn(b, at, end);
  const plain = tunnels.plain(b, at, end);
  if (plain === undefined) return undefined;
  return plain.length === 0 ? { layers: [] } : dissect(plain, { linkType: RAW_IPV4[2]! });
}

function addRest(c: Cursor): void {
  const end = kept(c);
  if (end > c.at) {
    c.layers.push({
      layer: 'payload',
      hex: c.b.toString('hex', c.at, end),
      ...take(c, end - c.at),
    });
  }
  c.quoted = false;
  if (c.b.length > c.at) {
    const hex = c.b.toString('hex', c.at);
    c.layers.push({ layer: 'trailer', hex, ...take(c, c.b.length - c.at) });
  }
}
