/** What passed a cable: each end may have a capture, and each capture may have lost some of it. */
import type { Lab } from './lab.ts';
import { byTime, type CapturedFrame, type Recording } from './recording.ts';

/** All that was recorded of a device and of the other end of its veth pair; undefined where nothing was. */
export function cableRecording(lab: Lab, namespace: string, device: string): Recording | undefined {
  const { devices } = lab.plan.namespaces.find(({ name }) => name === namespace) ?? { devices: [] };
  const peer = devices.find(({ name }) => name === device)?.peer;
  const own = lab.frames(namespace, device);
  const other = peer && lab.frames(peer.namespace, peer.device);
  return own === undefined || other === undefined || own === other
    ? (own ?? other)
    : merged(own, other);
}

/** The frames of one recording, and those that only the other has: each as often as it is there more often. */
export function merged(one: Recording, other: Recording): Recording {
  const known = new Map<string, number>();
  const hexOf = ({ bytes }: CapturedFrame): string => bytes.toString('hex');
  for (const frame of one) known.set(hexOf(frame), (known.get(hexOf(frame)) ?? 0) + 1);
  const more = other.filter((frame) => {
    const left = known.get(hexOf(frame)) ?? 0;
    known.set(hexOf(frame), left - 1);
    return left <= 0;
  });
  return [...one, ...more].sort(byTime);
}
