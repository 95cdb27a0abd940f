/** `calicoctl version`: of the tool, and of the Calico that it finds. */
import type { Inventory } from '../plan/plan.ts';

/**
 * The tool is taken to be of the cluster's own version. `unknown` is calicoctl's word
 * for what ClusterInformation leaves out; for its own commit it is podwire's.
 */
export function printVersion({ release, version, clusterType, gitCommit }: Inventory): string {
  const lines = [
    ['Client Version:   ', version ?? release],
    ['Git commit:       ', gitCommit ?? 'unknown'],
    ['Cluster Version:  ', version ?? 'unknown'],
    ['Cluster Type:     ', clusterType ?? 'unknown'],
  ];
  return lines.map((words) => `${words.join(' ')}\n`).join('');
}
