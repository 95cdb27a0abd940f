/**
 * What a tape holds, step by step: words that lie one behind the other, since a packet
 * finds those of its flow in no cache, and objects for whoever wants to read them.
 *
 *   | device << 12 | namespace << 4 | act | operands | device ...
 *
 * A namespace is its place among those of the tape, a device its position there.
 */
import type { Conntrack } from './conntrack.ts';
import type { Device } from './device.ts';
import type { Node } from './node.ts';
import { SHELL_WORDS, VxlanShell } from './vxlan-shell.ts';

export const Act = {
  /** A frame on a device: `a` bytes of link header come off, and what lies behind the packet. */
  Enter: 0,
  /** The packet belongs to connection `a`, twice its number and the direction; it came with mark `b`. */
  Track: 1,
  /** NAT: end `a` gets address `b` and port `c`. */
  Rewrite: 2,
  /** A router's hop: one off the TTL. */
  Hop: 3,
  /** Onto the device, with a link header: both MACs as the words `a`, `b` and `c`. */
  Frame: 4,
  /** Onto the device as it is. */
  Leave: 5,
  /** Into VXLAN, with the headers of a shell, which is the operands. */
  VxlanOut: 6,
  /** Out of it: `a` bytes of headers come off. */
  VxlanIn: 7,
  /** Into IPIP: from `a` to `b`, by the route `c`. */
  IpipOut: 8,
  /** Out of it, onto the device: `a` bytes come off, and what lies behind the packet. */
  IpipIn: 9,
} as const;
export type Act = (typeof Act)[keyof typeof Act];

/** How many operands an act has. */
const OPERANDS: readonly number[] = [1, 2, 3, 0, 3, 0, SHELL_WORDS, 1, 3, 1];

const MAX_NAMESPACES = 1 << 8;
const MAX_DEVICES = 1 << 20;

/** How many words the step has that begins so. */
export const stepLength = (head: number): number => 1 + OPERANDS[actOf(head)]!;

/** The word that begins a step; null where the numbers are too large for one. */
export const headOf = (act: Act, namespace: number, device: number): number | null =>
  namespace < MAX_NAMESPACES && device < MAX_DEVICES
    ? (device << 12) | (namespace << 4) | act
    : null;

export const actOf = (head: number): Act => (head & 0xf) as Act;
export const namespaceOf = (head: number): number => (head >>> 4) & 0xff;
export const deviceOf = (head: number): number => head >>> 12;

/** One thing done, for reading. */
export interface Step {
  readonly act: Act;
  readonly node: Node;
  readonly device: Device;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** Of Track: by whom, the number of the connection, and the direction. */
  readonly conntrack: Conntrack | null;
  readonly id: number;
  readonly direction: number;
  /** Of VxlanOut. */
  readonly shell: VxlanShell | null;
}

/** The steps in `words`, of a way through `nodes`. */
export function readSteps(words: Int32Array, nodes: readonly Node[]): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < words.length; ) {
    const head = words[at]!;
    const act = actOf(head);
    const node = nodes[namespaceOf(head)]!;
    const next = at + stepLength(head);
    const a = at + 1 < next ? words[at + 1]! : 0;
    const tracked = act === Act.Track;
    steps.push({
      act,
      node,
      device: node.devices[deviceOf(head)]!,
      a,
      b: at + 2 < next ? words[at + 2]! : 0,
      c: at + 3 < next ? words[at + 3]! : 0,
      conntrack: tracked ? node.netfilter!.conntrack : null,
      id: tracked ? a >> 1 : -1,
      direction: tracked ? a & 1 : 0,
      shell: act === Act.VxlanOut ? VxlanShell.read(words.subarray(at + 1, next)) : null,
    });
    at = next;
  }
  return steps;
}
