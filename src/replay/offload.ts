/**
 * Known flows of one capture, many packets at a time: what the kernel of Linux calls flow
 * offload (nf_flow_table_offload.c). Packets whose tape is understood (offloaded-flow.ts) go
 * from the records of the input to those of the outputs in WebAssembly; the cluster is told
 * afterwards what became of them. What else there is, it is given frame by frame as ever.
 *
 *   | known known known known | another | known known ...
 *     run            settle     inject    run
 */
import type { Cluster } from '../cluster/cluster.ts';
import type { Port } from '../cluster/names.ts';
import { Room } from '../node/room.ts';
import type { Tape } from '../node/tape.ts';
import { isBefore, type Moment, millisecondsOf, ticksOf } from '../packet/moment.ts';
import { MAX_FRAME } from '../packet/slab.ts';
import type { Capture } from '../pcap/capture.ts';
import { LINKTYPE_ETHERNET, MAX_U32 } from '../pcap/pcap.ts';
import { type Counter, OffloadCounters } from './offload-counters.ts';
import { flowField, head, NONE, OffloadMemory, Stop } from './offload-memory.ts';
import { OffloadOutputs } from './offload-outputs.ts';
import { putFlow } from './offload-program.ts';
import { OffloadedFlow } from './offloaded-flow.ts';

/** Shorter runs cost more than they save. */
const WORTHWHILE = 8;
/** After those, so many frames at most go by before the next try. */
const LONGEST_PAUSE = 64;

interface Known {
  readonly at: number;
  readonly tape: Tape;
  /** Its place among those of the cluster. */
  readonly slot: number;
  readonly counters: readonly Counter[];
}

/** How far a run came. */
export const Reach = {
  /** The present record is for the cluster. */
  None: 0,
  /** To one that is for the cluster, or may be. */
  Some: 1,
  /** To the end of what was at hand. */
  All: 2,
} as const;
export type Reach = (typeof Reach)[keyof typeof Reach];

/** Of the process, while nobody has it. */
let spare: OffloadMemory | null = null;

export class Offload {
  readonly #cluster: Cluster;
  readonly #port: Port;
  readonly #capture: Capture;
  readonly #memory: OffloadMemory;
  readonly #outputs: OffloadOutputs;
  readonly #counters: OffloadCounters;
  /** The clock when the replay began: while it stands, what time brings has not begun (FirstKeepalives). */
  readonly #began: Moment;
  readonly #flows = new Map<number, Known>();
  #tapes = new WeakSet<Tape>();
  /** A run has begun, and `settle` was not called since. */
  #open = false;
  /** Flows that were checked since then. */
  readonly #checked: Known[] = [];
  #batch = 0;
  #pause = 0;
  #nextPause = 1;

  private constructor(cluster: Cluster, port: Port, capture: Capture, memory: OffloadMemory) {
    this.#cluster = cluster;
    this.#port = port;
    this.#capture = capture;
    this.#memory = memory;
    this.#outputs = new OffloadOutputs(memory);
    this.#counters = new OffloadCounters(memory);
    this.#began = cluster.now;
    memory.clear();
    this.#describe();
    capture.readInto(memory.chunk);
  }

  /** Null where the capture is of another kind, or the machine has no such kernels. */
  static of(cluster: Cluster, port: Port, capture: Capture): Offload | null {
    const isPlain = capture.linkType === LINKTYPE_ETHERNET && capture.atHand.plainMost >= 0;
    if (!isPlain || !port.device.ethernet) return null;
    const memory = spare ?? OffloadMemory.make();
    spare = null;
    return memory && new Offload(cluster, port, capture, memory);
  }

  /** The capture was read to its end: another replay may have the memory. */
  close(): void {
    spare = this.#memory;
  }

  /** Whether it is worth a try, and nobody looks on whom the cluster would have to tell more. */
  isReady(): boolean {
    if (this.#flows.size === 0) return false;
    if (this.#pause > 0) {
      this.#pause--;
      return false;
    }
    const { observer, answering, audit, boundary, witness, now } = this.#cluster;
    const isAlone = observer === null && audit === null && boundary === null && !answering;
    return (
      isAlone &&
      (witness === null || witness.deliveredUnseen !== undefined) &&
      now.seconds <= MAX_U32
    );
  }

  /** Takes records from the present one on. `settle` must follow before the cluster is used. */
  run(): Reach {
    const { atHand } = this.#capture;
    const { head: words } = this.#memory;
    if (!this.#open) this.#begin();
    const start = atHand.recordStart;
    const from = this.#memory.offer(atHand.bytes, start, atHand.handEnd);
    const stop = this.#take();
    this.#memory.used(stop);
    const length = words[head.from]! - from;
    if (length === 0) return Reach.None;
    atHand.skipTo(start + length);
    return stop === Stop.Over ? Reach.All : Reach.Some;
  }

  /** Tells the cluster what became of the packets. Throws what writers throw. */
  settle(): void {
    const { head: words } = this.#memory;
    const taken = words[head.taken]!;
    this.#open = false;
    this.#rest(taken);
    this.#counters.settle();
    if (taken === 0) return;
    this.#touch();
    const now = { seconds: words[head.seconds]!, nanoseconds: words[head.nanoseconds]! };
    this.#cluster.passed(taken, now);
    this.#outputs.drain();
  }

  /** The frame that the cluster was given may have been of a flow that it now knows. */
  learn(): void {
    const tape = this.#cluster.flows.latest;
    if (tape === null || this.#tapes.has(tape)) return;
    this.#tapes.add(tape);
    const { key } = tape;
    const flow = this.#isMet(key) ? OffloadedFlow.of(tape, key) : null;
    if (flow === null || flow.stages.some(({ tap }) => this.#outputs.of(tap) === 0)) return;
    if (!this.#keep(flow)) this.#keepAnew(flow);
    this.#pause = 0;
    this.#nextPause = 1;
  }

  #describe(): void {
    const { head: words } = this.#memory;
    const { device } = this.#port;
    const { atHand, nanosecond } = this.#capture;
    const isOwn = hasOwnPackets(this.#port);
    const room = (place: Room): number => (device.position << 8) | place;
    words[head.batch] = 0;
    words[head.scale] = nanosecond ? 1 : 1000;
    words[head.perSecond] = nanosecond ? 1e9 : 1e6;
    words[head.most] = Math.min(atHand.plainMost, MAX_FRAME);
    this.#memory.bytes.writeUInt16BE(device.macHigh, head.ownMac * 4);
    this.#memory.bytes.writeInt32BE(device.macLow, head.ownMac * 4 + 2);
    // What a node has sent is made again: sent-again.ts.
    words[head.ownRoom] = isOwn ? room(Room.Transmit) : NONE;
    words[head.otherRoom] = room(Room.Ingress);
    words[head.mtu] = device.mtu;
    words[head.offloads] = device.checksumOffload ? 1 : 0;
  }

  /** Whether frames of the capture can be those that a tape of this key is for. */
  #isMet(key: Int32Array): boolean {
    const { node, device } = this.#port;
    const source = key[5]!;
    if (key[0] !== node.position || key[1]! >>> 8 !== device.position) return false;
    if ((key[1]! & 0xff) === Room.Transmit) return true;
    // A frame with an own source leaves as a packet.
    const isOwn = node.devices.some(({ addresses }) => addresses.includes(source));
    return !(hasOwnPackets(this.#port) && isOwn);
  }

  #keep(flow: OffloadedFlow): boolean {
    const counters = flow.shells.flatMap(
      ({ identifications, counter }) => this.#counters.of(identifications, counter) ?? [],
    );
    if (counters.length < flow.shells.length) return false;
    const at = putFlow(this.#memory, flow, {
      output: ({ tap }) => this.#outputs.of(tap),
      counter: ({ identifications, counter }) =>
        this.#counters.of(identifications, counter)?.at ?? 0,
    });
    const slot = this.#cluster.flows.latestSlot;
    if (at > 0) this.#flows.set(at, { at, tape: flow.tape, slot, counters });
    return at > 0;
  }

  /** Where there is no room: all are learned anew. */
  #keepAnew(flow: OffloadedFlow): void {
    this.#memory.forget();
    this.#counters.forget();
    this.#flows.clear();
    this.#tapes = new WeakSet();
    this.#keep(flow);
  }

  #begin(): void {
    const { head: words } = this.#memory;
    const { now, timers } = this.#cluster;
    this.#open = true;
    this.#checked.length = 0;
    words[head.taken] = 0;
    words[head.seconds] = now.seconds;
    words[head.nanoseconds] = now.nanoseconds;
    words[head.batch] = ++this.#batch;
    words[head.lastSecond] = MAX_U32;
    words[head.lastNanosecond] = 999_999_999;
    if (timers.first !== undefined) this.#limit(timers.first.when);
    if (!isBefore(this.#began, now)) this.#limit(now);
  }

  /** No packet may be later than this. */
  #limit({ seconds, nanoseconds }: Moment): void {
    const { head: words } = this.#memory;
    const last = { seconds: words[head.lastSecond]!, nanoseconds: words[head.lastNanosecond]! };
    if (!isBefore({ seconds, nanoseconds }, last)) return;
    words[head.lastSecond] = seconds;
    words[head.lastNanosecond] = nanoseconds;
  }

  #take(): Stop {
    for (;;) {
      const stop = this.#memory.run();
      if (stop === Stop.Unchecked && this.#check()) continue;
      if (stop === Stop.Full && this.#outputs.drain() > 0) continue;
      return stop;
    }
  }

  /** Whether the flow that is asked for does what its tape says, at the time of its packet. */
  #check(): boolean {
    const { head: words, view } = this.#memory;
    const known = this.#flows.get(words[head.asked]!)!;
    const { at, tape, slot, counters } = known;
    const moment = {
      seconds: words[head.askedSeconds]!,
      nanoseconds: words[head.askedNanoseconds]!,
    };
    const milliseconds = millisecondsOf(moment);
    if (tape.discarded || !tape.holds(ticksOf(moment), milliseconds)) return false;
    this.#cluster.flows.played(slot);
    const until = tape.lasts(milliseconds);
    const second = Math.floor(until / 1000);
    // All of the last millisecond.
    if (second < MAX_U32) {
      this.#limit({ seconds: second, nanoseconds: (until - second * 1000) * 1e6 + 999_999 });
    }
    for (const counter of counters) this.#counters.lend(counter);
    view.setUint32(at + flowField.stamp, this.#batch, true);
    view.setUint32(at + flowField.nanoseconds, NONE, true);
    this.#checked.push(known);
    return true;
  }

  /** The time of its last packet, for each flow that had one; in that order, as the kernel of a node saw it. */
  #touch(): void {
    const { view } = this.#memory;
    const last = this.#checked
      .map(({ at, tape }) => ({
        tape,
        seconds: view.getUint32(at + flowField.seconds, true),
        nanoseconds: view.getUint32(at + flowField.nanoseconds, true),
      }))
      .filter(({ nanoseconds }) => nanoseconds !== NONE)
      .sort((a, b) => a.seconds - b.seconds || a.nanoseconds - b.nanoseconds);
    for (const { tape, ...moment } of last) tape.touch(ticksOf(moment));
    this.#checked.length = 0;
  }

  #rest(taken: number): void {
    if (taken >= WORTHWHILE) {
      this.#nextPause = 1;
      return;
    }
    this.#pause = this.#nextPause;
    this.#nextPause = Math.min(2 * this.#nextPause, LONGEST_PAUSE);
  }
}

const hasOwnPackets = ({ node: { plan } }: Port): boolean =>
  plan.role === 'pod' || plan.role === 'host';
