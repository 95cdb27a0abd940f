/**
 * KubeProxyConfiguration: what changes the rules of the iptables mode. Other modes are
 * noted and taken for it.
 */
import { printable } from '../errors.ts';
import type { Prefix } from '../wire/address.ts';
import type { Field } from './field.ts';

export interface KubeProxyConfiguration {
  /** Everything to a ClusterIP is masqueraded. */
  readonly masqueradeAll: boolean;
  /** The bit of the mark for what will be masqueraded. */
  readonly masqueradeBit: number;
  /** What is given and not modelled. */
  readonly unmodelled: readonly string[];
}

/** What the rules follow from. */
export interface KubeProxySettings extends KubeProxyConfiguration {
  /** `clusterCIDR`: what comes from outside it is masqueraded on its way to a ClusterIP. */
  readonly clusterCidr: Prefix | undefined;
}

/** Of a cluster that says nothing. */
export const DEFAULT_KUBE_PROXY: KubeProxyConfiguration = {
  masqueradeAll: false,
  masqueradeBit: 14,
  unmodelled: [],
};

export function readKubeProxy(at: Field): KubeProxyConfiguration {
  const iptables = at.entry('iptables');
  const word = (key: string): string => at.entry(key).optional((f) => f.text()) ?? '';
  const mode = word('mode');
  const detect = word('detectLocalMode');
  return {
    masqueradeAll: iptables.entry('masqueradeAll').optional((f) => f.boolean()) ?? false,
    masqueradeBit: iptables.entry('masqueradeBit').optional((f) => f.integer(0, 31)) ?? 14,
    unmodelled: [
      ...(mode === '' || mode === 'iptables' ? [] : [`mode ${printable(mode, 40)}`]),
      ...(detect === '' || detect === 'ClusterCIDR'
        ? []
        : [`detectLocalMode ${printable(detect, 40)}`]),
      ...(at.entry('nodePortAddresses').items().length > 0 ? ['nodePortAddresses'] : []),
    ],
  };
}
