/**
 * AssemblyScript. Packets of known flows from the records of one classic little-endian pcap to
 * those of others: what tapes (src/node/tape.ts) would do to them, as far as anybody sees it. The
 * memory is laid out by src/replay/offload-memory.ts, which has the meaning of every word.
 */
import { cell, readKey } from './offload/key';
import {
  ASKED,
  ASKED_NANOSECONDS,
  ASKED_SECONDS,
  BATCH,
  COUNTER,
  END,
  FILL,
  FIRST_STAGE,
  FLOW_NANOSECONDS,
  FLOW_SECONDS,
  FROM,
  FULL,
  LAST_NANOSECOND,
  LAST_SECOND,
  LIMIT,
  LONGEST,
  MOST,
  NANOSECONDS,
  NEEDS_SUM,
  OUTPUT,
  OVER,
  PER_SECOND,
  RECORD,
  SCALE,
  SECONDS,
  STAGE,
  STAGES,
  STAMP,
  STRANGE,
  TAKEN,
  UNCHECKED,
} from './offload/layout';
import { write } from './offload/record';

export { cell };

/** Whether every output that the flow writes to has room for the frame. */
function hasRoom(flow: usize, captured: u32): bool {
  const stages = load<u32>(flow + STAGES);
  const needed = stages * (captured + 160);
  const end = flow + FIRST_STAGE + <usize>stages * STAGE;
  for (let stage = flow + FIRST_STAGE; stage < end; stage += STAGE) {
    const output = <usize>load<u32>(stage + OUTPUT);
    if (load<u32>(output + FILL) + needed > load<u32>(output + LIMIT)) return false;
  }
  return true;
}

/** The next identification of a counter: Identifications.take of node/identification.ts. */
function identify(counter: usize): void {
  let id = load<u32>(counter);
  if (id === 0) id = load<u32>(counter + 8);
  store<u32>(counter + 4, id);
  store<u32>(counter, (id + 1) & 0xffff);
}

function ended(at: usize, why: u32): u32 {
  store<u32>(FROM, <u32>at);
  return why;
}

/** Takes records from FROM on, up to END; gives why it stopped, at FROM. */
export function run(): u32 {
  let at = <usize>load<u32>(FROM);
  const end = <usize>load<u32>(END);
  const scale = load<u32>(SCALE);
  const perSecond = load<u32>(PER_SECOND);
  const most = load<u32>(MOST);
  const batch = load<u32>(BATCH);
  const last = <u64>load<u32>(LAST_SECOND) * 1000000000 + load<u32>(LAST_NANOSECOND);
  let seconds = load<u32>(SECONDS);
  let nanoseconds = load<u32>(NANOSECONDS);
  let now = <u64>seconds * 1000000000 + nanoseconds;
  while (true) {
    const frame = at + RECORD;
    if (frame > end) return ended(at, OVER);
    const captured = load<u32>(at + 8);
    if (captured > most) return ended(at, STRANGE);
    const next = frame + <usize>captured;
    if (next > end) return ended(at, OVER);
    const length = readKey(frame, captured);
    if (length === 0) return ended(at, STRANGE);
    const flow = <usize>load<u32>(cell());
    if (flow === 0 || length > load<u32>(flow + LONGEST)) return ended(at, STRANGE);
    if (load<u32>(flow + NEEDS_SUM) !== 0 && load<u16>(frame + 40) === 0) return ended(at, STRANGE);
    let itsSeconds = load<u32>(at);
    const fraction = load<u32>(at + 4);
    if (fraction >= perSecond) return ended(at, STRANGE);
    let itsNanoseconds = fraction * scale;
    let time = <u64>itsSeconds * 1000000000 + itsNanoseconds;
    if (time <= now) {
      time = now;
      itsSeconds = seconds;
      itsNanoseconds = nanoseconds;
    } else if (time > last) return ended(at, STRANGE);
    if (load<u32>(flow + STAMP) !== batch) {
      store<u32>(ASKED, <u32>flow);
      store<u32>(ASKED_SECONDS, itsSeconds);
      store<u32>(ASKED_NANOSECONDS, itsNanoseconds);
      return ended(at, UNCHECKED);
    }
    if (!hasRoom(flow, captured)) return ended(at, FULL);
    if (time !== now) {
      now = time;
      seconds = itsSeconds;
      nanoseconds = itsNanoseconds;
      store<u32>(SECONDS, seconds);
      store<u32>(NANOSECONDS, nanoseconds);
    }
    store<u32>(flow + FLOW_SECONDS, seconds);
    store<u32>(flow + FLOW_NANOSECONDS, nanoseconds);
    for (let counter = flow + COUNTER; counter < flow + NEEDS_SUM; counter += 4) {
      const its = <usize>load<u32>(counter);
      if (its !== 0) identify(its);
    }
    const stages = flow + FIRST_STAGE + <usize>load<u32>(flow + STAGES) * STAGE;
    for (let stage = flow + FIRST_STAGE; stage < stages; stage += STAGE) {
      write(stage, frame, captured, length, seconds, nanoseconds);
    }
    store<u32>(TAKEN, load<u32>(TAKEN) + 1);
    at = next;
  }
}
