/** `podwire import`, and the other commands on what it wrote, as a process of its own. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileProgram } from '../cli/program.ts';
import { trimLines } from '../text/namespace.ts';
import { labTables } from './dumps.ts';

const text = labTables('04-vxlan');

describe.skipIf(text === undefined)('podwire import', () => {
  const { podwire, folder } = compileProgram();
  const dumps = join(folder, 'dumps');
  const yaml = join(folder, 'cluster.yaml');

  it('a folder in, a cluster out, which can be traced and shown', () => {
    mkdirSync(dumps);
    for (const part of (text ?? '').split(/^##### namespace /m).slice(1)) {
      const name = part.slice(0, part.indexOf('\n'));
      writeFileSync(join(dumps, `${name}.txt`), part.slice(name.length + 1));
    }
    // Neither dumps nor text: passed over.
    writeFileSync(join(dumps, '.swp'), 'x');
    writeFileSync(join(dumps, 'node1.pcap'), 'x');
    writeFileSync(join(dumps, 'node1.bin'), Buffer.from([110, 0, 1]));
    const made = podwire(['import', dumps, '-o', yaml]);
    expect(made.stderr).toMatch(
      /^podwire: assumed: 192\.168\.33\.0\/24 is one L2 segment of gw:etha, node1:enp1s0, node2:enp1s0/m,
    );
    expect([made.status, made.stdout]).toEqual([0, '']);
    expect(readFileSync(yaml, 'utf8')).toMatch(/^kind: Tables$/m);

    const traced = podwire(['trace', yaml, '--from', 'a1', '--to', 'b1', '--proto', 'tcp']);
    expect(traced.stdout).toMatch(/delivered at b1\n$/);
    expect(traced.status).toBe(0);
    const routes = podwire(['exec', yaml, 'node1', '--', 'ip', 'route', 'show', 'table', 'all']);
    const listed = /namespace node1\n[\s\S]*?# ip route show table all\n((?:.+\n)+)/.exec(
      text ?? '',
    )?.[1];
    expect(trimLines(routes.stdout)).toBe(listed);
  });

  it('does not write over a file unless told to', () => {
    const before = readFileSync(yaml, 'utf8');
    expect(podwire(['import', dumps, '-o', yaml]).status).toBe(2);
    expect(podwire(['import', dumps, '-o', yaml, '--force']).status).toBe(0);
    expect(readFileSync(yaml, 'utf8')).toBe(before);
  });

  it('standard input to standard output is the same cluster as from the folder', () => {
    const piped = podwire(['import', '-'], text);
    expect(piped.status).toBe(0);
    writeFileSync(join(folder, 'piped.yaml'), piped.stdout);
    const show = (file: string) => podwire(['show', join(folder, file), 'node2']).stdout;
    expect(show('piped.yaml')).toBe(show('cluster.yaml'));
  });

  it('a trace that ends for want of a fact names it last, and in JSON', () => {
    const cut = (text ?? '').replace(/^66:8c:73:5a:90:99 dev vxlan\.calico dst .*\n/gm, '');
    const file = join(folder, 'cut.yaml');
    const made = podwire(['import', '-', '--out', file, '--json'], cut);
    const sentence = "node2's FDB entry for 66:8c:73:5a:90:99 is not in the dump";
    expect(made.stderr).toContain(`podwire: missing: ${sentence}\n`);
    expect(JSON.parse(made.stdout).missing).toEqual([
      { node: 'node2', command: 'bridge fdb show', text: sentence },
    ]);
    const traced = podwire(['trace', file, '--from', 'b1', '--to', 'a1']);
    expect(traced.status).toBe(1);
    expect(traced.stdout.trimEnd().split('\n').at(-1)).toBe(sentence);
    const json = JSON.parse(
      podwire(['trace', file, '--from', 'b1', '--to', 'a1', '--json']).stdout,
    );
    expect(json.missing[0].text).toBe(sentence);
    // The other way nothing is missing.
    expect(podwire(['trace', file, '--from', 'a1', '--to', 'b1']).status).toBe(0);
  });

  it('what is no dump is an error with a place', () => {
    expect(existsSync(join(folder, 'none'))).toBe(false);
    for (const [args, input, message] of [
      [[join(folder, 'none')], '', /expected a readable file or folder/],
      [['-'], 'hello\n', /expected the output of commands such as ip route/],
      [['-'], 'default via 10.0.0.1 dev eth0\n', /^podwire: -:1: expected the node's name above/],
      [
        ['-'],
        'root@n:~# ip route\n10.0.0.0/8 dev\n',
        /^podwire: -:2: expected a device name of 1 to 15 characters after dev, found nothing/,
      ],
    ] as const) {
      const ended = podwire(['import', ...args], input);
      expect(ended.status).toBe(2);
      expect(ended.stderr).toMatch(message);
    }
  });
});
