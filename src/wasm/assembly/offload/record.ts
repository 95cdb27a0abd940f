/** AssemblyScript. A frame of a flow as a captured device sees it, as a record of a pcap. */
import { copy } from '../bytes/copy';
import {
  ADDRESSES,
  BYTES,
  CHANGE,
  CHANGED,
  ETHERNET,
  FILL,
  HEADER_DELTA,
  IPV4,
  L4_DELTA,
  L4_FIELD,
  MICROSECONDS,
  OUTPUT,
  PORTS,
  PREFIX,
  RECORD,
  RECORDS,
  SHELL,
  SHELL_AT,
  SHELL_COUNTER,
  TEMPLATE,
  TEMPLATE_SUM,
  UDP,
  WHOLE,
} from './layout';
import { fold, turned } from './sums';

/** Identification and checksum of the outer header. */
function finishShell(stage: usize, at: usize): void {
  const id = turned(load<u32>(<usize>load<u32>(stage + SHELL_COUNTER) + 4));
  store<u16>(at + 4, <u16>id);
  store<u16>(at + 10, <u16>~fold(load<u32>(stage + TEMPLATE_SUM) + id));
}

/** The header of the packet itself after hops and NAT (RFC 1624). */
function change(stage: usize, at: usize, kind: u32): void {
  const checksum = <u32>load<u16>(at + 10) ^ 0xffff;
  const after = fold(checksum + load<u32>(stage + HEADER_DELTA)) ^ 0xffff;
  store<u32>(at + 8, ((kind >> 8) & 0xffff) | (after << 16));
  store<u64>(at + 12, load<u64>(stage + ADDRESSES));
}

/** The ports of its message, and its checksum. */
function changeMessage(stage: usize, at: usize, delta: u32, protocol: u32): void {
  store<u32>(at, load<u32>(stage + PORTS));
  const field = at + <usize>load<u32>(stage + L4_FIELD);
  const before = <u32>load<u16>(field);
  if (protocol === UDP && before === 0) return;
  const after = fold((before ^ 0xffff) + delta) ^ 0xffff;
  store<u16>(field, protocol === UDP && after === 0 ? 0xffff : <u16>after);
}

/**
 * The frame as the stage's device sees it, as a record of its output, as far as the message of
 * its packet; where that belongs. Nothing is there until `finish`.
 */
export function begin(stage: usize, frame: usize, time: u64): usize {
  const output = <usize>load<u32>(stage + OUTPUT);
  const out = <usize>load<u32>(output + FILL);
  const template = stage + TEMPLATE;
  const kind = load<u32>(stage + CHANGE);
  // Up to 15 bytes more than there are: the header of the packet follows.
  v128.store(out, v128.load(template));
  const nanoseconds = <u32>(time >> 32);
  const fraction = load<u32>(output + MICROSECONDS) ? nanoseconds / 1000 : nanoseconds;
  store<u64>(out, (time & 0xffffffff) | ((<u64>fraction) << 32));
  const l3 = frame + ETHERNET;
  let at = out + <usize>load<u32>(stage + PREFIX);
  if ((kind & 0xff) === WHOLE) {
    v128.store(at, v128.load(frame));
    at += ETHERNET;
  } else {
    copy(out + RECORD, template + RECORD, at - out - RECORD);
  }
  v128.store(at, v128.load(l3));
  store<u32>(at + 16, load<u32>(l3 + 16));
  if ((kind & 0xff) === CHANGED) change(stage, at, kind);
  return at + IPV4;
}

/** What depends on other packets, and on the message, which has been put there. */
export function finish(stage: usize, frame: usize, captured: u32, length: u32): void {
  const output = <usize>load<u32>(stage + OUTPUT);
  const out = <usize>load<u32>(output + FILL);
  const kind = load<u32>(stage + CHANGE);
  const end = out + RECORD + <usize>load<u32>(stage + BYTES);
  if ((kind & 0xff) === WHOLE) {
    const padding = captured - <u32>ETHERNET - length;
    if (padding !== 0) copy(end - padding, frame + captured - padding, padding);
  } else {
    const delta = load<u32>(stage + L4_DELTA);
    if (delta !== 0) changeMessage(stage, end - length + IPV4, delta, (kind >> 16) & 0xff);
    if (load<u32>(stage + SHELL) !== 0)
      finishShell(stage, out + <usize>load<u32>(stage + SHELL_AT));
  }
  store<u32>(output + FILL, <u32>end);
  store<u32>(output + RECORDS, load<u32>(output + RECORDS) + 1);
}
