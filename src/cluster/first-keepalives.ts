/**
 * Persistent keepalives of a cluster that was just built. A real node sends them from the
 * moment its device has peers (wg_set_device); here time stands still until somebody lets
 * it pass, and that is when they begin.
 */
import type { Node } from '../node/node.ts';
import { isBefore, type Moment } from '../packet/moment.ts';

/**
 * Devices of more peers greet none of them unasked: a pair of nodes then begins with its
 * first packet, for handshakes of all with all grow with the square of the nodes.
 */
const MAX_PEERS = 16;
/** Seconds. So long a step at the start sets the clock, as that to a capture's time; no time passes. */
const CLOCK_SET = 3600;

export class FirstKeepalives {
  private readonly nodes: readonly Node[];
  private readonly settle: () => void;
  private done = false;

  /** `settle` runs after each device, so that no two greet each other at once. */
  constructor(nodes: readonly Node[], settle: () => void) {
    this.nodes = nodes;
    this.settle = settle;
  }

  /** The clock is about to be told a moment: handshakes come first, where it is time that passes. */
  before(from: Moment, to: Moment): void {
    if (isBefore(from, to) && to.seconds - from.seconds <= CLOCK_SET) this.begin();
  }

  /** Lets devices begin, unless they did. */
  begin(): void {
    if (this.done) return;
    this.done = true;
    for (const node of this.nodes) {
      for (const { plan, position, up } of node.devices) {
        const { peers = [] } = plan.wireguard ?? {};
        const keeps = peers.some(({ persistentKeepalive = 0 }) => persistentKeepalive > 0);
        // Asked before the tunnels: those are made, with all tables of the node, at the first question.
        if (!up || !keeps || peers.length > MAX_PEERS) continue;
        const tunnel = node.wireguard?.of(position);
        // A real device speaks in the place of this one.
        if (tunnel === undefined || tunnel.relays.size > 0) continue;
        tunnel.start();
        this.settle();
      }
    }
  }
}
