/**
 * The ranges of pods and services that Kubernetes itself was started with: kubeadm
 * keeps them in a ConfigMap, k3s in an annotation, and the components have them as flags.
 */
import {
  contains,
  formatPrefix,
  networkOf,
  overlaps,
  type Prefix,
  tryInterfaceAddress,
} from '../wire/address.ts';
import { Field } from './field.ts';
import type { IpPool } from './ip-pool.ts';
import { parseYaml } from './yaml-document.ts';

/** IPv4 only. */
export interface ClusterRanges {
  readonly pods?: Prefix;
  readonly services?: Prefix;
}

/** Names of flags of kube-controller-manager, kube-apiserver, kube-proxy, kubeadm and k3s. */
const FLAG =
  /--(cluster-cidr|pod-network-cidr|service-cidr|service-cluster-ip-range)[\s"',\\=]{1,12}([0-9a-fA-F:.,/]{1,200})/g;

/** From any text that holds their command lines; the first of each kind counts. */
export function rangesOfFlags(text: string): ClusterRanges {
  const found: { pods?: Prefix; services?: Prefix } = {};
  for (const [, flag = '', value = ''] of text.matchAll(FLAG)) {
    const range = firstIp4(value);
    if (range === undefined) continue;
    if (flag.startsWith('service')) found.services ??= range;
    else found.pods ??= range;
  }
  return found;
}

/** Two families stand in one value, with a comma between them. */
export function firstIp4(value: string): Prefix | undefined {
  for (const part of value.split(',')) {
    const prefix = part.includes('/') ? tryInterfaceAddress(part.trim()) : undefined;
    if (prefix !== undefined) return networkOf(prefix);
  }
  return undefined;
}

/** Of kubeadm's ClusterConfiguration. */
export function rangesOfKubeadm(configuration: Field): ClusterRanges {
  const networking = configuration.entry('networking');
  return {
    ...given('pods', networking.entry('podSubnet')),
    ...given('services', networking.entry('serviceSubnet')),
  };
}

/** Of KubeProxyConfiguration. */
export const rangesOfKubeProxy = (configuration: Field): ClusterRanges =>
  given('pods', configuration.entry('clusterCIDR'));

function given(key: 'pods' | 'services', at: Field): ClusterRanges {
  const expected = 'an IPv4 or IPv6 prefix, or both with a comma between them';
  const text = at.optional((f) => f.text(expected)) ?? '';
  if (text === '') return {};
  const range = firstIp4(text);
  if (range === undefined && !text.includes(':')) throw at.refuse(expected);
  return range === undefined ? {} : { [key]: range };
}

/** A document that a ConfigMap holds as text; none where the key is missing. */
export function inConfigMap(map: Field, key: string): Field | undefined {
  const at = map.entry('data').entry(key);
  const text = at.optional((f) => f.text()) ?? '';
  const [document] = parseYaml(text, `${at.where} (${key})`);
  return document && Field.root(document).named(`${map.resource} ${key}`);
}

/** What cannot be right: addresses of pods that are those of services, or no pods' at all. */
export function noteRanges(
  { pods, services }: ClusterRanges,
  pools: readonly IpPool[],
  assumptions: string[],
): void {
  for (const { name, cidr } of pools) {
    const pool = `IPPool/${name}: ${formatPrefix(cidr)}`;
    if (services !== undefined && overlaps(services, cidr)) {
      assumptions.push(`${pool} overlaps the range of services, ${formatPrefix(services)}`);
    }
    if (pods !== undefined && !(contains(pods, cidr.address) && cidr.length >= pods.length)) {
      assumptions.push(`${pool} is outside the cluster's range of pods, ${formatPrefix(pods)}`);
    }
  }
}
