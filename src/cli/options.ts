/** Readers of option values; each refuses with what was expected and what was found. */
import { InvalidArgumentError } from 'commander';
import { type Cluster, type ClusterOptions, loadCluster } from '../index.ts';
import { tell } from './terminal.ts';

/** A whole number in a range. */
export const integer =
  (least: number, most: number) =>
  (text: string): number => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`expected ${least} to ${most}.`);
  };

/** `NODE:DEVICE=FILE` */
export interface PortFile {
  readonly at: string;
  readonly file: string;
}

export function portFile(text: string, before: readonly PortFile[]): PortFile[] {
  const equals = text.indexOf('=');
  if (equals <= 0 || equals === text.length - 1 || !text.slice(0, equals).includes(':')) {
    throw new InvalidArgumentError('expected NODE:DEVICE=FILE.');
  }
  return [...before, { at: text.slice(0, equals), file: text.slice(equals + 1) }];
}

export interface ClusterFlags {
  readonly cold?: boolean;
  readonly seed?: number;
}

/** The cluster a command works on; says on standard error what was not used. */
export function clusterOf(path: string, flags: ClusterFlags = {}): Cluster {
  const options: ClusterOptions = {
    ...(flags.seed === undefined ? {} : { seed: flags.seed }),
    neighbours: flags.cold === true ? 'cold' : 'warm',
  };
  const cluster = loadCluster(path, options);
  const { ignored } = cluster.plan;
  if (ignored.length > 0) tell(`podwire: not used: ${ignored.join(', ')}\n`);
  return cluster;
}
