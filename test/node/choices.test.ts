import '../accounts.ts';
import { expect, it } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import { parseIp4 } from '../../src/wire/address.ts';
import { PODS, SERVICE, yaml } from '../replay/three-pods.ts';

/** Where connections from a to the service go, each with a port of its own. */
function endpoints(known: string | null, seed: number): Set<string> {
  const cluster = Cluster.fromYaml(yaml('ipipMode: Never', true), 'three pods', { seed });
  const node = cluster.names.find('n1');
  if (known !== null) node.netfilter!.chains.choices = { endpoint: () => parseIp4(known) };
  const seen = new Set<string>();
  captureAt(cluster, cluster.names.port('n1:eth0'), {
    write: (_s, _n, b, start, end) => {
      const ip = dissect(b.subarray(start, end)).layers.find(({ layer }) => layer === 'ipv4');
      if (ip?.layer === 'ipv4') seen.add(ip.dst);
    },
  });
  for (let port = 40_000; port < 40_040; port++) {
    const packet = buildFrame([
      { layer: 'ipv4', src: PODS[0], dst: SERVICE },
      { layer: 'udp', srcPort: port, dstPort: 53 },
    ]);
    cluster.originate(cluster.names.find('a'), packet);
  }
  cluster.run();
  return seen;
}

it('endpoints are drawn, unless it is known which was', () => {
  expect(endpoints(null, 7)).toEqual(new Set([PODS[1], PODS[2]]));
  for (const seed of [1, 2, 3]) {
    expect(endpoints(PODS[1], seed)).toEqual(new Set([PODS[1]]));
    expect(endpoints(PODS[2], seed)).toEqual(new Set([PODS[2]]));
  }
});
