/**
 * AssemblyScript. Packets of a flow are mostly as long as the one before. What a frame is, but
 * for its identification, its sums and its data, is the flow's shape: one that has it needs no
 * reading, and its templates are as they were.
 */
import {
  BYTES,
  CAPTURED,
  CHANGE,
  ETHERNET,
  FIRST_STAGE,
  GROWTH,
  HEADER_SUM,
  IPV4,
  LENGTH,
  MOST_GROWTH,
  OWN_WORD_AT,
  PREFIX,
  PSEUDO_SUM,
  RECORD,
  SHAPE,
  SHELL,
  SHELL_AT,
  SHELL_INNER,
  SHELL_LENGTH,
  SHELL_SUM,
  SHELL_UDP,
  STAGE,
  STAGES,
  TEMPLATE,
  TEMPLATE_SUM,
  UDP,
  VXLAN_COMPLETE,
  VXLAN_PARTIAL,
  WHOLE,
} from './layout';
import { fold, halves, turned, words } from './sums';

/** The third 16 bits of eight bytes: an identification. And the second: a checksum, or what was one before. */
const BUT_THIRD: u64 = ~((<u64>0xffff) << 32);
const BUT_SECOND: u64 = ~((<u64>0xffff) << 16);

/** The last of the addresses, the ports, and 16 bits more: a datagram's length, or a segment's flags. */
function lastWord(flow: usize, frame: usize): u64 {
  const more = <u64>load<u16>(frame + <usize>load<u32>(flow + OWN_WORD_AT));
  return (load<u64>(frame + 32) & 0xffffffffffff) | (more << 48);
}

/** Whether the frame is as the flow's last one was, and the sum of its header is right. */
export function hasShape(flow: usize, frame: usize, captured: u32): bool {
  if (captured !== load<u32>(flow + CAPTURED)) return false;
  const shape = flow + SHAPE;
  const other =
    (load<u64>(frame) ^ load<u64>(shape)) |
    (load<u64>(frame + 8) ^ load<u64>(shape + 8)) |
    ((load<u64>(frame + 16) ^ load<u64>(shape + 16)) & BUT_SECOND) |
    ((load<u64>(frame + 24) ^ load<u64>(shape + 24)) >> 16) |
    (lastWord(flow, frame) ^ load<u64>(shape + 32));
  if (other !== 0) return false;
  const varying = <u32>load<u16>(frame + 18) + <u32>load<u16>(frame + 24);
  return fold(load<u32>(flow + HEADER_SUM) + varying) === 0xffff;
}

/** The frame, whose key was read, gives the flow its shape. */
export function takeShape(flow: usize, frame: usize, captured: u32, length: u32): void {
  const l3 = frame + ETHERNET;
  const protocol = <u32>load<u8>(l3 + 9);
  store<u32>(flow + OWN_WORD_AT, protocol === UDP ? 38 : 46);
  for (let at: usize = 0; at < 32; at += 8) {
    store<u64>(flow + SHAPE + at, load<u64>(frame + at));
  }
  store<u64>(flow + SHAPE + 32, lastWord(flow, frame));
  store<u32>(flow + CAPTURED, captured);
  store<u32>(flow + LENGTH, length);
  const constant = words(load<u64>(l3) & BUT_THIRD) + words(load<u64>(l3 + 8) & BUT_SECOND);
  store<u32>(flow + HEADER_SUM, fold(constant + halves(load<u32>(l3 + 16))));
  const message = (protocol << 8) + turned(length - <u32>IPV4);
  store<u32>(flow + PSEUDO_SUM, fold(words(load<u64>(l3 + 12)) + message));
  const stages = load<u32>(flow + STAGES);
  store<u32>(flow + GROWTH, stages * (captured + MOST_GROWTH));
  const end = flow + FIRST_STAGE + <usize>stages * STAGE;
  for (let stage = flow + FIRST_STAGE; stage < end; stage += STAGE) {
    shapeStage(stage, captured, length);
  }
}

/** The lengths in a stage's template, and the sums over them. */
function shapeStage(stage: usize, captured: u32, length: u32): void {
  const isWhole = <u32>load<u8>(stage + CHANGE) === WHOLE;
  const inFront = load<u32>(stage + PREFIX) - <u32>RECORD;
  const bytes = isWhole ? captured : inFront + length;
  store<u32>(stage + BYTES, bytes);
  store<u32>(stage + TEMPLATE + 8, bytes);
  store<u32>(stage + TEMPLATE + 12, bytes);
  const shell = load<u32>(stage + SHELL);
  if (shell !== 0) {
    shapeShell(stage, stage + TEMPLATE + <usize>load<u32>(stage + SHELL_AT), length, shell);
  }
}

function shapeShell(stage: usize, at: usize, length: u32, shell: u32): void {
  const total = length + load<u32>(stage + SHELL_LENGTH);
  store<u16>(at + 2, <u16>turned(total));
  store<u32>(stage + TEMPLATE_SUM, fold(load<u32>(stage + SHELL_SUM) + turned(total)));
  if (shell > VXLAN_COMPLETE) return;
  const payload = turned(total - <u32>IPV4);
  let checksum: u32 = 0;
  if (shell === VXLAN_PARTIAL) checksum = fold(load<u32>(stage + SHELL_UDP) + payload);
  else {
    const inner = fold(load<u32>(stage + SHELL_INNER) + turned(length - <u32>IPV4)) ^ 0xffff;
    checksum = fold(load<u32>(stage + SHELL_UDP) + 2 * payload + inner) ^ 0xffff;
    if (checksum === 0) checksum = 0xffff;
  }
  store<u16>(at + 24, <u16>payload);
  store<u16>(at + 26, <u16>checksum);
}
