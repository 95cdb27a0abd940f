import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { vethName } from '../../src/calico/names.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { PodwireError } from '../../src/errors.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { formatImport, importTables } from '../../src/import/tables-resource.ts';
import { parseKubectl } from '../../src/text/kubectl-reader.ts';
import { formatIp4 } from '../../src/wire/address.ts';
import { file } from './dumps.ts';

const PODS = `NAMESPACE     NAME                       READY   STATUS    RESTARTS       AGE    IP              NODE    NOMINATED NODE   READINESS GATES
kube-system   calico-node-abc12          1/1     Running   3 (2d5h ago)   12d    192.168.33.55   node1   <none>           <none>
web           front-7d4b9c6f5-x2x9z      1/1     Running   0              3h1m   10.2.36.71      node1   <none>           <none>
web           waiting-0                  0/1     Pending   0              1s     <none>          <none>  <none>           <none>
`;
const NODES = `NAME    STATUS   ROLES           AGE   VERSION   INTERNAL-IP     EXTERNAL-IP   OS-IMAGE                         KERNEL-VERSION   CONTAINER-RUNTIME
node1   Ready    control-plane   12d   v1.29.4   192.168.33.55   <none>        Debian GNU/Linux 12 (bookworm)   6.1.0-21-amd64   containerd://1.7.13
node2   Ready    <none>          12d   v1.29.4   192.168.33.57   <none>        Debian GNU/Linux 12 (bookworm)   6.1.0-21-amd64   containerd://1.7.13
`;
const SERVICES = `NAMESPACE     NAME         TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)                  AGE   SELECTOR
default       kubernetes   ClusterIP   10.96.0.1    <none>        443/TCP                  12d   <none>
web           front        NodePort    10.96.7.7    <none>        80:30080/TCP             3h    app=front
web           headless     ClusterIP   None         <none>        80/TCP                   3h    app=front
`;
const ENDPOINTS = `NAME         ENDPOINTS            AGE
front        10.2.36.71:8080      3h
`;
const VETH = vethName('web', 'front-7d4b9c6f5-x2x9z');
const TABLES = `root@node1:~# ip -d link
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP mode DEFAULT group default qlen 1000
    link/ether 52:54:00:85:ff:19 brd ff:ff:ff:ff:ff:ff
5: ${VETH}@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP mode DEFAULT group default qlen 1000
    link/ether ee:ee:ee:ee:ee:ee brd ff:ff:ff:ff:ff:ff link-netnsid 0
root@node1:~# ip addr show eth0
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000
    link/ether 52:54:00:85:ff:19 brd ff:ff:ff:ff:ff:ff
    inet 192.168.33.55/24 brd 192.168.33.255 scope global eth0
root@node1:~# ip route
default via 192.168.33.1 dev eth0
192.168.33.0/24 dev eth0 proto kernel scope link src 192.168.33.55
10.2.36.71 dev ${VETH} scope link
`;

describe('tables of kubectl', () => {
  it('name the pods behind cali devices, the nodes and the services', () => {
    for (const prompt of ['', 'root@node1:~# kubectl get pods -A -o wide\n']) {
      const text = `${TABLES}${prompt}${PODS}\n${NODES}\n${SERVICES}\n${ENDPOINTS}`;
      const { plan } = importDumps([file(text)]);
      expect(plan.namespaces.map(({ name }) => name)).toContain('web/front-7d4b9c6f5-x2x9z');
      expect(
        plan.inventory!.nodes.map(({ name, address }) => [name, formatIp4(address!.address)]),
      ).toEqual([
        ['node1', '192.168.33.55'],
        ['node2', '192.168.33.57'],
      ]);
      expect(plan.services!.map(({ name }) => name)).toEqual(['default/kubernetes', 'web/front']);
      const cluster = Cluster.fromPlan(plan);
      expect(cluster.send({ from: 'node1', to: 'front-7d4b9c6f5-x2x9z' }).outcome).toBe(
        'delivered',
      );
      const again = importTables([
        { text: formatImport(importDumps([file(text)])), source: 'cluster.yaml' },
      ]);
      expect(again.plan.inventory).toEqual(plan.inventory);
    }
  });

  it('are read row by row, and refused with the line', () => {
    const { pods } = parseKubectl(PODS);
    expect(
      pods.map(({ name, node, address }) => [name, node, address && formatIp4(address)]),
    ).toEqual([
      ['kube-system/calico-node-abc12', 'node1', '192.168.33.55'],
      ['web/front-7d4b9c6f5-x2x9z', 'node1', '10.2.36.71'],
      ['web/waiting-0', undefined, undefined],
    ]);
    expect(() => parseKubectl(PODS.replace('10.2.36.71 ', '10.2.36.771'))).toThrow(
      /kubectl:3: expected an IP address/,
    );
    expect(() => parseKubectl('a  b  c\n')).toThrow(PodwireError);
  });
});
