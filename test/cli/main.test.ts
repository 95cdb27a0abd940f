import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { installed } from '../judge.ts';
import { compileProgram } from './program.ts';

const { podwire, bash, folder } = compileProgram();
const VXLAN = join('fixtures', 'calico-vxlan');
const real = join('..', 'shared', 'captures', 'calico-vxlan.pcap');
const document = join('..', 'shared', 'documents', '003_06bdd62466b25588.txt');
const at = (name: string): string => join(folder, name);
const tcpdump = installed('tcpdump', 'pipes into it are not tried');

describe('podwire run', () => {
  const out = at('out');
  const ended = podwire([
    'run',
    'fixtures/calico-ipip',
    'fixtures/calico-bgp',
    VXLAN,
    '--out',
    out,
  ]);

  it('writes the three captures and says that they are the real ones', () => {
    expect(ended.status).toBe(0);
    expect(ended.stdout.match(/equal to the real capture/g)?.length).toBe(3);
    for (const digest of ['22e85c8d35d337a6', '620df7a98baea8fa', '795fb301f9e7d4fc']) {
      expect(ended.stdout).toContain(digest);
    }
    expect(ended.stdout).toContain('the first packet, hop by hop');
    expect(statSync(join(out, 'calico-vxlan.pcap')).size).toBe(1581);
  });

  it.skipIf(!existsSync(real))('byte for byte', () => {
    for (const mode of ['ipip', 'bgp', 'vxlan']) {
      const original = readFileSync(join('..', 'shared', 'captures', `calico-${mode}.pcap`));
      expect(readFileSync(join(out, `calico-${mode}.pcap`)).equals(original)).toBe(true);
    }
  });

  it('exits 1 where a capture differs, and still writes it', () => {
    const changed = at('changed');
    bash(`cp -r ${VXLAN} ${changed} && sed -i 's/next: 5343/next: 5344/' ${changed}/free.yaml`);
    const other = podwire(['run', changed, '--out', at('other'), '--json']);
    expect(other.status).toBe(1);
    expect(JSON.parse(other.stdout)[0]).toMatchObject({
      name: 'calico-vxlan',
      equal: false,
      frames: 10,
    });
    expect(statSync(at('other/calico-vxlan.pcap')).size).toBe(1581);
  });

  it('writes one capture into a pipe, and a pcapng where the scenario says so', () => {
    const { stdout, stderr, status } = bash(`podwire run ${VXLAN} -q -o - | sha256sum`);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^795fb301f9e7d4fc/);
    expect(stderr).toContain('equal to the real capture, byte for byte');
    expect(podwire(['run', VXLAN, 'fixtures/calico-bgp', '--out', '-']).stderr).toContain(
      '--out -: expected one Scenario, found more',
    );
    const changed = at('blocks');
    bash(`cp -r ${VXLAN} ${changed}`);
    const scenario = join(changed, 'scenario.yaml');
    const text = readFileSync(scenario, 'utf8');
    writeFileSync(scenario, text.replace('calico-vxlan.pcap', 'calico-vxlan.pcapng'));
    podwire(['run', changed, '--out', at('ng'), '-q']);
    const frames = (file: string) => JSON.parse(podwire(['dissect', file, '--json']).stdout);
    podwire(['run', VXLAN, '--out', at('plain'), '-q']);
    const hex = (list: { layers: unknown[] }[]) => list.map(({ layers }) => JSON.stringify(layers));
    const ng = frames(at('ng/calico-vxlan.pcapng'));
    expect(ng[0].interface).toBe('enp1s0');
    expect(hex(ng)).toEqual(hex(frames(at('plain/calico-vxlan.pcap'))));
  });
});

describe('podwire trace', () => {
  it('prints JSON of the documented shape, and nothing else on stdout', () => {
    const ended = podwire([
      'trace',
      VXLAN,
      '--from',
      'default/client',
      '--to',
      '10.2.36.71',
      '--proto',
      'tcp',
      '--dport',
      '8080',
      '--json',
    ]);
    expect(ended.status).toBe(0);
    const trace = JSON.parse(ended.stdout);
    expect(Object.keys(trace).sort()).toEqual(['at', 'frames', 'outcome', 'steps']);
    expect(trace).toMatchObject({ outcome: 'delivered', at: 'default/kubia-d278t' });
    for (const step of trace.steps) {
      expect(
        Object.keys(step).filter((k) => !['node', 'room', 'device', 'entry', 'note'].includes(k)),
      ).toEqual([]);
      expect(typeof step.note).toBe('string');
    }
    for (const frame of trace.frames) {
      expect(Object.keys(frame)).toEqual(['node', 'device', 'hex']);
      expect(frame.hex).toMatch(/^([0-9a-f]{2})+$/);
    }
  });

  it('exits 1 with the reason where the packet is dropped', () => {
    const ended = podwire([
      'trace',
      VXLAN,
      '--from',
      'client',
      '--to',
      'kubia-d278t',
      '--size',
      '1451',
      '--df',
    ]);
    expect(ended.status).toBe(1);
    expect(ended.stdout).toContain('dropped at default/client: packet-too-big');
    expect(ended.stdout).toContain('MTU 1450 of eth0');
    const json = podwire([
      'trace',
      VXLAN,
      '--from',
      'client',
      '--to',
      'kubia-d278t',
      '--ttl',
      '1',
      '--json',
    ]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      outcome: 'dropped',
      at: 'k8s-node2',
      reason: 'ttl-expired',
    });
  });

  it('to a service by its name: says which endpoint, and by which rule', () => {
    const service = `apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.10, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
ports: [{name: "", port: 8080}]
endpoints: [{addresses: [10.2.36.71]}]
`;
    const input = `${readFileSync(join(VXLAN, 'cluster.yaml'), 'utf8')}\n---\n${service}`;
    const args = ['--from', 'client', '--to', 'web.default', '--proto', 'tcp', '--dport', '80'];
    const ended = podwire(['trace', '-', ...args], input);
    expect(ended.stderr).toBe('');
    expect(ended.stdout).toContain('delivered at default/kubia-d278t');
    expect(ended.stdout).toMatch(
      / destination is now 10\.2\.36\.71:8080, an endpoint of default\/web \(KUBE-SEP-\w{16}\)$/m,
    );
    expect(ended.status).toBe(0);
  });
});

describe('podwire exec and show', () => {
  const exec = (mode: string, ...argv: string[]) =>
    podwire(['exec', join('fixtures', `calico-${mode}`), 'k8s-node1', '--', ...argv]).stdout;

  it.skipIf(!existsSync(document))('print what the document shows', () => {
    const text = readFileSync(document, 'utf8');
    /** Lines of the document that have all of these words. */
    const lines = (...words: string[]): string[] =>
      text
        .split('\n')
        .map((l) => l.trimEnd())
        .filter((l) => words.every((w) => l.includes(w)) && !l.includes('`'));
    const trimmed = (out: string): string[] => out.split('\n').map((l) => l.trimEnd());

    const ipip = ['blackhole 10.2', 'scope link', 'dev tunl0 proto bird']
      .flatMap((w) => lines(w))
      .filter((l) => /^(blackhole )?10\./.test(l));
    expect(ipip.length).toBe(7);
    expect(trimmed(exec('ipip', 'ip', 'route')).filter((l) => ipip.includes(l))).toEqual(ipip);
    const bgp = lines('dev enp1s0 proto bird');
    expect(bgp.length).toBe(2);
    expect(trimmed(exec('bgp', 'ip', 'route')).filter((l) => bgp.includes(l))).toEqual(bgp);
    const vxlan = lines('dev vxlan.calico onlink');
    expect(vxlan.length).toBe(2);
    expect(trimmed(exec('vxlan', 'ip', 'route')).filter((l) => vxlan.includes(l))).toEqual(vxlan);

    expect(
      trimmed(exec('vxlan', 'bridge', 'fdb', 'show', 'dev', 'vxlan.calico')).length,
    ).toBeGreaterThan(2);
    expect(
      trimmed(exec('vxlan', 'bridge', 'fdb', 'show')).filter((l) => l.includes('vxlan')),
    ).toEqual(lines('self permanent'));
    expect(trimmed(exec('vxlan', 'arp', '-a', '-n')).filter((l) => l.includes('vxlan'))).toEqual(
      lines('[ether] PERM'),
    );

    const block = (from: string, to: string): string =>
      text.slice(text.indexOf(from) + from.length, text.indexOf(to)).trim();
    const untrailed = (s: string): string =>
      s
        .split('\n')
        .map((l) => l.trimEnd())
        .join('\n')
        .trim();
    expect(untrailed(exec('vxlan', 'ip', 'a', 'show', 'vxlan.calico'))).toBe(
      untrailed(block('# ip a\n', '# ip -d link')),
    );
    expect(untrailed(exec('vxlan', 'ip', '-d', 'link', 'show', 'vxlan.calico'))).toBe(
      untrailed(block('# ip -d link\n', '# bridge fdb')),
    );
  });

  it('number veth peers across namespaces', () => {
    const node = exec('vxlan', 'ip', 'link', 'show', 'calid2918f95dae');
    const pod = podwire(['exec', VXLAN, 'kubia-d278t', '--', 'ip', 'link', 'show', 'eth0']).stdout;
    const [, own, peer] = /^(\d+): calid2918f95dae@if(\d+):/.exec(node)!;
    expect(pod).toMatch(new RegExp(`^${peer}: eth0@if${own}:`));
  });

  it('show lists every table', () => {
    const { stdout, status } = podwire(['show', VXLAN, 'default/client']);
    expect(status).toBe(0);
    for (const heading of [
      '# ip addr',
      '# ip rule',
      '# ip route',
      '# ip neigh',
      '# bridge fdb show',
    ]) {
      expect(stdout).toContain(heading);
    }
    expect(stdout).toContain('default via 169.254.1.1 dev eth0');
  });
});

describe('podwire replay', () => {
  it.skipIf(!existsSync(real))(
    'delivers the inner packets of a real capture, and captures everywhere',
    () => {
      const dir = at('all');
      const ended = podwire([
        'replay',
        VXLAN,
        '--inject',
        `k8s-node1:enp1s0=${real}`,
        '--capture',
        `kubia-d278t:eth0=${at('pod.pcap')}`,
        '--capture-all',
        dir,
        '--json',
      ]);
      expect(ended.status).toBe(0);
      const report = JSON.parse(ended.stdout);
      expect(report).toMatchObject({ injected: 10, sentAgain: 4, delivered: 6, drops: {} });
      expect(report.captures[0]).toEqual({ file: at('pod.pcap'), frames: 10 });
      expect(existsSync(join(dir, 'k8s-node1.vxlan.calico.pcapng'))).toBe(true);
      expect(existsSync(join(dir, 'default_kubia-d278t.eth0.pcapng'))).toBe(true);
      expect(existsSync(join(dir, 'k8s-node2.enp1s0.pcapng'))).toBe(false);
    },
  );

  it.skipIf(!existsSync(real))('lets in only what passes --filter', () => {
    const inject = ['replay', VXLAN, '--inject', `k8s-node1:enp1s0=${real}`, '--json'];
    const chosen = podwire([...inject, '--filter', 'udp and dst host 192.168.33.55']);
    expect(JSON.parse(chosen.stdout)).toMatchObject({ injected: 6, sentAgain: 0 });
    const none = podwire([...inject, '--filter', 'arp']);
    expect(JSON.parse(none.stdout)).toMatchObject({ injected: 0, delivered: 0 });
    expect(podwire([...inject, '--filter', 'host x']).status).toBe(2);
    const shard = podwire([...inject, '--filter', 'udp', '--shard', '0/2', '--part', at('part')]);
    expect(shard.stderr).toContain('--filter: expected no --shard');
  });

  it.skipIf(!existsSync(real) || !tcpdump)('pipes into tcpdump, and from another program', () => {
    const line = `podwire replay ${VXLAN} --inject k8s-node1:enp1s0=- --capture kubia-d278t:eth0=- < ${real} | tcpdump -nr - 2>/dev/null`;
    const { stdout, status } = bash(line);
    expect(status).toBe(0);
    expect(stdout.trim().split('\n').length).toBe(10);
    expect(stdout).toContain('10.2.169.136.52920 > 10.2.36.71.8080');
  });

  it.skipIf(!existsSync(real))('keeps what was written before a cut input failed', () => {
    writeFileSync(at('cut.pcap'), readFileSync(real).subarray(0, -7));
    const ended = podwire([
      'replay',
      VXLAN,
      '--inject',
      `k8s-node1:enp1s0=${at('cut.pcap')}`,
      '--capture',
      `kubia-d278t:eth0=${at('kept.pcap')}`,
    ]);
    expect(ended.status).toBe(2);
    expect(ended.stderr).toMatch(/^podwire: .*cut\.pcap at byte 1449: .*\n$/);
    expect(JSON.parse(podwire(['dissect', at('kept.pcap'), '--json']).stdout).length).toBe(9);
    expect(
      podwire(['replay', VXLAN, '--inject', `k8s-node1:enp1s0=${at('cut.pcap')}`, '--lenient'])
        .status,
    ).toBe(0);
  });
});

describe('podwire dissect', () => {
  it('labels offloaded sums partial, others valid', () => {
    const out = at('labels');
    podwire(['run', 'fixtures/calico-bgp', VXLAN, '--out', out, '-q']);
    const states = (file: string): string[] =>
      JSON.parse(podwire(['dissect', join(out, file), '--json']).stdout).flatMap(
        (f: { layers: { layer: string; checksumState?: string }[] }) =>
          f.layers.filter((l) => l.layer === 'tcp').map((l) => l.checksumState),
      );
    expect(states('calico-bgp.pcap')).toEqual(Array(10).fill('partial'));
    expect(states('calico-vxlan.pcap')).toEqual(Array(10).fill('valid'));
    expect(
      podwire(['dissect', join(out, 'calico-bgp.pcap')]).stdout.match(
        /checksum 0x[0-9a-f]{4} partial/g,
      )?.length,
    ).toBe(10);
    const bent = readFileSync(join(out, 'calico-vxlan.pcap'));
    bent[bent.length - 1] = bent.at(-1)! ^ 1;
    writeFileSync(at('bent.pcap'), bent);
    expect(states('../bent.pcap')).toEqual([...Array(9).fill('valid'), 'wrong']);
  });

  it('filter chooses frames, to read or to copy', () => {
    const file = at('out/calico-vxlan.pcap');
    const frames = (path: string) =>
      JSON.parse(podwire(['dissect', path, '--json']).stdout) as {
        layers: { layer: string; dst?: string }[];
        time: string;
      }[];
    const wanted = frames(file).filter(({ layers }) => layers[1]!.dst === '192.168.33.57');
    expect(wanted.length).toBeGreaterThan(0);
    const expression = 'udp port 4789 and dst host 192.168.33.57';
    podwire(['filter', file, expression, '-w', at('some.pcap')]);
    expect(frames(at('some.pcap')).map(({ time }) => time)).toEqual(wanted.map(({ time }) => time));
    const text = podwire(['filter', file, expression]).stdout;
    expect(text.match(/^frame /gm)).toHaveLength(wanted.length);
    const json = JSON.parse(podwire(['filter', file, expression, '--json']).stdout);
    expect(json).toEqual(wanted);
    const wrong = podwire(['filter', file, 'host x']);
    expect([wrong.status, wrong.stderr]).toEqual([
      2,
      'podwire: filter: expected an IPv4 address, found "x"\n',
    ]);
  });

  it('a reader that goes away ends it quietly', () => {
    const { stderr } = bash(`podwire dissect ${at('out/calico-vxlan.pcap')} | head -c 100`);
    expect(stderr).toBe('');
  });
});

describe('bad input: one clear line, exit code 2, no stack trace', () => {
  writeFileSync(at('text.pcap'), 'this is not a capture, is it?');
  writeFileSync(at('zip.pcap'), Buffer.from('1f8b0800000000000003', 'hex'));
  writeFileSync(at('empty.pcap'), '');
  const pool = (name: string, cidr: string, mode = 'Never') =>
    `apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata:\n  name: ${name}\nspec:\n  cidr: ${cidr}\n  ipipMode: ${mode}\n`;
  writeFileSync(
    at('overlap.yaml'),
    `${pool('a', '10.2.0.0/16')}---\n${pool('b', '10.2.128.0/17')}`,
  );
  writeFileSync(at('mode.yaml'), pool('a', '10.2.0.0/16', 'always'));
  writeFileSync(at('broken.yaml'), 'kind: [IPPool\nmetadata: }');

  it.each([
    [['dissect', at('text.pcap')], /text\.pcap.*(pcap|capture)/],
    [['dissect', at('zip.pcap')], /gzip/],
    [['dissect', at('empty.pcap')], /empty\.pcap/],
    [['dissect', at('absent.pcap')], /absent\.pcap/],
    [['dissect', folder], /directory|EISDIR|folder/i],
    [['show', at('overlap.yaml'), 'x'], /overlap\.yaml:\d+: IPPool\/b/],
    [
      ['show', at('mode.yaml'), 'x'],
      /mode\.yaml:7: IPPool\/a spec\.ipipMode: expected .*Never.*found "always"/,
    ],
    [['show', at('broken.yaml'), 'x'], /broken\.yaml:\d+/],
    [['show', at('none.yaml'), 'x'], /none\.yaml: expected a readable file/],
    [['show', VXLAN, 'k8s-node9'], /expected a pod .*found "k8s-node9"/],
    [['trace', VXLAN, '--from', 'nobody', '--to', 'client'], /found "nobody"/],
    [['trace', VXLAN, '--from', 'client', '--to', '10.2.36.711'], /found "10\.2\.36\.711"/],
    [
      ['trace', VXLAN, '--from', 'client', '--to', 'client', '--size', '99999'],
      /--size.*expected 28 to 65535/,
    ],
    [['trace', VXLAN, '--from', 'client', '--to', 'client', '--proto', 'sctp'], /tcp, udp, icmp/],
    [
      ['trace', VXLAN, '--from', 'client', '--to', 'client', '--proto', 'tcp', '--size', '30'],
      /size: expected 40 to 65535, found 30/,
    ],
    [['exec', VXLAN, 'k8s-node1', '--', 'ip', 'rout', 'add'], /ip route|show/],
    [['exec', VXLAN, 'k8s-node1', '--', 'reboot'], /found "reboot"/],
    [['replay', VXLAN, '--inject', 'k8s-node1'], /NODE:DEVICE=FILE/],
    [
      ['replay', VXLAN, '--inject', `k8s-node1:eth7=${at('text.pcap')}`],
      /expected a device of lo, enp1s0/,
    ],
    [['replay', VXLAN], /--inject/],
    [['run', VXLAN, '--out', at('text.pcap')], /text\.pcap/],
    [['frobnicate'], /unknown command/],
    [['trace', VXLAN, '--frm', 'client'], /--from/],
  ])('%s', (args, message) => {
    const { status, stdout, stderr } = podwire(args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^podwire: /);
    expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(2);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout === '' || args[0] === 'dissect').toBe(true);
  });

  it('an input is not written over', () => {
    podwire(['run', VXLAN, '--out', at('same'), '-q']);
    const file = at('same/calico-vxlan.pcap');
    const before = readFileSync(file);
    const { status, stderr } = podwire([
      'replay',
      VXLAN,
      '--inject',
      `k8s-node1:enp1s0=${file}`,
      '--capture',
      `client:eth0=${file}`,
    ]);
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining('expected another file than an input'),
    ]);
    expect(readFileSync(file).equals(before)).toBe(true);
  });
});

describe('help', () => {
  it.each(['trace', 'replay', 'show', 'exec', 'dissect', 'run'])(
    '%s --help has an example',
    (command) => {
      const { status, stdout } = podwire([command, '--help']);
      expect(status).toBe(0);
      expect(stdout).toMatch(/Examples?:\n {2}podwire/);
    },
  );

  it('--version is that of the package', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(podwire(['--version']).stdout).toBe(`${version}\n`);
  });
});
