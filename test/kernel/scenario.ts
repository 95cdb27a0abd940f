/** A lab drawn from a seed, as the script that a real kernel runs. */

/** 32-bit numbers from a seed (a linear congruential generator is random enough for a lab). */
function draws(seed: number): (below: number) => number {
  let state = (seed * 2654435761) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const BLOCKS: Readonly<Record<string, string>> = {
  node1: '10.2.36',
  node2: '10.2.169',
  node3: '10.2.235',
};
const FIRST: Readonly<Record<string, number>> = { node1: 74, node2: 139, node3: 196 };

/** Python for the lab: mode, addresses, MACs, MTU and traffic all follow from the seed. */
export function scenarioOf(seed: number): string {
  const below = draws(seed);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const hex = (): string => below(256).toString(16).padStart(2, '0');
  const mode = pick(['direct', 'ipip', 'vxlan']);
  const cross = mode !== 'direct' && below(3) === 0;
  const nodes = cross || below(2) === 0 ? ['node1', 'node2', 'node3'] : ['node1', 'node2'];
  const pods = ['a1', 'b1', ...(below(2) === 0 ? ['a2'] : []), ...(nodes.length > 2 ? ['c1'] : [])];
  const home: Readonly<Record<string, string>> = {
    a1: 'node1',
    a2: 'node1',
    b1: 'node2',
    c1: 'node3',
  };
  const most = mode === 'direct' ? 1500 : mode === 'ipip' ? 1480 : 1450;
  const lines = [
    'import lab as L',
    'import pkt',
    'from common import from_pod',
    'def run(lab):',
    ...nodes.map(
      (node) => `    L.NODES['${node}']['mac'] = '52:54:${hex()}:${hex()}:${hex()}:${hex()}'`,
    ),
    ...pods.map((pod, i) => {
      const node = home[pod]!;
      const address = `${BLOCKS[node]}.${FIRST[node]! + i * 9 + below(9)}`;
      return `    L.PODS['${pod}'].update(ip='${address}', mac='02:00:${hex()}:${hex()}:${hex()}:${hex()}')`;
    }),
    `    lab.build('${mode}', pods=${python(pods)}, nodes=${python(nodes)}, neigh='${pick(['cold', 'static'])}', cross=${cross ? 'True' : 'False'}, pod_mtu=${pick([most, most, 1400, 1280])})`,
    '    lab.start()',
  ];
  for (let flow = 0; flow < 14; flow++) {
    const from = pick(pods);
    const to = pick(pods.filter((pod) => pod !== from));
    const port = 40000 + flow * 7 + below(7);
    switch (below(5)) {
      case 0:
        lines.push(`    lab.ping('${from}', '${to}', 1, ${below(3000)})`);
        break;
      case 1:
        lines.push(
          `    lab.tcp('${from}', ${port}, '${to}', ${8000 + flow}, ${below(900)}, ${below(1100)})`,
        );
        break;
      case 2:
        // A TTL that may end on the way, and bytes that no socket writes.
        lines.push(
          `    from_pod(lab, '${from}', pkt.ipv4(lab.pods['${from}']['ip'], lab.pods['${to}']['ip'], 17, ` +
            `pkt.udp(lab.pods['${from}']['ip'], lab.pods['${to}']['ip'], ${port}, 9, b'x' * ${below(400)}), ` +
            `ttl=${1 + below(4)}, ident=${20000 + flow}), 'drawn ${flow}')`,
        );
        break;
      default:
        lines.push(
          `    lab.udp('${from}', ${port}, '${to}', ${9000 + flow}, ${below(below(4) === 0 ? 3500 : 1300)}, ` +
            `reply=${below(300)}, tos=${pick([0, 0, 0x10, 0x28, 0x2e << 2, 1, 2])}, wait=0.3)`,
        );
    }
  }
  return `${lines.join('\n')}\n`;
}

const python = (names: readonly string[]): string =>
  `(${names.map((name) => `'${name}'`).join(', ')},)`;
