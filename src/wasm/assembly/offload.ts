/**
 * AssemblyScript. Packets of known flows from the records of one classic little-endian pcap to
 * those of others: what tapes (src/node/tape.ts) would do to them, as far as anybody sees it. The
 * memory is laid out by src/replay/offload-memory.ts, which has the meaning of every word.
 */
import { copy, copySummed } from './offload/copy';
import { sum } from './checksum';
import { cell, isSummed, readKey } from './offload/key';
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
  LIMIT,
  LONGEST,
  MOST,
  NEEDS_SUM,
  NOW,
  OUTPUT_LENGTH,
  OUTPUTS,
  OVER,
  PER_SECOND,
  RECORD,
  SCALE,
  STAGE,
  STAGES,
  STAMP,
  STRANGE,
  TAKEN,
  UNCHECKED,
} from './offload/layout';
import { messageAt, write } from './offload/record';
import { turned } from './offload/sums';

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

/** The frame, where its packet's sum is right, to the outputs of all stages; whether it was. */
function pass(flow: usize, frame: usize, captured: u32, length: u32, time: u64): bool {
  const message = frame + HEADERS;
  const messageLength = length - <u32>IPV4;
  const first = flow + FIRST_STAGE;
  const end = first + <usize>load<u32>(flow + STAGES) * STAGE;
  const total =
    first < end
      ? copySummed(messageAt(first), message, messageLength)
      : turned(sum(message, messageLength));
  if (!isSummed(frame, length, total)) return false;
  store<u64>(flow + FLOW_TIME, time);
  const counter = <usize>load<u32>(flow + COUNTER);
  if (counter !== 0) identify(counter);
  const second = <usize>load<u32>(flow + COUNTER + 4);
  if (second !== 0) identify(second);
  for (let stage = first; stage < end; stage += STAGE) {
    if (stage !== first) copy(messageAt(stage), message, messageLength);
    write(stage, frame, captured, length, time);
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
  const end = <usize>load<u32>(END);
  const scale = load<u32>(SCALE);
  const perSecond = load<u32>(PER_SECOND);
  const most = load<u32>(MOST);
  const batch = load<u32>(BATCH);
  const last = nanosecondsOf(load<u64>(LAST));
  let room = leastRoom();
  while (true) {
    const frame = at + RECORD;
    if (frame > end) return ended(at, OVER, taken, now);
    const captured = load<u32>(at + 8);
    if (captured > most) return ended(at, STRANGE, taken, now);
    const next = frame + <usize>captured;
    if (next > end) return ended(at, OVER, taken, now);
    const length = readKey(frame, captured);
    if (length === 0) return ended(at, STRANGE, taken, now);
    const flow = <usize>load<u32>(cell());
    if (flow === 0 || length > load<u32>(flow + LONGEST)) return ended(at, STRANGE, taken, now);
    if (load<u32>(flow + NEEDS_SUM) !== 0 && load<u16>(frame + 40) === 0) {
      return ended(at, STRANGE, taken, now);
    }
    const stamp = load<u64>(at);
    if (<u32>(stamp >> 32) >= perSecond) return ended(at, STRANGE, taken, now);
    let time = (stamp & 0xffffffff) | ((stamp >> 32) * scale) << 32;
    if (nanosecondsOf(time) <= nanosecondsOf(now)) time = now;
    else if (nanosecondsOf(time) > last) return ended(at, STRANGE, taken, now);
    if (load<u32>(flow + STAMP) !== batch) {
      store<u32>(ASKED, <u32>flow);
      store<u64>(ASKED_TIME, time);
      return ended(at, UNCHECKED, taken, now);
    }
    const growth = load<u32>(flow + STAGES) * (captured + GROWTH);
    if (growth > room) {
      room = leastRoom();
      if (growth > room) return ended(at, FULL, taken, now);
    }
    room -= growth;
    if (!pass(flow, frame, captured, length, time)) return ended(at, STRANGE, taken, now);
    now = time;
    taken++;
    at = next;
  }
}
