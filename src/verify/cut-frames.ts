/**
 * Frames of which a capture has less than there was. A frame cut by a snapshot length
 * can neither be sent again nor compared, but for one case: libpcap takes no more than
 * a device's MTU into its ring (setup_mmapped), and out of a tunnel come packets that
 * another node's larger MTU let in.
 */
import { PodwireError } from '../errors.ts';
import type { DevicePlan } from '../plan/plan.ts';
import type { MadeFrame, RecordedFrame } from './compare.ts';
import type { CapturedFrame } from './recording.ts';

/** Throws ERR_CAPTURE_TRUNCATED for a frame that a snapshot length cut; `number` is its own, from 1. */
export function refuseCut(
  file: string,
  { bytes, originalLength }: CapturedFrame,
  number: number,
  device: DevicePlan | undefined,
): void {
  if (bytes.length >= originalLength) return;
  const mayCut = device !== undefined && TUNNELS.has(device.kind);
  if (mayCut && bytes.length > device.mtu) return;
  const found = `frame ${number} cut to ${bytes.length} of ${originalLength} bytes (tcpdump -s 0 keeps all)`;
  throw new PodwireError('ERR_CAPTURE_TRUNCATED', `expected whole frames, found ${found}`, {
    source: file,
  });
}

const TUNNELS: ReadonlySet<string> = new Set(['vxlan', 'ipip', 'wireguard']);

/** A recorded frame, and how long it was. */
export interface KeptFrame extends RecordedFrame {
  readonly originalLength: number;
}

/** Cut frames, completed with what was made where all that was kept of them is the same. */
export function completeCut(
  recorded: readonly KeptFrame[],
  made: readonly MadeFrame[],
): RecordedFrame[] {
  const left = new Set(made);
  return recorded.map((kept) => {
    const { bytes, originalLength } = kept;
    if (bytes.length >= originalLength) return kept;
    const whole = [...left].find(
      (one) =>
        one.bytes.length === originalLength && one.bytes.subarray(0, bytes.length).equals(bytes),
    );
    if (whole === undefined) return kept;
    left.delete(whole);
    return { bytes: whole.bytes, at: kept.at };
  });
}
