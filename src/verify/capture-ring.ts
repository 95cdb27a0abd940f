/**
 * What a capture can lose: what comes while all slots of its ring hold packets that nobody
 * read yet. libpcap takes 2 MiB, with slots for the snapshot length; for an Ethernet device
 * without offloads a slot need be no longer than its MTU (setup_mmapped of pcap-linux.c),
 * and then there are more of them than any burst here fills.
 */
import type { Device } from '../node/device.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { JudgedFrame } from './compare.ts';

/** DEFAULT_RING_SIZE, and what `tcpdump -s 0` stands for. */
const RING = 2 * 1024 * 1024;
const SNAPSHOT = 262144;
/** Around its frame a device may have a tag. */
const TAG = 4;
/** Seconds for which a busy machine leaves a capture unread. */
const UNREAD = 0.1;

/** How many packets wait before the capture of this device loses any. */
export function ringSlots({
  ethernet: framed,
  checksumOffload,
  receiveOffload,
  mtu,
}: Device): number {
  const whole = !framed || checksumOffload || receiveOffload;
  return Math.floor(RING / (whole ? SNAPSHOT : mtu + ethernet.HEADER_LEN + TAG));
}

/** Those of the frames that came when the ring may have been full of what was recorded before. */
export function thatRingMayLose(
  frames: readonly JudgedFrame[],
  recorded: readonly JudgedFrame[],
  slots: number,
): readonly JudgedFrame[] {
  const orders = [...recorded].sort((a, b) => a.order - b.order);
  return frames.filter(({ order, at }) => {
    const before = orders.filter((one) => one.order < order && one.at >= at - UNREAD);
    return before.length >= slots;
  });
}
