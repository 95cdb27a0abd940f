/**
 * Frames that a capture lost. tcpdump drops packets of a burst; where a frame went
 * through a tunnel device, the same namespace's wire shows it again inside another,
 * or inside the fragments of one. A frame that was made, and is on the recorded wire
 * in full, did pass the device.
 */
import type { InterfaceComparison } from './compare.ts';

/** The comparisons with such frames counted as `lost`, not as `extra`. */
export const setLossesAside = (compared: readonly InterfaceComparison[]): InterfaceComparison[] =>
  compared.map((one) => (one.unexpected.length === 0 ? one : withoutLosses(one, compared)));

function withoutLosses(
  one: InterfaceComparison,
  all: readonly InterfaceComparison[],
): InterfaceComparison {
  const outside = all
    .filter((c) => c.namespace === one.namespace && c.interface !== one.interface)
    .flatMap(({ agreed, whole }) => [...agreed, ...whole]);
  const seen = new Map<string, number>();
  const isLost = one.unexpected.map((hex) => {
    const before = seen.get(hex) ?? one.agreed.filter((other) => other === hex).length;
    const wrapped = outside.filter((frame) => wraps(frame, hex)).length;
    seen.set(hex, before + 1);
    return wrapped > before;
  });
  const lost = isLost.filter(Boolean).length;
  // The differences of made frames stand last, in the order of `unexpected`.
  const first = one.differences.length - one.unexpected.length;
  return {
    ...one,
    extra: one.extra - lost,
    lost,
    differences: one.differences.filter((_, i) => i < first || isLost[i - first] !== true),
    unexpected: one.unexpected.filter((_, i) => isLost[i] !== true),
  };
}

/** A frame ends with what is inside it; of WireGuard's, padding and tag stand behind, masked to zero. */
function wraps(frame: string, hex: string): boolean {
  const at = frame.lastIndexOf(hex);
  return at > 0 && /^0*$/.test(frame.slice(at + hex.length));
}
