/**
 * The pool that calico-node makes at its first start, where there is none yet: from
 * the environment of the DaemonSet in calico.yaml (node/pkg/lifecycle/startup).
 */
import { formatPrefix } from '../wire/address.ts';
import type { ClusterRanges } from './cluster-ranges.ts';
import { Field } from './field.ts';
import { type IpPool, readIpPool } from './ip-pool.ts';
import { parseYaml } from './yaml-document.ts';

export const DEFAULT_POOL = 'default-ipv4-ippool';
const PREFIX = 'CALICO_IPV4POOL_';
/** DEFAULT_IPV4_POOL_CIDR; the operator has the same. */
export const DEFAULT_CIDR = '192.168.0.0/16';

/** The variables of a container, by name; of a value from elsewhere nothing is known. */
export function environmentOf(container: Field): ReadonlyMap<string, Field> {
  const env = new Map<string, Field>();
  for (const at of container.entry('env').items()) {
    const value = at.entry('value');
    if (!value.absent) env.set(at.entry('name').text(), value);
  }
  return env;
}

/** `undefined` where calico-node is told to make none. `ranges` are kubeadm's. */
export function defaultPool(
  env: ReadonlyMap<string, Field>,
  ranges: ClusterRanges,
  where: string,
): IpPool | undefined {
  const variable = (name: string): string | undefined => {
    const text = env.get(PREFIX + name)?.text();
    return text === '' ? undefined : text;
  };
  if (env.get('NO_DEFAULT_POOLS')?.flag() === true || variable('CIDR') === 'none') return undefined;
  const kubeadm = ranges.pods === undefined ? undefined : formatPrefix(ranges.pods);
  return poolFromSpec(DEFAULT_POOL, where, {
    cidr: variable('CIDR') ?? kubeadm ?? DEFAULT_CIDR,
    blockSize: env.get(`${PREFIX}BLOCK_SIZE`)?.optional(readSize),
    ipipMode: mode(variable('IPIP')),
    vxlanMode: mode(variable('VXLAN')),
    natOutgoing: env.get(`${PREFIX}NAT_OUTGOING`)?.flag() ?? true,
    nodeSelector: variable('NODE_SELECTOR') ?? 'all()',
    disableBGPExport: env.get(`${PREFIX}DISABLE_BGP_EXPORT`)?.flag() ?? false,
  });
}

/** A pool that nobody wrote as one. `where` is what messages about it name. */
export function poolFromSpec(name: string, where: string, spec: object): IpPool | undefined {
  // JSON is YAML: the pool's own rules hold for it as for one that is written out.
  const [document] = parseYaml(JSON.stringify({ spec }), where);
  return readIpPool(name, Field.root(document!).named(`IPPool/${name}`));
}

/** A number in quotes, as the environment has it. */
function readSize(at: Field): number {
  if (!at.isText) return at.integer(20, 32);
  const text = at.text();
  if (!/^(2\d|3[0-2])$/.test(text)) throw at.refuse('a block size from 20 to 32');
  return Number(text);
}

/** The words that startup takes, in any case (createIPPool). */
function mode(value: string | undefined): string {
  const word = value?.toLowerCase() ?? 'never';
  if (word === 'off' || word === 'never') return 'Never';
  if (word === 'crosssubnet' || word === 'cross-subnet') return 'CrossSubnet';
  return word === 'always' ? 'Always' : (value ?? 'Never');
}
