/**
 * Lines that tell how a cluster was set up: variables of calico-node as `kubectl
 * describe`, `kubectl set env --list` or a part of a manifest show them, ranges of
 * pods and services from kubeadm's configuration or from flags of Kubernetes' parts,
 * and `calicoctl version`.
 */
import { type PastedLine, type TextPlace, writtenLines } from './line-reader.ts';

/** A thing that was set, with its place. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly line: PastedLine;
}

export interface SetupListed {
  /** Variables of calico-node. */
  readonly variables: readonly Setting[];
  /** `podSubnet`, `serviceSubnet`. */
  readonly subnets: readonly Setting[];
  /** Lines with flags such as `--cluster-cidr`. */
  readonly flags: readonly PastedLine[];
  /** `Cluster Version` and its like, by what stands before the colon. */
  readonly version: ReadonlyMap<string, string>;
}

/** `CALICO_IPV4POOL_IPIP:  Always` (describe) and `CALICO_IPV4POOL_IPIP=Always` (set env). */
const VARIABLE =
  /^((?:CALICO|CLUSTER)_[A-Z0-9_]{2,80}|NO_DEFAULT_POOLS)(?::[ \t]{1,40}|=)(\S.{0,500})?$/;
/** `- name: CALICO_IPV4POOL_IPIP` and `"name": "CALICO_IPV4POOL_IPIP",` with the value on the next line. */
const NAME = /^(?:- )?"?name"?: "?((?:CALICO|CLUSTER)_[A-Z0-9_]{2,80}|NO_DEFAULT_POOLS)"?,?$/;
const VALUE = /^"?value"?: ("(?:[^"\\]|\\.){0,500}"|'[^']{0,500}'|[^"'\s][^,]{0,500}),?$/;
const SUBNET = /^(podSubnet|serviceSubnet): (\S{1,200})$/;
const FLAGS = /--(?:cluster-cidr|pod-network-cidr|service-cidr|service-cluster-ip-range)[\s"',\\=]/;
const VERSION = /^(Client Version|Git commit|Cluster Version|Cluster Type): {1,12}(\S.{0,200})$/;
const COMMANDS = /^(ip6?tables|ip|bridge)\b/;

/** Does a line tell such a thing? `open`: the line before did. */
export function isSetupLine(text: string, open: boolean): boolean {
  const line = text.trimStart();
  if (COMMANDS.test(line)) return false;
  return (
    VARIABLE.test(line) ||
    NAME.test(line) ||
    SUBNET.test(line) ||
    VERSION.test(line) ||
    FLAGS.test(line) ||
    (open && VALUE.test(line))
  );
}

/** Reads what it knows and passes over all else. */
export function parseSetup(text: string, place: TextPlace = { source: 'setup' }): SetupListed {
  const variables: Setting[] = [];
  const subnets: Setting[] = [];
  const flags: PastedLine[] = [];
  const version = new Map<string, string>();
  let named: string | undefined;
  for (const line of writtenLines(text, place)) {
    const look = line.text.trimStart();
    const value = named === undefined ? undefined : VALUE.exec(look)?.[1];
    if (named !== undefined && value !== undefined) {
      variables.push({ name: named, value: unquoted(value), line });
    }
    named = NAME.exec(look)?.[1];
    const [, variable, set = ''] = VARIABLE.exec(look) ?? [];
    // What comes from elsewhere prints as `<set to the key …>`.
    if (variable !== undefined && !set.startsWith('<')) {
      variables.push({ name: variable, value: unquoted(set), line });
    }
    const [, subnet, range] = SUBNET.exec(look) ?? [];
    if (subnet !== undefined && range !== undefined) {
      subnets.push({ name: subnet, value: unquoted(range), line });
    }
    const [, title, known] = VERSION.exec(look) ?? [];
    if (title !== undefined && known !== undefined) version.set(title, known);
    if (FLAGS.test(look)) flags.push(line);
  }
  return { variables, subnets, flags, version };
}

const unquoted = (text: string): string => text.replace(/^"(.*)"$|^'(.*)'$/, '$1$2');
