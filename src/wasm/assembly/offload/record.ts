/** AssemblyScript. A frame of a flow as a captured device sees it, as a record of a pcap. */
import { copy } from './copy';
import {
  ADDRESSES,
  CHANGE,
  CHANGED,
  ETHERNET,
  FILL,
  HEADER_DELTA,
  HEADERS,
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
  SHELL_INNER,
  SHELL_LENGTH,
  SHELL_SUM,
  SHELL_UDP,
  TEMPLATE,
  UDP,
  VXLAN_COMPLETE,
  VXLAN_PARTIAL,
  WHOLE,
} from './layout';
import { fold, turned } from './sums';

/** The outer header, whose lengths, identification and sums are the packet's own. */
function finishShell(stage: usize, at: usize, length: u32, kind: u32): void {
  const total = length + load<u32>(stage + SHELL_LENGTH);
  const itsLength = turned(total);
  const id = turned(load<u32>(<usize>load<u32>(stage + SHELL_COUNTER) + 4));
  store<u32>(at + 2, itsLength | (id << 16));
  store<u16>(at + 10, <u16>~fold(load<u32>(stage + SHELL_SUM) + itsLength + id));
  if (kind > VXLAN_COMPLETE) return;
  const payload = turned(total - <u32>IPV4);
  let checksum: u32 = 0;
  if (kind === VXLAN_PARTIAL) checksum = fold(load<u32>(stage + SHELL_UDP) + payload);
  else {
    const inner = fold(load<u32>(stage + SHELL_INNER) + turned(length - <u32>IPV4)) ^ 0xffff;
    checksum = fold(load<u32>(stage + SHELL_UDP) + 2 * payload + inner) ^ 0xffff;
    if (checksum === 0) checksum = 0xffff;
  }
  store<u32>(at + 24, payload | (checksum << 16));
}

/** The headers of the packet itself after hops and NAT (RFC 1624). */
function change(stage: usize, at: usize, l3: usize, kind: u32): void {
  const checksum = <u32>load<u16>(l3 + 10) ^ 0xffff;
  const after = fold(checksum + load<u32>(stage + HEADER_DELTA)) ^ 0xffff;
  store<u32>(at + 8, ((kind >> 8) & 0xffff) | (after << 16));
  store<u64>(at + 12, load<u64>(stage + ADDRESSES));
  store<u32>(at + IPV4, load<u32>(stage + PORTS));
  const delta = load<u32>(stage + L4_DELTA);
  if (delta !== 0) changeSum(stage, at, l3, delta);
}

function changeSum(stage: usize, at: usize, l3: usize, delta: u32): void {
  const field = IPV4 + <usize>load<u32>(stage + L4_FIELD);
  const before = <u32>load<u16>(l3 + field);
  const isUdp = <u32>load<u8>(l3 + 9) === UDP;
  if (isUdp && before === 0) return;
  const after = fold((before ^ 0xffff) + delta) ^ 0xffff;
  store<u16>(at + field, isUdp && after === 0 ? 0xffff : <u16>after);
}

/** Where the message of the packet belongs in the record that the stage is about to write. */
export function messageAt(stage: usize): usize {
  const out = <usize>load<u32>(<usize>load<u32>(stage + OUTPUT) + FILL) + RECORD + IPV4;
  return out + (<u32>load<u8>(stage + CHANGE) === WHOLE ? ETHERNET : <usize>load<u32>(stage + PREFIX));
}

/** The frame as the stage's device sees it, as a record of its output: all but the message of its packet. */
export function write(
  stage: usize,
  frame: usize,
  captured: u32,
  length: u32,
  time: u64,
): void {
  const output = <usize>load<u32>(stage + OUTPUT);
  const out = <usize>load<u32>(output + FILL);
  const prefix = <usize>load<u32>(stage + PREFIX);
  const kind = load<u32>(stage + CHANGE);
  const isWhole = (kind & 0xff) === WHOLE;
  const bytes = isWhole ? captured : length + <u32>prefix;
  const l3 = frame + ETHERNET;
  const link = out + RECORD;
  const nanoseconds = <u32>(time >> 32);
  const fraction = load<u32>(output + MICROSECONDS) ? nanoseconds / 1000 : nanoseconds;
  store<u64>(out, (time & 0xffffffff) | ((<u64>fraction) << 32));
  store<u64>(out + 8, <u64>bytes | ((<u64>bytes) << 32));
  if (isWhole) {
    v128.store(link, v128.load(frame));
    v128.store(link + 16, v128.load(frame + 16));
    store<u16>(link + 32, load<u16>(frame + 32));
    copy(link + ETHERNET + length, l3 + length, captured - length - <u32>ETHERNET);
  } else {
    // Up to 15 bytes more than it has: the header of the packet follows.
    copy(link, stage + TEMPLATE, prefix);
    const at = link + prefix;
    v128.store(at, v128.load(l3));
    store<u32>(at + 16, load<u32>(l3 + 16));
    if ((kind & 0xff) === CHANGED) change(stage, at, l3, kind);
    const shell = load<u32>(stage + SHELL);
    if (shell !== 0) finishShell(stage, link + <usize>load<u32>(stage + SHELL_AT), length, shell);
  }
  store<u32>(output + FILL, <u32>link + bytes);
  store<u32>(output + RECORDS, load<u32>(output + RECORDS) + 1);
}
