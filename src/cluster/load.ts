/** A cluster from files: one YAML file, a folder of them, or standard input. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ManifestFile } from '../calico/manifest.ts';
import { fileError, PodwireError } from '../errors.ts';
import { planFiles } from '../import/plan-files.ts';
import { Cluster } from './cluster.ts';
import type { ClusterOptions } from './cluster-options.ts';

const YAML = /\.(ya?ml|json)$/i;

/**
 * `path`: a file, `-` for standard input, or a folder, of which every `.yaml`,
 * `.yml` and `.json` file directly inside is read, in name order.
 */
export function readManifests(path: string): ManifestFile[] {
  if (path === '-') return [{ text: read(0, '-'), source: '-' }];
  let folder: boolean;
  try {
    folder = statSync(path).isDirectory();
  } catch (cause) {
    throw fileError('a readable file or folder', cause, path);
  }
  if (!folder) return [{ text: read(path, path), source: path }];
  const names = readdirSync(path)
    .filter((name) => YAML.test(name))
    .sort();
  if (names.length === 0) {
    throw new PodwireError('ERR_FILE', 'expected .yaml files in the folder, found none', {
      source: path,
    });
  }
  return names.map((name) => {
    const source = join(path, name);
    return { text: read(source, source), source };
  });
}

export function loadCluster(path: string, options: ClusterOptions = {}): Cluster {
  return Cluster.fromPlan(planFiles(readManifests(path), options), options);
}

function read(file: string | number, source: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw fileError('a readable file or folder', cause, source);
  }
}
