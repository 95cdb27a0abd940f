/** Interface indices: the kernel's order of creation, or what FreeInputs states. */
import type { DevicePlan } from '../plan/plan.ts';
import type { Unnumbered } from './devices.ts';
import type { DeviceNote, Freedoms } from './free-inputs.ts';

export type Numbering = (
  namespace: string,
  devices: readonly (Unnumbered | DevicePlan)[],
  first?: number,
) => DevicePlan[];

/**
 * lo is 1, the others follow in order from `first` and step over stated indices. A device
 * that comes with the right index already stays the same object.
 */
export function numbering({ ifindex, checksumOffload }: Freedoms): Numbering {
  const stated = indexNotes(ifindex);
  const offloaded = indexNotes(checksumOffload);
  return (namespace, devices, first = 2) => {
    const own = stated.get(namespace);
    const used = new Map<number, string>();
    for (const { device, index, at } of own?.values() ?? []) {
      const before = used.get(index);
      if (before !== undefined) {
        throw at.conflict(`an index of its own, since ${before} has this one`, String(index));
      }
      used.set(index, device);
    }
    let next = 1;
    return devices.map((device) => {
      let index = own?.get(device.name)?.index;
      if (index === undefined) {
        while (used.has(next)) next += 1;
        index = next;
        next = Math.max(next + 1, first);
      }
      const checksumOffload =
        device.checksumOffload || offloaded.get(namespace)?.has(device.name) === true;
      const isDone =
        'index' in device && device.index === index && device.checksumOffload === checksumOffload;
      return isDone ? device : { ...device, index, checksumOffload };
    });
  };
}

function indexNotes<T extends DeviceNote>(notes: readonly T[]): Map<string, Map<string, T>> {
  const byNode = new Map<string, Map<string, T>>();
  for (const note of notes) {
    const devices = byNode.get(note.node) ?? new Map<string, T>();
    byNode.set(note.node, devices.set(note.device, note));
  }
  return byNode;
}
