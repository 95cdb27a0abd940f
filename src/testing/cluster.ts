/**
 * Arbitrary small clusters as the YAML that `calicoctl get -o yaml` and
 * `kubectl get -o yaml` would give, cut down to what routing depends on.
 * Text only, so that any reader of such files can be tested with it.
 */
import fc from 'fast-check';

export type ClusterMode = 'direct' | 'ipip' | 'ipip-cross-subnet' | 'vxlan' | 'vxlan-cross-subnet';

export interface ArbitraryCluster {
  /** One IPPool, then Nodes, then Pods without addresses. */
  readonly yaml: string;
  readonly nodes: readonly string[];
  readonly pods: readonly { readonly name: string; readonly node: string }[];
  readonly mode: ClusterMode;
}

const modes: { readonly [M in ClusterMode]: { readonly ipip: string; readonly vxlan: string } } = {
  direct: { ipip: 'Never', vxlan: 'Never' },
  ipip: { ipip: 'Always', vxlan: 'Never' },
  'ipip-cross-subnet': { ipip: 'CrossSubnet', vxlan: 'Never' },
  vxlan: { ipip: 'Never', vxlan: 'Always' },
  'vxlan-cross-subnet': { ipip: 'Never', vxlan: 'CrossSubnet' },
};

const pool = (cidr: string, blockSize: number, mode: ClusterMode, natOutgoing: boolean): string =>
  `apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: default-ipv4-ippool
spec:
  blockSize: ${blockSize}
  cidr: ${cidr}
  ipipMode: ${modes[mode].ipip}
  natOutgoing: ${natOutgoing}
  nodeSelector: all()
  vxlanMode: ${modes[mode].vxlan}
`;

const node = (name: string, cidr: string): string =>
  `apiVersion: projectcalico.org/v3
kind: Node
metadata:
  name: ${name}
spec:
  bgp:
    ipv4Address: ${cidr}
`;

const pod = (name: string, on: string): string =>
  `apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: default
spec:
  nodeName: ${on}
`;

/**
 * One to five nodes in one or two /24 subnets, one pool of any mode, up to eight
 * pods. Every pool has a block for every node.
 */
export const cluster = (): fc.Arbitrary<ArbitraryCluster> =>
  fc
    .record(
      {
        mode: fc.constantFrom(...(Object.keys(modes) as ClusterMode[])),
        cidr: fc.constantFrom('10.2.0.0/16', '192.168.64.0/18', '10.233.64.0/18'),
        blockSize: fc.integer({ min: 24, max: 29 }),
        natOutgoing: fc.boolean(),
        /** The subnet of each node. */
        subnets: fc.array(fc.nat(1), { minLength: 1, maxLength: 5 }),
        /** The node of each pod, modulo their number. */
        places: fc.array(fc.nat(59), { maxLength: 8 }),
      },
      { noNullPrototype: true },
    )
    .map(({ mode, cidr, blockSize, natOutgoing, subnets, places }) => {
      const nodes = subnets.map((_, i) => `node${i + 1}`);
      const pods = places.map((place, i) => ({
        name: `pod-${i + 1}`,
        node: nodes[place % nodes.length]!,
      }));
      const documents = [
        pool(cidr, blockSize, mode, natOutgoing),
        ...subnets.map((subnet, i) => node(nodes[i]!, `172.16.${subnet}.${11 + i}/24`)),
        ...pods.map(({ name, node: on }) => pod(name, on)),
      ];
      return { yaml: documents.join('---\n'), nodes, pods, mode };
    });
