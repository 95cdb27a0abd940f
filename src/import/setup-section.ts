/**
 * Lines about how the cluster was set up, as the manifests they were taken from: those
 * have a reader already. Each value stands in the line it had, so that messages name it.
 */
import { type ClusterRanges, rangesOfFlags } from '../calico/cluster-ranges.ts';
import type { ManifestFile } from '../calico/manifest.ts';
import { parseSetup } from '../text/setup-reader.ts';
import type { Section } from './section.ts';

export interface SetupPieces {
  readonly manifests: readonly ManifestFile[];
  /** From flags of Kubernetes' parts; Calico itself looks at kubeadm's only. */
  readonly ranges: ClusterRanges;
  /** Of the calicoctl that was asked. */
  readonly gitCommit?: string;
}

const POOL = /^(CALICO_IPV4POOL_|NO_DEFAULT_POOLS$)/;

/** `section`: of the format `setup`. */
export function readSetup(section: Section): SetupPieces {
  const { variables, subnets, flags, version } = parseSetup(section.text, section);
  const { source } = section;
  const manifests: ManifestFile[] = [];
  const add = (
    head: string,
    entries: readonly (readonly [number, string])[],
    tail: string,
  ): void => {
    if (entries.length > 0) manifests.push({ source, text: inLines(head, entries, tail) });
  };
  add(
    '{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "calico-node"}, "spec": {"template": {"spec": {"containers": [{"name": "calico-node", "env": [',
    // Without any about the pool it may be another program's environment.
    (variables.some(({ name }) => POOL.test(name)) ? variables : []).map(
      ({ name, value, line }) => [line.line, JSON.stringify({ name, value })] as const,
    ),
    ']}]}}}}',
  );
  add(
    '{"apiVersion": "kubeadm.k8s.io/v1beta3", "kind": "ClusterConfiguration", "networking": {',
    unique(subnets).map(({ name, value, line }) => [
      line.line,
      `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
    ]),
    '}}',
  );
  const known = {
    calicoVersion: version.get('Cluster Version'),
    clusterType: version.get('Cluster Type'),
  };
  if (known.calicoVersion !== undefined) {
    const head = {
      apiVersion: 'projectcalico.org/v3',
      kind: 'ClusterInformation',
      metadata: { name: 'default' },
    };
    manifests.push({ source, text: JSON.stringify({ ...head, spec: known }) });
  }
  const gitCommit = version.get('Git commit');
  return {
    manifests,
    ranges: rangesOfFlags(flags.map(({ text }) => text).join('\n')),
    ...(gitCommit === undefined ? {} : { gitCommit }),
  };
}

/** The last word about each. */
const unique = <T extends { readonly name: string }>(settings: readonly T[]): T[] => [
  ...new Map(settings.map((setting) => [setting.name, setting])).values(),
];

/** One entry to a line, each where it stood. */
function inLines(
  head: string,
  entries: readonly (readonly [number, string])[],
  tail: string,
): string {
  let at = 1;
  let text = '';
  for (const [i, [line, entry]] of entries.entries()) {
    text += '\n'.repeat(line - at) + (i === 0 ? head : '') + entry;
    text += i === entries.length - 1 ? tail : ',';
    at = line;
  }
  return text;
}
