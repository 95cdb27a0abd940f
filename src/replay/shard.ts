/**
 * A replay's share of one worker: of all frames those whose flow is at home here enter
 * its cluster, at their times and in their order. What flows share is watched for: the
 * identifications of tunnels are told with the frames and set right when the parts are
 * merged; after anything else that another worker's flow may have met differently, the
 * share is worth nothing (Entangled).
 */
import type { Cluster } from '../cluster/cluster.ts';
import type { Audit } from '../node/audit.ts';
import { CtState } from '../node/connection.ts';
import type { Node } from '../node/node.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { Entangled } from './entangled.ts';
import { flowHome } from './flow-home.ts';
import { HeaderStack } from './header-stack.ts';
import type { Drawn } from './part-file.ts';
import type { PartWriter } from './part-writer.ts';
import type { Recording } from './recording.ts';
import { isOf, isTold } from './renumber.ts';
import type { ReplayGate } from './replay.ts';

/** nf_conntrack_max of node/conntrack.ts: until then no connection has to make room for another. */
const MAX_CONNECTIONS = 262_144;

export interface ShardOf {
  /** 0 to `count` - 1. */
  readonly index: number;
  readonly count: number;
}

export class Shard implements Audit, ReplayGate {
  /** What was met that goes by the namespace, as `NODE: WHAT`. */
  readonly met: Set<string> = new Set<string>();
  /** The present frame's number, over all inputs. */
  frame = -1;
  private readonly index: number;
  private readonly count: number;
  private readonly stack: HeaderStack;
  private readonly recording: Recording;
  private readonly part: PartWriter;
  private readonly drawn: Drawn[] = [];
  private entangled: string | null = null;

  constructor(cluster: Cluster, { index, count }: ShardOf, recording: Recording, part: PartWriter) {
    this.index = index;
    this.count = count;
    this.stack = new HeaderStack(cluster.plan);
    this.recording = recording;
    this.part = part;
    cluster.audit = this;
    if (cluster.nodes.some(({ encrypts }) => encrypts)) this.entangled = 'WireGuard';
    if (cluster.plan.namespaces.some(({ conntrack }) => conntrack?.max !== undefined)) {
      this.entangled = 'a limit of connections';
    }
  }

  admits(b: Buffer, start: number, end: number, isEthernet: boolean): boolean {
    if (this.entangled !== null) throw new Entangled(this.entangled);
    this.frame++;
    const { stack } = this;
    stack.read(b, start, end, isEthernet);
    if (stack.fragment) throw new Entangled('fragments');
    if (stack.count === 0) return this.index === 0;
    return flowHome(b, stack.offsets[stack.count - 1]!, end, this.count) === this.index;
  }

  done(b: Buffer, start: number, end: number, isEthernet: boolean, sentAgain: boolean): void {
    const { drawn, stack } = this;
    this.recording.flush();
    if (drawn.length > 0) {
      // What is told apart by its identification must not have come in with the frame.
      stack.read(b, start, end, isEthernet);
      const first = sentAgain ? stack.unquoted - 1 : 0;
      for (let i = Math.max(first, 0); i < stack.count; i++) {
        if (drawn.some((d) => isOf(d, b, stack.offsets[i]!))) this.alone('identifications');
      }
      this.part.visit((seen, from, to, ethernet) => {
        if (!isTold(stack, seen, from, to, ethernet, drawn)) this.alone('identifications');
      });
    }
    this.part.end(this.frame, drawn);
    drawn.length = 0;
    if (this.entangled !== null) throw new Entangled(this.entangled);
  }

  identified(
    node: Node,
    source: number,
    destination: number,
    protocol: number,
    identification: number,
  ): void {
    this.drawn.push({ node: node.position, source, destination, protocol, identification });
  }

  tracked(_node: Node, p: Packet): void {
    if (p.ct >= 0 && p.ctSerial * this.count > MAX_CONNECTIONS) {
      this.alone('a full table of connections');
    }
    if (p.ctState === CtState.Untracked || this.isTunnel(p) || this.isHome(p)) return;
    this.alone('connections');
  }

  asked(_node: Node, p: Packet): void {
    if (p.ctState === CtState.Untracked || (!this.isTunnel(p) && this.isHome(p))) return;
    this.alone('the connections of tunnels');
  }

  shared(node: Node, what: string): void {
    this.met.add(`${what} of ${node.name}`);
  }

  alone(what: string): void {
    this.entangled ??= what;
  }

  private isTunnel(p: Packet): boolean {
    return this.stack.isTunnel(bytes, p.l3, p.tail);
  }

  /** Whether the connection of a packet that is no tunnel's is known to this worker alone. */
  private isHome(p: Packet): boolean {
    const { stack } = this;
    stack.read(bytes, p.l3, p.tail, false);
    if (stack.count === 0) return false;
    const quoted = stack.offsets[1]!;
    if (stack.count > 1 && stack.isTunnel(bytes, quoted, p.tail)) return false;
    const last = stack.offsets[stack.count - 1]!;
    return flowHome(bytes, last, p.tail, this.count) === this.index;
  }
}
