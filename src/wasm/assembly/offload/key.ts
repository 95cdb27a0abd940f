/** AssemblyScript. Which flow a frame is of: FlowKey of src/node/flow-key.ts, as far as there is no tunnel. */
import {
  ETHERNET,
  FLOW_KEY,
  HEADERS,
  IPV4,
  KEY,
  MTU,
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
import { fold, halves, turned, words } from './sums';

/** 2^64 divided by the golden ratio. */
const GOLDEN: u64 = (0x9e3779b9 << 32) | 0x7f4a7c15;

/**
 * Writes the key of an IPv4 frame without options, fragments or faults in its headers to KEY;
 * gives the packet's length, or 0 for a frame that no flow is known by. But for the sum of the
 * message, FlowKey.read asks the same.
 */
export function readKey(frame: usize, captured: u32): u32 {
  if (captured < 42 || load<u16>(frame + 12) !== 8) return 0;
  const isOwn = load<u64>(frame + 6) << 16 === load<u64>(OWN_MAC) << 16;
  const room = load<u32>(isOwn ? OWN_ROOM : OTHER_ROOM);
  if (room === 0xffffffff) return 0;
  const l3 = frame + ETHERNET;
  const start = load<u64>(l3);
  const middle = load<u64>(l3 + 8);
  const length = turned(<u32>(start >> 16) & 0xffff);
  const inFrame = captured - <u32>ETHERNET;
  if ((start & 0xff) !== 0x45 || length > inFrame || ((start >> 48) & 0xffbf) !== 0) return 0;
  // Only what arrives is cut to the packet.
  if (isOwn && length !== inFrame) return 0;
  if (fold(words(start) + words(middle) + halves(load<u32>(l3 + 16))) !== 0xffff) return 0;
  const flags = readMessage(frame + HEADERS, length, <u32>(middle >> 8) & 0xff);
  if (flags > 0xff) return 0;
  const header = (middle & 0xffff) | ((start & 0xff00) << 8) | (((start >> 54) & 1) << 24);
  store<u64>(KEY, <u64>room | ((<u64>load<u32>(frame)) << 32));
  store<u64>(KEY + 8, <u64>load<u16>(frame + 4) | (header << 32));
  store<u64>(KEY + 16, load<u64>(l3 + 12));
  store<u64>(KEY + 24, <u64>load<u32>(frame + HEADERS) | ((<u64>flags) << 32));
  return length;
}

/** The flags of a TCP segment, 0 for a UDP datagram; above 255 for what no flow is known by. */
function readMessage(l4: usize, length: u32, protocol: u32): u32 {
  if (length < 28) return 0x100;
  const l4Length = length - <u32>IPV4;
  if (protocol === UDP) return turned(load<u16>(l4 + 4)) === l4Length ? 0 : 0x100;
  if (protocol !== TCP || length < 40 || length > load<u32>(MTU)) return 0x100;
  const header = (<u32>(load<u8>(l4 + 12) >> 4)) << 2;
  const flags = <u32>load<u8>(l4 + 13);
  if (header < 20 || header > l4Length || (flags & TCP_WATCHED) !== TCP_ACK) return 0x100;
  return flags;
}

/** The first cell of the table for flows of addresses and ports as they stand. */
export function firstCell(addresses: u64, ports: u32, mask: u32): u32 {
  let hash = (addresses ^ (<u64>ports * GOLDEN)) * GOLDEN;
  hash ^= hash >> 32;
  return <u32>hash & mask;
}

export function cellAt(nth: u32): usize {
  return TABLE + ((<usize>nth) << 2);
}

/** The cell of the table with the flow of the key at KEY, or with none. */
export function cell(): usize {
  const place = load<u64>(KEY);
  const header = load<u64>(KEY + 8);
  const addresses = load<u64>(KEY + 16);
  const ports = load<u64>(KEY + 24);
  const mask = load<u32>(TABLE_MASK);
  let nth = firstCell(addresses, <u32>ports, mask);
  while (true) {
    const at = cellAt(nth);
    const flow = <usize>load<u32>(at);
    if (flow === 0) return at;
    const key = flow + FLOW_KEY;
    const other =
      (place ^ load<u64>(key)) |
      (header ^ load<u64>(key + 8)) |
      (addresses ^ load<u64>(key + 16)) |
      (ports ^ load<u64>(key + 24));
    if (other === 0) return at;
    nth = (nth + 1) & mask;
  }
}
