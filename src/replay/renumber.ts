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

interface Renamed extends Drawn {
  readonly to: number;
}

export class Renumberer {
  private readonly cluster: Cluster;
  private readonly stack: HeaderStack;
  private renamed: readonly Renamed[] = [];

  /** `cluster`: one to which nothing has happened yet; its counters are used up. */
  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.stack = new HeaderStack(cluster.plan);
  }

  /** The next frame, of those that used up any: what it was given. */
  take(drawn: readonly Drawn[]): void {
    this.renamed = drawn.map((d) => {
      const { identifications } = this.cluster.nodes[d.node]!;
      return { ...d, to: identifications.next(d.source, d.destination, d.protocol) };
    });
  }

  /** Puts them into one of the frame's records, of which `isTold` held. */
  mend(b: Buffer, isEthernet: boolean): void {
    const { renamed, stack } = this;
    if (renamed.length === 0) return;
    stack.read(b, 0, b.length, isEthernet);
    for (let i = 0; i < stack.count; i++) {
      const at = stack.offsets[i]!;
      const one = renamed.find((d) => isOf(d, b, at));
      if (one === undefined || one.to === one.identification) continue;
      putU16(b, at + ipv4.field.identification, one.to);
      ipv4.fillChecksum(b, at);
    }
  }
}
