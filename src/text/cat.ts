/** `cat` of the one file that Felix keeps for others: the CNI plugin reads its pods' MTU there. */
import type { NamespacePlan } from '../plan/plan.ts';
import { refuse } from './words.ts';

const MTU_FILE = '/var/lib/calico/mtu';

/** The file has no final newline (int_dataplane.go writeMTUFile); only Calico's own nodes have it. */
export function runCat(
  { name, podMtu }: NamespacePlan,
  [path, ...more]: readonly string[],
): string {
  if (path !== MTU_FILE) return refuse('cat', MTU_FILE, path);
  if (more.length > 0) return refuse('cat', 'no more words', more[0]);
  return podMtu === undefined ? refuse('cat', 'a node of a Calico cluster', name) : String(podMtu);
}
