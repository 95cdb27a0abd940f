/** Which interface a capture was taken on, as the name of its file says. */
import type { NamespacePlan } from '../plan/plan.ts';

export interface CaptureName {
  readonly namespace: NamespacePlan;
  /** Absent where the file is of the whole namespace: `tcpdump -i any`. */
  readonly device?: string;
}

const EXTENSION = /\.(pcap|pcapng|cap|dmp)(\d{1,6}|\.\d{1,6})?$/i;

/** `tcpdump -C` and `-W` number the files that they go on in. */
export const isCaptureName = (path: string): boolean => EXTENSION.test(path);

/**
 * Of `node1.eth0.pcap`, `node1/eth0.pcap`, `node1-eth0.pcap`, `default/web.eth0.pcap`,
 * `node1.any.pcap`, in whatever folders: those that it may be of. A pod may go by its name
 * without its namespace, a device by another name of it.
 */
export function capturesNamed(path: string, namespaces: readonly NamespacePlan[]): CaptureName[] {
  const parts = path.replace(EXTENSION, '').split('/');
  // The longest way of reading the name that means something counts.
  for (let from = 0; from < parts.length; from++) {
    const name = parts.slice(from).join('/');
    const found = namespaces.flatMap((namespace) => ofNamespace(name, namespace));
    if (found.length > 0) return found;
  }
  return [];
}

function ofNamespace(name: string, namespace: NamespacePlan): CaptureName[] {
  const short = namespace.name.split('/').at(-1) ?? '';
  for (const own of new Set([namespace.name, short])) {
    if (name === own) return [{ namespace }];
    if (!name.startsWith(own) || !/[-._/]/.test(name[own.length] ?? '')) continue;
    const rest = name.slice(own.length + 1);
    if (rest === 'any') return [{ namespace }];
    const device = namespace.devices.find(
      (one) => one.name === rest || one.altNames?.includes(rest),
    );
    if (device !== undefined) return [{ namespace, device: device.name }];
  }
  return [];
}
