/** The two pods between which packets go, and what the one sends to the other. */
import { fileURLToPath } from 'node:url';

export const FIXTURE = fileURLToPath(new URL('../fixtures/calico-vxlan', import.meta.url));
export const SENDER = { pod: 'default/kubia-d278t', node: 'k8s-node1', ip: '10.2.36.71' };
export const RECEIVER = { pod: 'default/client', node: 'k8s-node2', ip: '10.2.169.136' };
const HEADERS = 14 + 20 + 8;

/** What the sending pod puts on its wire, `size` bytes of Ethernet frame. */
export const udpLayers = (cluster, size) => [
  { layer: 'ethernet', src: macOf(cluster, SENDER.pod), dst: 'ee:ee:ee:ee:ee:ee' },
  { layer: 'ipv4', src: SENDER.ip, dst: RECEIVER.ip },
  { layer: 'udp', srcPort: 1024, dstPort: 53 },
  { layer: 'payload', bytes: new Uint8Array(size - HEADERS) },
];

const macOf = (cluster, pod) =>
  JSON.parse(cluster.exec(pod, ['ip', '-j', 'link', 'show', 'dev', 'eth0']))[0].address;
/** The node's end of a pod's veth. */
export const hostSide = (cluster, { node, ip }) =>
  / dev (\S+)/.exec(cluster.exec(node, ['ip', 'route', 'get', ip]))[1];
