/** Devices, and comparisons of interfaces as they are before losses are set aside. */
import { buildFrame } from '../../src/frame/build.ts';
import { Device } from '../../src/node/device.ts';
import type { DevicePlan } from '../../src/plan/plan.ts';
import type { InterfaceComparison, JudgedFrame } from '../../src/verify/compare.ts';

/** A NIC without offloads, or what `change` makes of it. */
export const nic = (change: Partial<DevicePlan> = {}): Device =>
  new Device(
    {
      name: 'enp1s0',
      index: 2,
      kind: 'nic',
      mtu: 1500,
      up: true,
      addresses: [],
      proxyArp: false,
      queueLength: 1000,
      qdisc: 'fq_codel',
      checksumOffload: false,
      ...change,
    },
    1,
  );

/** A made frame. Without `packet` it is the only one of its packet. */
export const judged = (
  masked: string,
  { packet = 0, order = 0, at = 0, outgoing = false }: Partial<JudgedFrame> = {},
): JudgedFrame => ({ masked, bytes: Buffer.from(masked, 'hex'), packet, order, at, outgoing });

export interface Judgement {
  readonly agreed?: readonly JudgedFrame[];
  readonly disputed?: readonly JudgedFrame[];
  readonly unexpected?: readonly JudgedFrame[];
  /** Without it all that is unexpected. */
  readonly losable?: readonly JudgedFrame[];
}

export function comparison(
  [namespace, name]: readonly [string, string],
  { agreed = [], disputed = [], unexpected = [], losable = unexpected }: Judgement,
): InterfaceComparison {
  return {
    namespace,
    interface: name,
    frames: agreed.length + disputed.length,
    equal: agreed.length,
    equalOutsideFree: 0,
    different: disputed.length,
    missing: 0,
    extra: unexpected.length,
    given: 0,
    lost: 0,
    differences: [...disputed, ...unexpected].map(({ masked }, i) => ({
      frame: i,
      at: i,
      field: masked,
      expected: '',
      got: '',
      decision: '',
    })),
    agreed,
    disputed,
    unexpected,
    losable,
    whole: [],
  };
}

export interface Segment {
  readonly from: string;
  readonly to: string;
  readonly seq: number;
  readonly length?: number;
  readonly ack?: number;
}

const PORTS = [42000, 8080] as const;

/** A frame of a connection: bytes `seq` to `seq + length`, and what they acknowledge. */
export const tcpFrame = ({ from, to, seq, length = 0, ack = 0 }: Segment): string => {
  const [srcPort, dstPort] = from < to ? PORTS : [PORTS[1], PORTS[0]];
  return buildFrame([
    { layer: 'ethernet', src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' },
    { layer: 'ipv4', src: from, dst: to, id: seq & 0xffff, df: true },
    { layer: 'tcp', srcPort, dstPort, seq, ack, flags: '.' },
    { layer: 'payload', bytes: Buffer.alloc(length, 7) },
  ]).toString('hex');
};
