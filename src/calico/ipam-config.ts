/** IPAMConfiguration (calicoctl) and IPAMConfig (the cluster's own group): limits on blocks. */
import type { Field } from './field.ts';

export interface IpamConfig {
  /** A node takes addresses from its own blocks only. */
  readonly strictAffinity: boolean;
  /** May nodes claim blocks on their own? */
  readonly autoAllocateBlocks: boolean;
  readonly maxBlocksPerHost: number;
  /** The same as it is stored, 0 where nobody set it. */
  readonly storedLimit: number;
}

/** A safeguard of Calico's where nothing is set (ipam.go autoAssign). */
const DEFAULT_BLOCKS = 20;

export const defaultIpamConfig: IpamConfig = {
  strictAffinity: false,
  autoAllocateBlocks: true,
  maxBlocksPerHost: DEFAULT_BLOCKS,
  storedLimit: 0,
};

/** Refuses a limit on blocks without strict affinity, as the API does. */
export function readIpamConfig(resource: Field): IpamConfig {
  const spec = resource.entry('spec');
  const strictAffinity = spec.entry('strictAffinity').optional((f) => f.boolean()) ?? false;
  const limit = spec.entry('maxBlocksPerHost');
  const blocks = limit.optional((f) => f.integer(0, 2 ** 31 - 1)) ?? 0;
  if (blocks > 0 && !strictAffinity) {
    throw limit.conflict('0, since strictAffinity is not set', String(blocks));
  }
  return {
    strictAffinity,
    autoAllocateBlocks: spec.entry('autoAllocateBlocks').optional((f) => f.boolean()) ?? true,
    maxBlocksPerHost: blocks === 0 ? DEFAULT_BLOCKS : blocks,
    storedLimit: blocks,
  };
}
