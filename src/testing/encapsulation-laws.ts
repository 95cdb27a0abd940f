/**
 * What a VXLAN encapsulator owes its receivers: RFC 7348 section 5, and what
 * Linux sends for Calico (vxlan_xmit_one: TTL 64, DF clear, a source port from
 * net.ipv4.ip_local_port_range that depends on the inner flow alone).
 *
 *   | Ethernet | IPv4 | UDP | VXLAN | inner frame |
 *   +-------- what is examined -----+-- kept -----+
 */
import fc from 'fast-check';
import { buildFrame } from '../frame/build.ts';
import { dissect } from '../frame/dissect.ts';
import type { Dissected, DissectedLayer, Layer } from '../frame/layer.ts';
import { mac } from './addresses.ts';
import { type Flow, flow } from './captures.ts';

export interface EncapsulationOptions {
  readonly vni: number;
  /** UDP destination port; 4789. */
  readonly port?: number;
  /** What the encapsulator returns begins with; `ethernet` unless given. */
  readonly outermost?: 'ethernet' | 'ipv4';
  /** First and last UDP source port; 32768 and 60999. */
  readonly sourcePorts?: readonly [number, number];
  /** Whether a zero UDP checksum is allowed, as RFC 7348 does and Linux for Calico does not use. */
  readonly zeroChecksum?: boolean;
  /** Frames to try; 200. */
  readonly runs?: number;
  /** The same seed tries the same frames; 1. */
  readonly seed?: number;
}

const ETHERNET = 1;
const RAW_IPV4 = 101;
const FLAG_VNI = 0x08;
const TTL = 64;
const ORDER = ['ethernet', 'ipv4', 'udp', 'vxlan'];

/**
 * Tries an encapsulator, which takes an inner Ethernet frame and returns the
 * outer one, with arbitrary flows. Returns the violations for the smallest flow
 * that shows one, as `field: expected X, got Y`, with the inner frame as the
 * last line; an empty list where all laws hold.
 */
export function encapsulationLaws(
  encapsulate: (inner: Buffer) => Buffer,
  options: EncapsulationOptions,
): string[] {
  const inner = fc.record({ src: mac(), dst: mac(), flow: flow() }, { noNullPrototype: true });
  const holds = fc.property(inner, (drawn) => examine(encapsulate, drawn, options).length === 0);
  const result = fc.check(holds, { numRuns: options.runs ?? 200, seed: options.seed ?? 1 });
  const smallest = result.counterexample?.[0];
  return smallest === undefined ? [] : examine(encapsulate, smallest, options);
}

interface InnerFlow {
  readonly src: string;
  readonly dst: string;
  readonly flow: Flow;
}

function examine(
  encapsulate: (inner: Buffer) => Buffer,
  drawn: InnerFlow,
  options: EncapsulationOptions,
): string[] {
  const ports = new Set<number>();
  for (const payload of drawn.flow.payloads) {
    const inner = buildFrame(innerLayers(drawn, payload));
    const { violations, sourcePort } = examineOne(encapsulate, inner, options);
    if (violations.length > 0) return [...violations, `inner frame: ${inner.toString('hex')}`];
    ports.add(sourcePort);
  }
  if (ports.size < 2) return [];
  const { source, sourcePort, destination, destinationPort, protocol } = drawn.flow;
  const tuple = `${protocol} ${source}:${sourcePort} to ${destination}:${destinationPort}`;
  return [
    `udp source port: expected one for the whole flow, got ${[...ports].join(', ')}`,
    `inner flow: ${tuple}`,
  ];
}

function innerLayers({ src, dst, flow: inner }: InnerFlow, payload: string): Layer[] {
  const ports = { srcPort: inner.sourcePort, dstPort: inner.destinationPort };
  return [
    { layer: 'ethernet', src, dst },
    { layer: 'ipv4', src: inner.source, dst: inner.destination, df: true },
    inner.protocol === 'udp'
      ? { layer: 'udp', ...ports }
      : { layer: 'tcp', ...ports, seq: 1, ack: 1, flags: '.' },
    { layer: 'payload', hex: payload },
  ];
}

interface Finding {
  readonly violations: string[];
  /** -1 where there is no UDP header. */
  readonly sourcePort: number;
}

function examineOne(
  encapsulate: (inner: Buffer) => Buffer,
  inner: Buffer,
  options: EncapsulationOptions,
): Finding {
  const before = Buffer.from(inner);
  let outer: Buffer;
  try {
    outer = encapsulate(inner);
  } catch (error) {
    return { violations: [`encapsulate: expected a frame, got ${error}`], sourcePort: -1 };
  }
  if (!Buffer.isBuffer(outer)) {
    return { violations: [`encapsulate: expected a Buffer, got ${typeof outer}`], sourcePort: -1 };
  }
  const finding = examineOuter(outer, before, options);
  if (!inner.equals(before)) {
    finding.violations.push('argument: expected to be left as it was, got changed bytes');
  }
  return finding;
}

function examineOuter(outer: Buffer, before: Buffer, options: EncapsulationOptions): Finding {
  const violations: string[] = [];
  const expect = (field: string, expected: unknown, got: unknown): void => {
    if (got !== expected) violations.push(`${field}: expected ${expected}, got ${got}`);
  };
  const port = options.port ?? 4789;
  const { layers } = dissect(outer, {
    linkType: options.outermost === 'ipv4' ? RAW_IPV4 : ETHERNET,
    vxlanPorts: [udpPort(outer, options) ?? port],
  });
  const ip = outermost(layers, 'ipv4');
  const udp = outermost(layers, 'udp');
  const vxlan = outermost(layers, 'vxlan');
  if (ip !== undefined) {
    expect('ipv4 total length', outer.length - ip.offset, ip.totalLength);
    expect('ipv4 header checksum', 'valid', ip.checksumState);
    expect('ipv4 ttl', TTL, ip.ttl);
    expect('ipv4 df', false, ip.df);
    expect('ipv4 mf', false, ip.mf);
    expect('ipv4 fragment offset', 0, ip.fragmentOffset);
  }
  if (udp !== undefined) {
    expect('udp destination port', port, udp.dstPort);
    expect('udp length', outer.length - udp.offset, udp.udpLength);
    const zeroAllowed = options.zeroChecksum === true && udp.checksumState === 'absent';
    if (!zeroAllowed) expect('udp checksum', 'valid', udp.checksumState);
    const [first, last] = options.sourcePorts ?? [32768, 60999];
    if (udp.srcPort < first || udp.srcPort > last) {
      violations.push(`udp source port: expected ${first} to ${last}, got ${udp.srcPort}`);
    }
  }
  if (vxlan !== undefined) {
    expect('vxlan flags', hexByte(FLAG_VNI), hexByte(vxlan.flags));
    expect('vxlan reserved bits', 0, vxlan.reserved);
    expect('vxlan last reserved byte', 0, vxlan.reserved2);
    expect('vxlan vni', options.vni, vxlan.vni);
    const content = outer.toString('hex', vxlan.offset + vxlan.length);
    expect('inner frame', before.toString('hex'), content || 'nothing');
  }
  const order = layers.slice(0, layers.findIndex(({ layer }) => layer === 'vxlan') + 1);
  const wanted = options.outermost === 'ipv4' ? ORDER.slice(1) : ORDER;
  if (order.map(({ layer }) => layer).join() !== wanted.join()) {
    expect('layers', wanted.join(), layers.map(({ layer }) => layer).join() || 'nothing');
  }
  return { violations, sourcePort: udp?.srcPort ?? -1 };
}

const hexByte = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`;

/** The port that the outer UDP header really has, so that a wrong one is named and not only missed. */
function udpPort(outer: Buffer, options: EncapsulationOptions): number | undefined {
  const linkType = options.outermost === 'ipv4' ? RAW_IPV4 : ETHERNET;
  const { layers } = dissect(outer, { linkType, vxlanPorts: [], wireguardPorts: [] });
  return outermost(layers, 'udp')?.dstPort;
}

function outermost<K extends 'ipv4' | 'udp' | 'vxlan'>(
  layers: readonly DissectedLayer[],
  kind: K,
): Dissected<K> | undefined {
  return layers.find((layer): layer is Dissected<K> => layer.layer === kind);
}
