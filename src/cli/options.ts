/** Readers of option values; each refuses with what was expected and what was found. */
import { InvalidArgumentError, Option } from 'commander';
import {
  Cluster,
  type ClusterOptions,
  type ClusterPlan,
  editManifests,
  listen,
  type ManifestFile,
  planCluster,
  type Release,
  readManifests,
} from '../index.ts';
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

/** A port that listens in a namespace. */
interface Listener {
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** `--listen`, once for each port. */
export const listenOption = (): Option =>
  new Option(
    '--listen <name:port[/udp]>',
    'this port of a pod, node or host listens, and its others do not (repeatable)',
  ).argParser((text: string, before: readonly Listener[] | undefined) => {
    const [, name, port, suffix] = /^(.+):(\d{1,5})(\/udp|\/tcp)?$/.exec(text) ?? [];
    if (name === undefined || Number(port) < 1 || Number(port) > 65535) {
      throw new InvalidArgumentError('expected NAME:PORT or NAME:PORT/udp.');
    }
    const protocol = suffix === '/udp' ? 'udp' : 'tcp';
    const listener: Listener = { name, protocol, port: Number(port) };
    return [...(before ?? []), listener];
  });

/** `--set`, once for each edit. */
export const setOption = (): Option =>
  new Option(
    '--set <kind/name.field=value>',
    'what if: change a field of the cluster first (repeatable)',
  )
    .argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text])
    .default([], '');

/** `--release`, for the commands that plan a cluster. */
export const releaseOption = (): Option =>
  new Option(
    '--release <vX.Y>',
    'Calico to behave like (default: what the cluster says, or v3.28)',
  );

/** What a cluster is planned with. */
export interface PlanFlags {
  readonly set?: readonly string[];
  readonly release?: string;
  readonly seed?: number;
}

/** `--routes-only`, for the commands that send packets. */
export const routesOnlyOption = (): Option =>
  new Option('--routes-only', 'no rules, no NAT, no connection tracking: what the routes alone do');

export interface ClusterFlags extends PlanFlags {
  readonly cold?: boolean;
  readonly listen?: readonly Listener[];
  readonly routesOnly?: boolean;
}

/** What `planCluster` is called with. */
export function edited(
  files: readonly ManifestFile[],
  { set = [], release, seed }: PlanFlags,
): Parameters<typeof planCluster> {
  const options = {
    ...(release === undefined ? {} : { release: release as Release }),
    ...(seed === undefined ? {} : { seed }),
  };
  return [editManifests(files, set), options];
}

/** The plan of some files, edited; says on standard error what was not used. */
export function planOf(files: readonly ManifestFile[], flags: ClusterFlags = {}): ClusterPlan {
  if (flags.routesOnly === true) {
    tell('podwire: routes only: nothing is filtered, translated or tracked\n');
  }
  const plan = planCluster(...edited(files, flags));
  if (plan.ignored.length > 0) tell(`podwire: not used: ${plan.ignored.join(', ')}\n`);
  return plan;
}

/** The cluster a command works on. */
export function clusterOf(path: string, flags: ClusterFlags = {}): Cluster {
  return clusterOfPlan(planOf(readManifests(path), flags), flags);
}

/** A new cluster of a plan. */
export function clusterOfPlan(plan: ClusterPlan, flags: ClusterFlags): Cluster {
  const cluster = Cluster.fromPlan(plan, clusterOptions(flags));
  for (const { name, protocol, port } of flags.listen ?? []) {
    listen(cluster, name, { [protocol]: [port] });
  }
  return cluster;
}

const clusterOptions = (flags: ClusterFlags): ClusterOptions => ({
  ...(flags.seed === undefined ? {} : { seed: flags.seed }),
  neighbours: flags.cold === true ? 'cold' : 'warm',
  netfilter: flags.routesOnly !== true,
});
