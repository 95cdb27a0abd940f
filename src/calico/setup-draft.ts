/**
 * The resources that tell how the cluster was set up, gathered while the files are
 * read: Calico's manifest or operator, kubeadm, and the flags of Kubernetes' own parts.
 */
import { backendOfConfigMap, backendOfInstallation } from './backend.ts';
import {
  type ClusterRanges,
  inConfigMap,
  rangesOfFlags,
  rangesOfKubeadm,
  rangesOfKubeProxy,
} from './cluster-ranges.ts';
import { defaultPool, environmentOf } from './default-pool.ts';
import type { Field } from './field.ts';
import { isHostLocal } from './host-local.ts';
import type { IpPool } from './ip-pool.ts';
import {
  DEFAULT_KUBE_PROXY,
  type KubeProxyConfiguration,
  readKubeProxy,
} from './kube-proxy-configuration.ts';
import { operatorPools } from './operator-pools.ts';
import { named, namespaced } from './resource-name.ts';

/** What is known of the installation. */
export interface Setup {
  /** False where the backend is VXLAN alone. */
  readonly runsBird: boolean;
  /** Calico's version, as ClusterInformation tells it. */
  readonly version: string | undefined;
  /** `k8s,bgp,kubeadm,kdd`, as ClusterInformation tells it or calico-node would make it. */
  readonly clusterType: string | undefined;
  readonly ranges: ClusterRanges;
  /** Are pods' addresses from the host-local plugin, not from Calico's IPAM? */
  readonly hostLocal: boolean;
  readonly kubeProxy: KubeProxyConfiguration;
  /** A readiness probe that asks BIRD. */
  readonly birdProbe: Field | undefined;
  /** Pools that the installation makes where the cluster has none. */
  readonly pools: readonly IpPool[];
}

export class SetupDraft {
  private runs: boolean | undefined;
  private version: string | undefined;
  private clusterType: string | undefined;
  private ranges: ClusterRanges = {};
  private kubeProxy = DEFAULT_KUBE_PROXY;
  private calicoNode: { readonly env: ReadonlyMap<string, Field>; readonly at: Field } | undefined;
  private birdProbe: Field | undefined;
  private hostLocal = false;
  private installation: Field | undefined;
  /** kubeadm's own: the only ones that Calico looks at. */
  private kubeadm: ClusterRanges | undefined;

  addInformation(root: Field): true {
    const spec = named('ClusterInformation', root)[1].entry('spec');
    this.version = spec.entry('calicoVersion').optional((f) => f.text()) ?? this.version;
    this.clusterType = spec.entry('clusterType').optional((f) => f.text()) ?? this.clusterType;
    return true;
  }

  /** False for one that says nothing about the network. */
  addConfigMap(root: Field): boolean {
    const [, name, at] = namespaced('ConfigMap', root);
    if (name === 'calico-config') {
      this.runs = backendOfConfigMap(at) ?? this.runs;
      this.hostLocal ||= isHostLocal(at);
    } else if (name === 'kubeadm-config') {
      const configuration = inConfigMap(at, 'ClusterConfiguration');
      if (configuration !== undefined) this.addKubeadm(configuration);
    } else if (name === 'kube-proxy') {
      const configuration = inConfigMap(at, 'config.conf');
      if (configuration !== undefined) this.addKubeProxy(configuration);
    } else return false;
    return true;
  }

  addKubeadm(configuration: Field): true {
    this.kubeadm = rangesOfKubeadm(configuration);
    this.addRanges(this.kubeadm);
    return true;
  }

  addKubeProxy(configuration: Field): true {
    this.kubeProxy = readKubeProxy(configuration);
    this.addRanges(rangesOfKubeProxy(configuration));
    return true;
  }

  /** False for one that is not calico-node's. */
  addDaemonSet(root: Field): boolean {
    const [, name, at] = namespaced('DaemonSet', root);
    if (name !== 'calico-node') return false;
    const container = at
      .entry('spec')
      .entry('template')
      .entry('spec')
      .entry('containers')
      .items()
      .find((item) => item.entry('name').optional((f) => f.text()) === 'calico-node');
    if (container === undefined) return true;
    // Parts of one may have been pasted in several places.
    const env = new Map([...(this.calicoNode?.env ?? []), ...environmentOf(container)]);
    this.calicoNode = { env, at: at.emptied() };
    const probe = container.entry('readinessProbe').entry('exec').entry('command');
    this.birdProbe ??= probe
      .items()
      .find((word) => word.isText && /^--?bird-ready$/.test(word.text()));
    const backend = env.get('CALICO_NETWORKING_BACKEND')?.text();
    if (backend !== undefined && backend !== '') this.runs ??= backend === 'bird';
    return true;
  }

  addInstallation(root: Field): true {
    const [, at] = named('Installation', root);
    this.installation = at;
    this.runs = backendOfInstallation(at) ?? this.runs;
    const ipam = at.entry('spec').entry('cni').entry('ipam').entry('type');
    this.hostLocal ||= ipam.isText && ipam.text() === 'HostLocal';
    return true;
  }

  /** Kubernetes' own parts run as pods of the host network, with the ranges as flags. */
  addPod(root: Field): void {
    const name = root.entry('metadata').entry('name');
    if (!name.isText || !/^kube-(apiserver|controller-manager|proxy)/.test(name.text())) return;
    const words = root
      .entry('spec')
      .entry('containers')
      .items()
      .flatMap((item) => [...item.entry('command').items(), ...item.entry('args').items()])
      .flatMap((word) => (word.isText ? [word.text()] : []));
    this.addRanges(rangesOfFlags(words.join(' ')));
  }

  /** k3s writes down the arguments of its server. */
  addNode(root: Field): void {
    const annotations = root.entry('metadata').entry('annotations');
    const words = annotations.entry('k3s.io/node-args').optional((f) => f.text());
    if (words !== undefined) this.addRanges(rangesOfFlags(words));
  }

  /** What stands first counts. */
  private addRanges(ranges: ClusterRanges): void {
    this.ranges = { ...ranges, ...this.ranges };
  }

  finish(): Setup {
    return {
      runsBird: this.runs ?? true,
      version: this.version,
      clusterType: this.clusterType ?? this.madeType(),
      ranges: this.ranges,
      hostLocal: this.hostLocal,
      kubeProxy: this.kubeProxy,
      birdProbe: this.birdProbe,
      pools: this.madePools(),
    };
  }

  private madePools(): readonly IpPool[] {
    const kubeadm = this.kubeadm ?? {};
    if (this.installation !== undefined) return operatorPools(this.installation, kubeadm);
    if (this.calicoNode === undefined) return [];
    const { env, at } = this.calicoNode;
    const pool = defaultPool(env, kubeadm, `${at.where} (calico-node)`);
    return pool === undefined ? [] : [pool];
  }

  /** node/pkg/lifecycle/startup ensureDefaultConfig, libcalico-go ensureClusterInformation */
  private madeType(): string | undefined {
    if (this.calicoNode === undefined) return undefined;
    const given = this.calicoNode.env.get('CLUSTER_TYPE')?.text() ?? '';
    return [given, this.kubeadm === undefined ? '' : 'kubeadm', 'kdd']
      .filter((word) => word !== '')
      .join(',');
  }
}

/** Readers of these kinds by `apiVersion kind`; each says whether it had use for the resource. */
export const setupKinds = (
  calico: readonly string[],
): [string, (draft: SetupDraft, root: Field) => boolean][] => [
  ...calico.map((group): [string, (draft: SetupDraft, root: Field) => boolean] => [
    `${group} ClusterInformation`,
    (draft, root) => draft.addInformation(root),
  ]),
  ['v1 ConfigMap', (draft, root) => draft.addConfigMap(root)],
  ['apps/v1 DaemonSet', (draft, root) => draft.addDaemonSet(root)],
  ['operator.tigera.io/v1 Installation', (draft, root) => draft.addInstallation(root)],
  ...['v1beta2', 'v1beta3', 'v1beta4'].map(
    (version): [string, (draft: SetupDraft, root: Field) => boolean] => [
      `kubeadm.k8s.io/${version} ClusterConfiguration`,
      (draft, root) => draft.addKubeadm(root.named('ClusterConfiguration')),
    ],
  ),
  [
    'kubeproxy.config.k8s.io/v1alpha1 KubeProxyConfiguration',
    (draft, root) => draft.addKubeProxy(root.named('KubeProxyConfiguration')),
  ],
];
