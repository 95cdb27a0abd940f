/** AssemblyScript. Which flow a frame is of: FlowKey of src/node/flow-key.ts, as far as there is no tunnel. */
import { sum } from '../checksum';
import {
  ETHERNET,
  IPV4,
  KEY,
  MTU,
  OFFLOADS,
  OTHER_ROOM,
  OWN_MAC,
  OWN_ROOM,
  TABLE,
  TABLE_MASK,
  TCP,
  TCP_ACK,
  TCP_WATCHED,
  UDP,
} from './layout';
import { fold, halves, turned } from './sums';

/** 2^64 divided by the golden ratio. */
const GOLDEN: u64 = (0x9e3779b9 << 32) | 0x7f4a7c15;

/** The folded sum of a TCP or UDP message with its pseudo-header. */
function messageSum(l3: usize, l4: usize, length: u32, protocol: u32): u32 {
  const pseudo = halves(load<u32>(l3 + 12)) + halves(load<u32>(l3 + 16));
  return fold(fold(pseudo + (protocol << 8) + turned(length)) + turned(sum(l4, length)));
}

/** A sender leaves it to hardware: isUnfinished of node/l4-checksum.ts. */
function isUnfinished(l3: usize, length: u32, protocol: u32, checksum: u32): bool {
  const pseudo = halves(load<u32>(l3 + 12)) + halves(load<u32>(l3 + 16));
  return fold(pseudo + (protocol << 8) + turned(length)) === checksum;
}

/**
 * Writes the key of an IPv4 frame without options, fragments or faults to KEY; gives the
 * packet's length, or 0 for a frame that no flow is known by. FlowKey.read asks the same.
 */
export function readKey(frame: usize, captured: u32): u32 {
  if (captured < 42 || load<u16>(frame + 12) !== 8) return 0;
  const isOwn =
    load<u32>(frame + 6) === load<u32>(OWN_MAC) && load<u16>(frame + 10) === load<u16>(OWN_MAC + 4);
  const room = load<u32>(isOwn ? OWN_ROOM : OTHER_ROOM);
  if (room === 0xffffffff) return 0;
  const l3 = frame + ETHERNET;
  const first = load<u32>(l3);
  const second = load<u32>(l3 + 4);
  const third = load<u32>(l3 + 8);
  const length = turned(first >> 16);
  const inFrame = captured - <u32>ETHERNET;
  if ((first & 0xff) !== 0x45 || length > inFrame || ((second >> 16) & 0xffbf) !== 0) return 0;
  // Only what arrives is cut to the packet.
  if (isOwn && length !== inFrame) return 0;
  const source = load<u32>(l3 + 12);
  const destination = load<u32>(l3 + 16);
  const header = halves(first) + halves(second) + halves(third);
  if (fold(header + halves(source) + halves(destination)) !== 0xffff) return 0;
  const protocol = (third >> 8) & 0xff;
  const flags = readMessage(l3, length, protocol);
  if (flags > 0xff) return 0;
  store<u32>(KEY, room);
  store<u32>(KEY + 4, load<u32>(frame));
  store<u32>(KEY + 8, <u32>load<u16>(frame + 4));
  store<u32>(KEY + 12, (third & 0xffff) | ((first & 0xff00) << 8) | (((second >> 22) & 1) << 24));
  store<u32>(KEY + 16, source);
  store<u32>(KEY + 20, destination);
  store<u32>(KEY + 24, load<u32>(l3 + IPV4));
  store<u32>(KEY + 28, flags);
  return length;
}

/** The flags of a TCP segment, 0 for a UDP datagram; above 255 for what no flow is known by. */
function readMessage(l3: usize, length: u32, protocol: u32): u32 {
  const l4 = l3 + IPV4;
  let flags: u32 = 0;
  let checksum: u32 = 0;
  if (length < 28) return 0x100;
  const l4Length = length - <u32>IPV4;
  if (protocol === UDP) {
    if (turned(load<u16>(l4 + 4)) !== l4Length) return 0x100;
    checksum = load<u16>(l4 + 6);
    if (checksum === 0) return 0;
  } else {
    if (protocol !== TCP || length < 40 || length > load<u32>(MTU)) return 0x100;
    const header = (<u32>(load<u8>(l4 + 12) >> 4)) << 2;
    flags = load<u8>(l4 + 13);
    if (header < 20 || header > l4Length || (flags & TCP_WATCHED) !== TCP_ACK) return 0x100;
    checksum = load<u16>(l4 + 16);
  }
  if (messageSum(l3, l4, l4Length, protocol) !== 0xffff) return 0x100;
  return load<u32>(OFFLOADS) && isUnfinished(l3, l4Length, protocol, checksum) ? 0x100 : flags;
}

/** The cell of the table with the flow of the key at KEY, or with none. */
export function cell(): usize {
  let hash = (((<u64>load<u32>(KEY + 16)) << 32) | load<u32>(KEY + 20)) * GOLDEN;
  hash ^= hash >> 32;
  hash ^=
    ((<u64>load<u32>(KEY + 24)) << 32) |
    (load<u32>(KEY + 12) ^ load<u32>(KEY) ^ load<u32>(KEY + 4));
  hash *= GOLDEN;
  hash ^= hash >> 32;
  const low = v128.load(KEY);
  const high = v128.load(KEY + 16);
  let n = <u32>hash;
  while (true) {
    const at = TABLE + ((<usize>(n++ & TABLE_MASK)) << 2);
    const flow = <usize>load<u32>(at);
    if (flow === 0) return at;
    const other = v128.or(v128.xor(low, v128.load(flow)), v128.xor(high, v128.load(flow + 16)));
    if (!v128.any_true(other)) return at;
  }
}
