/** A plan from files of either kind: resources of Calico, or the tables of an import. */
import { type PlanOptions, planCluster } from '../calico/cluster-plan.ts';
import type { ManifestFile } from '../calico/manifest.ts';
import type { ClusterPlan } from '../plan/plan.ts';
import { holdsTables, importTables } from './tables-resource.ts';

/**
 * Plans the cluster that the files describe. Throws PodwireError ERR_CONFIG_SYNTAX,
 * ERR_CONFIG_VALUE or ERR_CONFIG_CONFLICT with file and line, ERR_USAGE for a release
 * that is not modelled. Pasted tables are what they are: no release changes them.
 */
export const planFiles = (
  files: readonly ManifestFile[],
  options: PlanOptions = {},
): ClusterPlan => (holdsTables(files) ? importTables(files).plan : planCluster(files, options));
