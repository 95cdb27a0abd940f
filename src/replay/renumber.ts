/**
 * Identifications as one cluster would have given them: each worker counts for itself,
 * and here they are counted again in the order of the frames, in every header that shows
 * them. Sums over a header and its checksum stay as they are: the two differences cancel.
 */
import type { Cluster } from '../cluster/cluster.ts';
import { putU16 } from '../wire/bytes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { HeaderStack } from './header-stack.ts';
import type { Drawn } from './part-file.ts';

/**
 * Whether all headers of a record that may have got an identification of `drawn` show
 * just which: no fragments, no segments cut after it was given.
 */
export function isTold(
  stack: HeaderStack,
  b: Buffer,
  start: number,
  end: number,
  isEthernet: boolean,
  drawn: readonly Drawn[],
): boolean {
  stack.read(b, start, end, isEthernet);
  if (stack.cut || stack.fragment) return false;
  for (let i = 0; i < stack.count; i++) {
    const at = stack.offsets[i]!;
    const named = drawn.some((d) => isBetween(d, b, at));
    if (named && !drawn.some((d) => isOf(d, b, at))) return false;
  }
  return true;
}

const isBetween = (d: Drawn, b: Buffer, at: number): boolean =>
  ipv4.source(b, at) === d.source &&
  ipv4.destination(b, at) === d.destination &&
  ipv4.protocol(b, at) === d.protocol;

/** Whether the header at `at` has this identification of these ends. */
export const isOf = (d: Drawn, b: Buffer, at: number): boolean =>
  isBetween(d, b, at) && ipv4.identification(b, at) === d.identification;

/** Of `names`: source, destination, protocol, identification, and what that becomes. */
const NAME_LEN = 5;

export class Renumberer {
  private readonly cluster: Cluster;
  private readonly stack: HeaderStack;
  /** Of the present frame. */
  private names: Int32Array = new Int32Array(16 * NAME_LEN);
  private length = 0;

  /** `cluster`: one to which nothing has happened yet; its counters are used up. */
  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.stack = new HeaderStack(cluster.plan);
  }

  /** The next frame comes. */
  begin(): void {
    this.length = 0;
  }

  /** What the frame was given; what it gets is counted here. `node`: its position. */
  take(
    node: number,
    source: number,
    destination: number,
    protocol: number,
    identification: number,
  ): void {
    const { identifications } = this.cluster.nodes[node]!;
    const at = this.length;
    if (at + NAME_LEN > this.names.length) {
      const wider = new Int32Array(2 * this.names.length);
      wider.set(this.names);
      this.names = wider;
    }
    const { names } = this;
    names[at] = source;
    names[at + 1] = destination;
    names[at + 2] = protocol;
    names[at + 3] = identification;
    names[at + 4] = identifications.next(source, destination, protocol);
    this.length = at + NAME_LEN;
  }

  /** Puts them into one of the frame's records, `b[start, end)`, of which `isTold` held. */
  mend(b: Buffer, start: number, end: number, isEthernet: boolean): void {
    if (this.length === 0) return;
    const { stack } = this;
    stack.read(b, start, end, isEthernet);
    for (let i = 0; i < stack.count; i++) {
      const at = stack.offsets[i]!;
      const now = ipv4.identification(b, at);
      const then = this.nameOf(b, at, now);
      if (then === now) continue;
      putU16(b, at + ipv4.field.identification, then);
      ipv4.fillChecksum(b, at);
    }
  }

  /** What the identification of the header at `at` becomes. */
  private nameOf(b: Buffer, at: number, identification: number): number {
    const { names } = this;
    for (let i = 0; i < this.length; i += NAME_LEN) {
      if (
        names[i + 3] === identification &&
        names[i] === ipv4.source(b, at) &&
        names[i + 1] === ipv4.destination(b, at) &&
        names[i + 2] === ipv4.protocol(b, at)
      ) {
        return names[i + 4]!;
      }
    }
    return identification;
  }
}
