/**
 * Tapes of the flows that pass through a cluster, by key: a table of fixed size, where four
 * flows share a set. A newer one takes the place of one that has gone quiet, and walks while
 * there is none: flows that took turns in one place would be recorded all the time. The first
 * packet of a flow walks, the second is recorded, from the third on the tape plays.
 */
import type { Device } from '../node/device.ts';
import { FlowKey } from '../node/flow-key.ts';
import type { Node, World } from '../node/node.ts';
import type { Room } from '../node/room.ts';
import type { Tape } from '../node/tape.ts';
import { TapeMemory } from '../node/tape-memory.ts';
import type { TapeRecorder } from '../node/tape-recorder.ts';
import type { Packet } from '../packet/packet.ts';

const setOf = (hash: number): number => (hash & (SETS - 1)) * WAYS;

/** What is to be done with a packet. */
export const Flow = {
  Walk: 0,
  Record: 1,
  Played: 2,
  /** It has gone a part of the way, and walks on from Prerouting of `node`. */
  Astray: 3,
} as const;
export type Flow = (typeof Flow)[keyof typeof Flow];

const SETS = 4096;
const WAYS = 4;
/** Flows whose first packet is remembered; more than there are tapes, since here two cannot share a place. */
const SEEN = 65_536;
/** Packets of a flow that left no tape walk this often before the next try. */
const PATIENCE = 32;
/** Those of a flow that found no place. */
const TURN = 8;

export class FlowCache {
  private readonly world: World;
  private readonly on: boolean;
  private readonly key: FlowKey;
  private readonly memory = new TapeMemory();
  /** Made when the first packet comes. */
  private tapes: (Tape | null)[] = [];
  /** Of the tapes' keys. */
  private hashes = new Int32Array(0);
  /** Whether a tape was played since somebody last wanted its place; by set, whose turn it is to give it. */
  private used = new Uint8Array(0);
  private turns = new Uint8Array(0);
  /** By other bits of the hash: the one seen last, and how many packets are to pass before a recording. */
  private seen = new Int32Array(0);
  private wait = new Uint8Array(0);
  /** Where the tape of the packet that was looked for last belongs, and its place in `seen`. */
  private slot = 0;
  private mark = 0;
  /** Where the packet that was played last ended, or of whose Prerouting it walks on. */
  node: Node | null = null;
  /** What was played or recorded last, and its place. */
  latest: Tape | null = null;
  latestSlot = 0;

  constructor(world: World, nodes: readonly Node[], on: boolean) {
    this.world = world;
    this.on = on;
    this.key = new FlowKey(vxlanPorts(nodes));
  }

  /** Plays the packet's tape, or says how it is to walk. */
  look(device: Device, p: Packet, room: Room): Flow {
    const { key, world } = this;
    if (!this.on || !key.read(device, p, room)) return Flow.Walk;
    if (this.tapes.length === 0) this.open();
    const slot = this.find();
    const tape = slot < 0 ? null : this.tapes[slot]!;
    if (tape !== null && key.packetLength <= tape.longest) {
      const ticks = world.ticks();
      if (tape.holds(ticks, world.milliseconds())) {
        this.used[slot] = 1;
        this.latest = tape;
        this.latestSlot = slot;
        const stray = tape.play(p, ticks);
        this.node = stray ?? tape.last;
        return stray === null ? Flow.Played : Flow.Astray;
      }
    }
    const mark = (key.hash >>> 12) & (SEEN - 1);
    this.mark = mark;
    if (this.seen[mark] !== key.hash) {
      this.seen[mark] = key.hash;
      this.wait[mark] = 0;
      return Flow.Walk;
    }
    if (this.wait[mark]! > 0) {
      this.wait[mark] = this.wait[mark]! - 1;
      return Flow.Walk;
    }
    this.slot = slot < 0 ? this.vacate() : slot;
    if (this.slot >= 0) return Flow.Record;
    this.wait[mark] = TURN;
    return Flow.Walk;
  }

  /** Somebody else did what the tape in this place says. */
  played(slot: number): void {
    this.used[slot] = 1;
  }

  /** Where the key's tape is, or -1. */
  private find(): number {
    const { key, hashes, tapes } = this;
    const first = setOf(key.hash);
    for (let slot = first; slot < first + WAYS; slot++) {
      if (hashes[slot] !== key.hash) continue;
      const tape = tapes[slot]!;
      if (tape?.isOf(key.words, key.length)) return slot;
    }
    return -1;
  }

  /**
   * A place of the key's set: an empty one, or the next in turn, unless its tape was played
   * since it was its turn before; then -1.
   */
  private vacate(): number {
    const first = setOf(this.key.hash);
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.tapes[slot] === null) return slot;
    }
    const set = first / WAYS;
    const turn = this.turns[set]!;
    const slot = first + turn;
    this.turns[set] = (turn + 1) % WAYS;
    if (this.used[slot] === 0) return slot;
    this.used[slot] = 0;
    return -1;
  }

  private open(): void {
    this.tapes = new Array<Tape | null>(SETS * WAYS).fill(null);
    this.hashes = new Int32Array(SETS * WAYS);
    this.used = new Uint8Array(SETS * WAYS);
    this.turns = new Uint8Array(SETS);
    this.seen = new Int32Array(SEEN);
    this.wait = new Uint8Array(SEEN);
  }

  /** What the recording of the packet that was looked for last came to; null: it is of no use. */
  keep(recorder: TapeRecorder | null): void {
    const { key, slot } = this;
    const words = key.words.slice(0, key.length);
    const tape = recorder?.finish(words, key.packetLength, this.memory) ?? null;
    if (tape === null) {
      this.wait[this.mark] = PATIENCE;
    } else {
      const old = this.tapes[slot]!;
      if (old !== null) this.memory.give(old.discard());
      this.latest = tape;
      this.latestSlot = slot;
      this.tapes[slot] = tape;
      this.hashes[slot] = key.hash;
      this.used[slot] = 1;
    }
  }
}

const vxlanPorts = (nodes: readonly Node[]): number[] => [
  ...new Set(nodes.flatMap(({ devices, vxlans }) => vxlans.map((at) => devices[at]!.port))),
];
