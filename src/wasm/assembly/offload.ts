/**
 * AssemblyScript. Packets of known flows from the records of one classic little-endian pcap to
 * those of others: what tapes (src/node/tape.ts) would do to them, as far as anybody sees it. The
 * memory is laid out by src/replay/offload-memory.ts, which has the meaning of every word.
 */

import { copy, copySummed } from './bytes/copy';
import { sum } from './checksum';
import { cell, cellAt, firstCell, readKey } from './offload/key';
import {
  ASKED,
  ASKED_TIME,
  BATCH,
  COUNTER,
  END,
  FILL,
  FIRST_OUTPUT,
  FIRST_STAGE,
  FLOW_TIME,
  FROM,
  FULL,
  GROWTH,
  HEADERS,
  IPV4,
  LAST,
  LENGTH,
  LIMIT,
  LONGEST,
  MOST,
  NEEDS_SUM,
  NOW,
  OFFLOADS,
  OUTPUT_LENGTH,
  OUTPUTS,
  OVER,
  PER_SECOND,
  PSEUDO_SUM,
  RECORD,
  SCALE,
  STAGE,
  STAGES,
  STAMP,
  STRANGE,
  TABLE_MASK,
  TAKEN,
  UDP,
  UNCHECKED,
} from './offload/layout';
import { begin, finish } from './offload/record';
import { hasShape, takeShape } from './offload/shape';
import { fold, turned } from './offload/sums';

export { cell };

/** Bytes that every output has room for. */
function leastRoom(): u32 {
  let least: u32 = 0xffffffff;
  const end = FIRST_OUTPUT + <usize>load<u32>(OUTPUTS) * OUTPUT_LENGTH;
  for (let output = FIRST_OUTPUT; output < end; output += OUTPUT_LENGTH) {
    const room = load<u32>(output + LIMIT) - load<u32>(output + FILL);
    if (room < least) least = room;
  }
  return least;
}

/** The next identification of a counter: Identifications.take of node/identification.ts. */
function identify(counter: usize): void {
  let id = load<u32>(counter);
  if (id === 0) id = load<u32>(counter + 8);
  store<u32>(counter + 4, id);
  store<u32>(counter, (id + 1) & 0xffff);
}

/** Nanoseconds, of seconds in the lower half of a word and nanoseconds in the upper one. */
function nanosecondsOf(time: u64): u64 {
  return (time & 0xffffffff) * 1000000000 + (time >> 32);
}

/** The flow of a frame, which then has its shape; 0 for one of none. */
function flowOf(frame: usize, captured: u32): usize {
  const mask = load<u32>(TABLE_MASK);
  let nth = firstCell(load<u64>(frame + 26), load<u32>(frame + HEADERS), mask);
  while (true) {
    const likely = <usize>load<u32>(cellAt(nth));
    if (likely === 0) break;
    if (hasShape(likely, frame, captured)) return likely;
    nth = (nth + 1) & mask;
  }
  const length = readKey(frame, captured);
  if (length === 0) return 0;
  const flow = <usize>load<u32>(cell());
  if (flow === 0 || length > load<u32>(flow + LONGEST)) return 0;
  takeShape(flow, frame, captured, length);
  return flow;
}

/** Whether the checksum is right of a message whose words come to `total`. */
function isSummed(flow: usize, frame: usize, total: u32): bool {
  const isUdp = <u32>load<u8>(frame + 23) === UDP;
  const checksum = <u32>load<u16>(frame + HEADERS + (isUdp ? 6 : 16));
  if (isUdp && checksum === 0) return load<u32>(flow + NEEDS_SUM) === 0;
  const pseudo = load<u32>(flow + PSEUDO_SUM);
  if (fold(pseudo + total) !== 0xffff) return false;
  // A sender left it to hardware: isUnfinished of node/l4-checksum.ts.
  return pseudo !== checksum || load<u32>(OFFLOADS) === 0;
}

/** The frame to the outputs of all stages; false, and nothing, for one whose message has a wrong sum. */
function pass(flow: usize, frame: usize, captured: u32, time: u64): bool {
  const length = load<u32>(flow + LENGTH);
  const message = frame + HEADERS;
  const messageLength = length - <u32>IPV4;
  const first = flow + FIRST_STAGE;
  const end = first + <usize>load<u32>(flow + STAGES) * STAGE;
  const total =
    first < end
      ? copySummed(begin(first, frame, time), message, messageLength)
      : turned(sum(message, messageLength));
  if (!isSummed(flow, frame, total)) return false;
  store<u64>(flow + FLOW_TIME, time);
  const counter = <usize>load<u32>(flow + COUNTER);
  if (counter !== 0) identify(counter);
  const another = <usize>load<u32>(flow + COUNTER + 4);
  if (another !== 0) identify(another);
  if (first < end) finish(first, frame, captured, length);
  for (let stage = first + STAGE; stage < end; stage += STAGE) {
    copy(begin(stage, frame, time), message, messageLength);
    finish(stage, frame, captured, length);
  }
  return true;
}

function ended(at: usize, why: u32, taken: u32, now: u64): u32 {
  store<u32>(FROM, <u32>at);
  store<u64>(NOW, now);
  store<u32>(TAKEN, load<u32>(TAKEN) + taken);
  return why;
}

/** Takes records from FROM on, up to END; gives why it stopped, at FROM. */
export function run(): u32 {
  let at = <usize>load<u32>(FROM);
  let now = load<u64>(NOW);
  let taken: u32 = 0;
  let room = leastRoom();
  const end = <usize>load<u32>(END);
  const scale = load<u32>(SCALE);
  const perSecond = load<u32>(PER_SECOND);
  const most = load<u32>(MOST);
  const batch = load<u32>(BATCH);
  const last = nanosecondsOf(load<u64>(LAST));
  while (true) {
    const frame = at + RECORD;
    if (frame > end) return ended(at, OVER, taken, now);
    const captured = load<u32>(at + 8);
    if (captured > most) return ended(at, STRANGE, taken, now);
    const next = frame + <usize>captured;
    if (next > end) return ended(at, OVER, taken, now);
    const flow = flowOf(frame, captured);
    const fraction = load<u32>(at + 4);
    if (flow === 0 || fraction >= perSecond) return ended(at, STRANGE, taken, now);
    let time = <u64>load<u32>(at) | ((<u64>(fraction * scale)) << 32);
    if (nanosecondsOf(time) <= nanosecondsOf(now)) time = now;
    else if (nanosecondsOf(time) > last) return ended(at, STRANGE, taken, now);
    if (load<u32>(flow + STAMP) !== batch) {
      store<u32>(ASKED, <u32>flow);
      store<u64>(ASKED_TIME, time);
      return ended(at, UNCHECKED, taken, now);
    }
    const growth = load<u32>(flow + GROWTH);
    if (growth > room) {
      room = leastRoom();
      if (growth > room) return ended(at, FULL, taken, now);
    }
    if (!pass(flow, frame, captured, time)) return ended(at, STRANGE, taken, now);
    room -= growth;
    now = time;
    taken++;
    at = next;
  }
}
