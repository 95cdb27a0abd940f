/**
 * Frames that a capture lost. tcpdump drops packets of a burst, the more the longer its
 * device's packets may be (its ring has a slot as long for each). What was made and not
 * recorded did pass the device where the recording has what cannot be without it: another
 * capture with the frame inside a tunnel's, or inside the fragments of one, or with all that
 * came of it further on; the receiver's word that it has the bytes; its kernel's count of
 * what it received.
 */
import { Acknowledged } from './acknowledged.ts';
import type { InterfaceComparison, JudgedFrame } from './compare.ts';
import type { ReceivedCounts } from './received-counts.ts';

/** The comparisons with such frames counted as `lost`, not as `extra`. */
export function setLossesAside(
  compared: readonly InterfaceComparison[],
  counts: ReceivedCounts,
): InterfaceComparison[] {
  if (compared.every(({ unexpected }) => unexpected.length === 0)) return [...compared];
  const acknowledged = new Acknowledged(compared);
  const lost = new Set(
    compared.flatMap((one) => [
      ...wrapped(one, compared),
      ...acknowledged.of(one),
      ...counts.of(one),
    ]),
  );
  for (const course of courses(compared)) followBack(course, lost);
  return compared.map((one) => withoutLosses(one, lost));
}

function withoutLosses(
  one: InterfaceComparison,
  lost: ReadonlySet<JudgedFrame>,
): InterfaceComparison {
  const left = one.unexpected.filter((frame) => !lost.has(frame));
  const count = one.unexpected.length - left.length;
  // The differences of made frames stand last, in the order of `unexpected`.
  const first = one.differences.length - one.unexpected.length;
  const isLost = (i: number): boolean => i >= first && lost.has(one.unexpected[i - first]!);
  return {
    ...one,
    extra: one.extra - count,
    lost: count,
    differences: one.differences.filter((_, i) => !isLost(i)),
    unexpected: left,
  };
}

/**
 * Those that other captures of the same namespace have inside a tunnel's frame, as often as
 * they do. What came in a tunnel may have been refused before any capture: of that such as
 * went on, or as the ring may lose.
 */
function wrapped(
  one: InterfaceComparison,
  all: readonly InterfaceComparison[],
): readonly JudgedFrame[] {
  const outside = all
    .filter((c) => c.namespace === one.namespace && c.interface !== one.interface)
    .flatMap(({ agreed, whole }) => [...agreed.map((frame) => frame.masked), ...whole]);
  const furthest = new Map<number, number>();
  for (const { packet, order } of all.flatMap(({ agreed }) => agreed)) {
    furthest.set(packet, Math.max(order, furthest.get(packet) ?? 0));
  }
  const passed = (frame: JudgedFrame): boolean =>
    frame.outgoing ||
    (furthest.get(frame.packet) ?? 0) > frame.order ||
    one.losable.includes(frame);
  const seen = new Map<string, number>();
  return one.unexpected.filter((frame) => {
    const { masked } = frame;
    const before = seen.get(masked) ?? one.agreed.filter((other) => other.masked === masked).length;
    const times = outside.filter((other) => wraps(other, masked)).length;
    seen.set(masked, before + 1);
    return times > before && passed(frame);
  });
}

/** A frame ends with what is inside it; of WireGuard's, padding and tag stand behind, masked to zero. */
function wraps(frame: string, hex: string): boolean {
  const at = frame.lastIndexOf(hex);
  return at > 0 && /^0*$/.test(frame.slice(at + hex.length));
}

/** A frame on the way of its packet. */
interface Station {
  readonly frame: JudgedFrame;
  readonly place: InterfaceComparison;
  readonly isAgreed: boolean;
}

/** The ways of all packets of which frames are missing, as they were made, the last frame first. */
function courses(compared: readonly InterfaceComparison[]): readonly (readonly Station[])[] {
  const open = new Set(compared.flatMap(({ unexpected }) => unexpected.map((f) => f.packet)));
  const ways = new Map<number, Station[]>([...open].map((packet) => [packet, []]));
  for (const place of compared) {
    const { agreed, disputed, unexpected } = place;
    const add = (frames: readonly JudgedFrame[], isAgreed: boolean): void => {
      for (const frame of frames) ways.get(frame.packet)?.push({ frame, place, isAgreed });
    };
    add(agreed, true);
    add([...disputed, ...unexpected], false);
  }
  return [...ways.values()].map((way) => way.sort((a, b) => b.frame.order - a.frame.order));
}

/**
 * What other captures have of a packet further on proves what came before, if they have all
 * of it: of a train's segments each is to arrive.
 */
function followBack(course: readonly Station[], lost: Set<JudgedFrame>): void {
  const known = new Set<InterfaceComparison>();
  const doubted = new Set<InterfaceComparison>();
  const elsewhere = (places: ReadonlySet<InterfaceComparison>, here: InterfaceComparison) =>
    places.size > (places.has(here) ? 1 : 0);
  for (const { frame, place, isAgreed } of course) {
    const isOpen = !isAgreed && place.losable.includes(frame);
    if (isOpen && elsewhere(known, place) && !elsewhere(doubted, place)) lost.add(frame);
    if (isAgreed || lost.has(frame)) known.add(place);
    else doubted.add(place);
  }
}
