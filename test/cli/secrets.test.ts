/** A private key that was given shows in nothing that any command prints or writes, but for key logs. */
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PrivateKey } from '../../src/wireguard/key.ts';
import { compileProgram } from './program.ts';

const { podwire, folder } = compileProgram();
/** Not clamped, with every kind of byte in it: what is given and what is used differ. */
const GIVEN = Buffer.from(Array.from({ length: 32 }, (_, i) => (i * 37 + 0xdb) & 0xff));
const TEXT = GIVEN.toString('base64');
const USED = new PrivateKey(GIVEN).reveal();

/** Ways to write a key down, and long parts of them. */
const FORMS: readonly string[] = [GIVEN, USED].flatMap((key) => {
  const hex = key.toString('hex');
  const bytes = [...key];
  return [
    key.toString('base64').slice(0, 24),
    key.toString('base64').slice(12, 40),
    key.toString('base64url').slice(2, 40),
    hex.slice(2, 40),
    hex.toUpperCase().slice(2, 40),
    hex.match(/../g)!.slice(1, 12).join(':'),
    hex.match(/../g)!.slice(1, 12).join(' '),
    bytes.slice(1, 12).join(','),
    bytes.slice(1, 12).join(', '),
    bytes
      .slice(1, 12)
      .map((byte) => `0x${byte.toString(16)}`)
      .join(','),
    key.toString('latin1').slice(1, 12),
  ];
});

const shown = (text: string): string | undefined => FORMS.find((form) => text.includes(form));

/** The cluster of a fixture that encrypts, with the key of one node. */
function clusterWith(name: string, key: string, more = ''): string {
  const at = join(folder, name);
  cpSync('fixtures/calico-vxlan', at, { recursive: true });
  writeFileSync(
    join(at, 'wireguard.yaml'),
    `apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\n` +
      `spec: {wireguardEnabled: true}\n---\napiVersion: podwire/v1\nkind: FreeInputs\nmetadata: {name: keys}\n` +
      `spec:\n  wireguardPrivateKeys:\n  - {node: k8s-node1, privateKey: ${key}}\n${more}`,
  );
  return at;
}

const out = join(folder, 'out');
mkdirSync(out);
const cluster = clusterWith('cluster', TEXT);
const dump = join(folder, 'dump.txt');
writeFileSync(
  dump,
  `root@n1:~# wg showconf wireguard.cali\n[Interface]\nPrivateKey = ${TEXT}\nbad line = x\n` +
    `root@n1:~# ip route\n192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1\n` +
    `root@n1:~# wg show all dump\nwireguard.cali ${TEXT} (none) 51820 off\nPrivateKey = ${TEXT}\n`,
);
const nic = join(out, 'pcaps', 'k8s-node1.enp1s0.pcapng');
const send = ['--from', 'client', '--to', 'kubia-d278t'];

const commands: readonly (readonly string[])[] = [
  ['trace', cluster, ...send, '--pcap', join(out, 'pcaps'), '--keylog', join(out, 'keys')],
  ['trace', cluster, ...send, '--reply', '--json'],
  ['show', cluster, 'k8s-node1'],
  ['show', cluster, 'k8s-node1', '--json'],
  ...[['wg'], ['wg', 'show', 'all', 'dump'], ['wg', 'show', 'wireguard.cali', 'private-key']].map(
    (argv) => ['exec', cluster, 'k8s-node1', '--', ...argv],
  ),
  ['exec', cluster, 'k8s-node1', '--', 'ip', '-d', '-j', 'link'],
  ['exec', cluster, 'k8s-node1', '--', 'calicoctl', 'get', 'node', '-o', 'yaml'],
  ['diff', cluster, '--set', 'felixconfiguration/default.wireguardEnabled=false'],
  ['diff', cluster, '--json', '--set', 'freeinputs/keys.wireguardPrivateKeys=[]'],
  ['lint', cluster],
  ['lint', cluster, '--json'],
  ['run', cluster, '--out', join(out, 'run')],
  ['replay', cluster, '--inject', `k8s-node1:enp1s0=${nic}`, '--capture-all', join(out, 'all')],
  ['replay', cluster, '--json', '--inject', `k8s-node1:enp1s0=${nic}`],
  ['dissect', nic],
  ['dissect', nic, '--json', '--keylog', join(out, 'keys')],
  ['filter', nic, 'udp port 51820'],
  ['import', dump, '-o', join(out, 'imported.yaml')],
  ['import', dump, '--json'],
  ['verify', cluster],
];

/** Wrong input, in which the key stands near the fault. */
const faults: readonly (readonly [string, string])[] = [
  ['unclosed', `"${TEXT}`],
  ['cut', TEXT.slice(0, 40)],
  ['long', `${TEXT}${TEXT}`],
  ['hex', GIVEN.toString('hex')],
  ['a list', `[${TEXT}]`],
  ['a map', `{${TEXT}: 1}`],
  ['an alias', `*${TEXT}`],
  ['a tag', `!!${TEXT} x`],
  ['twice', `${TEXT}, privateKey: ${TEXT}`],
];

/** Every file below a folder; those that hold secrets by their nature apart. */
function written(at: string): string[] {
  return readdirSync(at, { recursive: true, encoding: 'utf8' })
    .map((name) => join(at, name))
    .filter((name) => statSync(name).isFile());
}

describe('a private key that was given', () => {
  it.each(commands.map((argv) => [argv[0]!, argv] as const))(
    'is in nothing of podwire %s',
    (_, argv) => {
      const { stdout, stderr, status } = podwire(argv);
      expect([shown(stdout), shown(stderr)], argv.join(' ')).toEqual([undefined, undefined]);
      // A crash would be a stack trace, with who knows what in it.
      expect([0, 1, 2], stderr).toContain(status);
      expect(stderr).not.toMatch(/^\s+at /m);
    },
  );

  it('is in the key log and in captures of NICs, and in no other file', () => {
    const files = written(out);
    const holding = files.filter((file) => shown(readFileSync(file, 'latin1')) !== undefined);
    expect(holding).toContain(join(out, 'keys'));
    expect(holding).toContain(nic);
    expect(holding.filter((file) => !/(keys|enp1s0\.pcapng)$/.test(file))).toEqual([]);
    expect(files.length).toBeGreaterThan(holding.length);
  });

  it.each(faults)('is in no message about a fault: %s', (name, value) => {
    const at = clusterWith(name.replaceAll(' ', '-'), value);
    const { stdout, stderr, status } = podwire(['trace', at, ...send]);
    expect([status, stderr]).toEqual([2, expect.stringContaining('podwire: ')]);
    expect([shown(stdout), shown(stderr)]).toEqual([undefined, undefined]);
  });

  it('is in no message about another’s key', () => {
    const other = new PrivateKey(Buffer.alloc(32, 3)).publicKey.toString('base64');
    const node = readFileSync('fixtures/calico-vxlan/cluster.yaml', 'utf8');
    const at = clusterWith('conflict', TEXT);
    writeFileSync(
      join(at, 'cluster.yaml'),
      node.replace(/(name: k8s-node1\n)/, `$1`) +
        `\n---\napiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: k8s-node1}\nstatus: {wireguardPublicKey: "${other}"}\n`,
    );
    const { stderr, status } = podwire(['trace', at, ...send]);
    expect([status, shown(stderr)]).toEqual([2, undefined]);
  });
});
