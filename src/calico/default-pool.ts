/**
 * The pool that calico-node makes at its first start, where there is none yet: from
 * the environment of the DaemonSet in calico.yaml (node/pkg/lifecycle/startup).
 */
import { Field } from './field.ts';
import { type IpPool, readIpPool } from './ip-pool.ts';
import { parseYaml } from './yaml-document.ts';

const NAME = 'default-ipv4-ippool';
const PREFIX = 'CALICO_IPV4POOL_';
const DEFAULT_CIDR = '192.168.0.0/16';

/** `undefined` for a DaemonSet that is not calico-node's, or that is told to make none. */
export function readDefaultPool(resource: Field): IpPool | undefined {
  const containers = resource
    .entry('spec')
    .entry('template')
    .entry('spec')
    .entry('containers')
    .items()
    .filter((at) => at.entry('name').optional((f) => f.text()) === 'calico-node');
  const env = new Map<string, Field>();
  for (const at of containers.flatMap((container) => container.entry('env').items())) {
    const value = at.entry('value');
    if (!value.absent) env.set(at.entry('name').text(), value);
  }
  if (containers.length === 0 || env.get('NO_DEFAULT_POOLS')?.flag() === true) return undefined;
  const variable = (name: string): string | undefined => env.get(PREFIX + name)?.text();
  const spec = {
    cidr: variable('CIDR') ?? DEFAULT_CIDR,
    blockSize: env.get(`${PREFIX}BLOCK_SIZE`)?.optional(readSize),
    ipipMode: mode(variable('IPIP')),
    vxlanMode: mode(variable('VXLAN')),
    natOutgoing: env.get(`${PREFIX}NAT_OUTGOING`)?.flag() ?? true,
    nodeSelector: variable('NODE_SELECTOR') ?? 'all()',
    disableBGPExport: env.get(`${PREFIX}DISABLE_BGP_EXPORT`)?.flag() ?? false,
  };
  // JSON is YAML: the pool's own rules hold for it as for one that is written out.
  const [document] = parseYaml(JSON.stringify({ spec }), `${resource.where} (calico-node)`);
  return readIpPool(NAME, Field.root(document!).named(`IPPool/${NAME}`));
}

/** A number in quotes, as the environment has it. */
function readSize(at: Field): number {
  if (!at.isText) return at.integer(20, 32);
  const text = at.text();
  if (!/^(2\d|3[0-2])$/.test(text)) throw at.refuse('a block size from 20 to 32');
  return Number(text);
}

const mode = (value: string | undefined): string =>
  value === undefined || /^(off|never)$/i.test(value) ? 'Never' : value;
