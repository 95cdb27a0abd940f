/**
 * Tapes of the flows that pass through a cluster, by key: a table of fixed size, a
 * newer flow takes the place of an older one. The first packet of a flow walks, the
 * second is recorded, from the third on the tape plays.
 */
import type { Device } from '../node/device.ts';
import { FlowKey } from '../node/flow-key.ts';
import type { Node, World } from '../node/node.ts';
import type { Room } from '../node/room.ts';
import type { Tape } from '../node/tape.ts';
import type { TapeRecorder } from '../node/tape-recorder.ts';
import type { Packet } from '../packet/packet.ts';

/** What is to be done with a packet. */
export const Flow = {
  Walk: 0,
  Record: 1,
  Played: 2,
  /** It has gone a part of the way, and walks on from Prerouting of `node`. */
  Astray: 3,
} as const;
export type Flow = (typeof Flow)[keyof typeof Flow];

const SLOTS = 16_384;
/** Packets of a flow that left no tape walk this often before the next try. */
const PATIENCE = 32;

export class FlowCache {
  private readonly world: World;
  private readonly on: boolean;
  private readonly key = new FlowKey();
  /** Made when the first packet comes. */
  private tapes: (Tape | null)[] = [];
  /** By slot: the hash that was seen last, and how many packets are to pass before a recording. */
  private seen = new Int32Array(0);
  private wait = new Uint8Array(0);
  private slot = 0;
  /** Where the packet that was played last ended, or of whose Prerouting it walks on. */
  node: Node | null = null;

  constructor(world: World, on: boolean) {
    this.world = world;
    this.on = on;
  }

  /** Plays the packet's tape, or says how it is to walk. */
  look(node: Node, device: Device, p: Packet, room: Room): Flow {
    const { key, world } = this;
    if (!this.on || !key.read(node, device, p, room)) return Flow.Walk;
    if (this.tapes.length === 0) this.open();
    const slot = key.hash & (SLOTS - 1);
    const tape = this.tapes[slot]!;
    if (tape !== null && key.is(tape.key) && key.packetLength <= tape.longest) {
      const ticks = world.ticks();
      if (tape.holds(ticks, world.milliseconds())) {
        const stray = tape.play(p, ticks);
        this.node = stray ?? tape.last;
        return stray === null ? Flow.Played : Flow.Astray;
      }
    }
    this.slot = slot;
    if (this.seen[slot] !== key.hash) {
      this.seen[slot] = key.hash;
      this.wait[slot] = 0;
      return Flow.Walk;
    }
    if (this.wait[slot]! > 0) {
      this.wait[slot] = this.wait[slot]! - 1;
      return Flow.Walk;
    }
    return Flow.Record;
  }

  private open(): void {
    this.tapes = new Array<Tape | null>(SLOTS).fill(null);
    this.seen = new Int32Array(SLOTS);
    this.wait = new Uint8Array(SLOTS);
  }

  /** What the recording of the packet that was looked for last came to; null: it is of no use. */
  keep(recorder: TapeRecorder | null): void {
    const { key, slot } = this;
    const words = key.words.slice(0, key.length);
    const tape = recorder?.finish(words, key.packetLength) ?? null;
    if (tape === null) this.wait[slot] = PATIENCE;
    else this.tapes[slot] = tape;
  }
}
