/** The YAML of a cluster of any size, as kubectl and calicoctl print it. */
const nodeName = (i) => `node-${String(i).padStart(5, '0')}`;
export const podName = (i) => `web-${String(i).padStart(6, '0')}`;

/**
 * One List of everything, with the fields that real Pods and Nodes are full of; pod i is on
 * node i modulo `nodes`. Modes: ipip, bgp, vxlan.
 */
export function* clusterYaml(mode, nodes, pods) {
  yield `apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: default-ipv4-ippool
spec:
  blockSize: 26
  cidr: 10.0.0.0/8
  ipipMode: ${mode === 'ipip' ? 'Always' : 'Never'}
  natOutgoing: true
  nodeSelector: all()
  vxlanMode: ${mode === 'vxlan' ? 'Always' : 'Never'}
---
apiVersion: v1
items:
`;
  for (let i = 0; i < nodes; i++) {
    const address = `172.16.${i >> 8}.${i & 255}`;
    yield `- apiVersion: projectcalico.org/v3
  kind: Node
  metadata:
    name: ${nodeName(i)}
    labels:
      kubernetes.io/hostname: ${nodeName(i)}
      kubernetes.io/os: linux
  spec:
    addresses:
    - address: ${address}/16
      type: CalicoNodeIP
    - address: ${address}
      type: InternalIP
    bgp:
      ipv4Address: ${address}/16
    orchRefs:
    - nodeName: ${nodeName(i)}
      orchestrator: k8s
`;
  }
  for (let i = 0; i < pods; i++) {
    yield `- apiVersion: v1
  kind: Pod
  metadata:
    creationTimestamp: "2024-05-01T10:00:00Z"
    labels:
      app: web
      pod-template-hash: 5d4f8c7b9
    name: ${podName(i)}
    namespace: default
  spec:
    containers:
    - image: nginx:1.25
      name: web
      ports:
      - containerPort: 80
        protocol: TCP
      resources: {}
    nodeName: ${nodeName(i % nodes)}
    restartPolicy: Always
  status:
    phase: Running
`;
  }
  yield 'kind: List\nmetadata:\n  resourceVersion: ""\n';
}
