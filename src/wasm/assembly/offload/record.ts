/** AssemblyScript. A frame of a flow as a captured device sees it, as a record of a pcap. */
import {
  ADDRESSES,
  CHANGE,
  CHANGED,
  DIVISOR,
  ETHERNET,
  FILL,
  HEADER_DELTA,
  IPV4,
  L4_DELTA,
  L4_FIELD,
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

/** A copy 16 bytes a turn: what lies behind both ends is room. */
function copy(to: usize, from: usize, length: usize): void {
  const end = to + length;
  while (to + 64 <= end) {
    v128.store(to, v128.load(from));
    v128.store(to + 16, v128.load(from + 16));
    v128.store(to + 32, v128.load(from + 32));
    v128.store(to + 48, v128.load(from + 48));
    to += 64;
    from += 64;
  }
  while (to < end) {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  }
}

/** The outer header, whose lengths, identification and sums are the packet's own. */
function finishShell(stage: usize, at: usize, length: u32, kind: u32): void {
  const total = length + load<u32>(stage + SHELL_LENGTH);
  const id = turned(load<u32>(<usize>load<u32>(stage + SHELL_COUNTER) + 4));
  store<u16>(at + 2, <u16>turned(total));
  store<u16>(at + 4, <u16>id);
  store<u16>(at + 10, <u16>~fold(load<u32>(stage + SHELL_SUM) + turned(total) + id));
  if (kind > VXLAN_COMPLETE) return;
  const payload = turned(total - <u32>IPV4);
  let checksum: u32 = 0;
  if (kind === VXLAN_PARTIAL) checksum = fold(load<u32>(stage + SHELL_UDP) + payload);
  else {
    const inner = fold(load<u32>(stage + SHELL_INNER) + turned(length - <u32>IPV4)) ^ 0xffff;
    checksum = fold(load<u32>(stage + SHELL_UDP) + 2 * payload + inner) ^ 0xffff;
    if (checksum === 0) checksum = 0xffff;
  }
  store<u16>(at + 24, <u16>payload);
  store<u16>(at + 26, <u16>checksum);
}

/** The headers of the packet itself after hops and NAT (RFC 1624). */
function change(stage: usize, at: usize): void {
  store<u16>(at + 8, <u16>(load<u32>(stage + CHANGE) >> 8));
  const checksum = <u32>load<u16>(at + 10) ^ 0xffff;
  store<u16>(at + 10, <u16>~fold(checksum + load<u32>(stage + HEADER_DELTA)));
  const delta = load<u32>(stage + L4_DELTA);
  store<u64>(at + 12, load<u64>(stage + ADDRESSES));
  store<u32>(at + IPV4, load<u32>(stage + PORTS));
  if (delta === 0) return;
  const field = at + IPV4 + <usize>load<u32>(stage + L4_FIELD);
  const before = <u32>load<u16>(field);
  const isUdp = <u32>load<u8>(at + 9) === UDP;
  if (isUdp && before === 0) return;
  const after = fold((before ^ 0xffff) + delta) ^ 0xffff;
  store<u16>(field, isUdp && after === 0 ? 0xffff : <u16>after);
}

/** The frame as the stage's device sees it, as a record of its output. */
export function write(
  stage: usize,
  frame: usize,
  captured: u32,
  length: u32,
  seconds: u32,
  nanoseconds: u32,
): void {
  const output = <usize>load<u32>(stage + OUTPUT);
  const out = <usize>load<u32>(output + FILL);
  const prefix = <usize>load<u32>(stage + PREFIX);
  const kind = load<u32>(stage + CHANGE) & 0xff;
  const whole = kind === WHOLE;
  const bytes = whole ? captured : length + <u32>prefix;
  const divisor = load<u32>(output + DIVISOR);
  store<u32>(out, seconds);
  store<u32>(out + 4, divisor === 1 ? nanoseconds : nanoseconds / divisor);
  store<u32>(out + 8, bytes);
  store<u32>(out + 12, bytes);
  const to = out + RECORD;
  if (whole) copy(to, frame, captured);
  else {
    copy(to, stage + TEMPLATE, prefix);
    copy(to + prefix, frame + ETHERNET, length);
    if (kind === CHANGED) change(stage, to + prefix);
    const shell = load<u32>(stage + SHELL);
    if (shell !== 0) finishShell(stage, to + <usize>load<u32>(stage + SHELL_AT), length, shell);
  }
  store<u32>(output + FILL, <u32>to + bytes);
  store<u32>(output + RECORDS, load<u32>(output + RECORDS) + 1);
}
