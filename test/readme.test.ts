/** The README's examples run as they stand, and print what their comments say. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { compileProgram } from './cli/program.ts';

const readme = readFileSync('README.md', 'utf8');
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, b]) => b!,
  );

const program = compileProgram();
mkdirSync('out', { recursive: true });

function run(source: string, name: string): string {
  const local = source
    .replace(/from 'podwire'/g, "from '../src/index.js'")
    .replace(/from 'podwire\/(testing|live)'/g, "from '../src/$1/index.js'");
  const file = join(program.folder, `${name}.mjs`);
  const options = {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  };
  writeFileSync(file, ts.transpileModule(local, options).outputText);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

describe('README', () => {
  const examples = blocks('ts');

  it('has library examples', () => expect(examples.length).toBe(4));

  it('regenerates and traces', () => {
    const out = run(examples[0]!, 'first');
    expect(out).toContain(
      '10 795fb301f9e7d4fc157d77e3f23a514ce93636a956f13d167fa88ef1b94423ea true',
    );
    expect(out).toContain('delivered at default/kubia-d278t');
  });

  it('prints what the comments of the library example say', () => {
    const lines = run(examples[1]!, 'second').split('\n');
    for (const [, said] of examples[1]!.matchAll(/console\.log\(.*\); \/\/ (.*)/g)) {
      expect(lines).toContain(said);
    }
    expect(lines.some((l) => l.startsWith('10.2.169.136 via 192.168.33.57 dev tunl0'))).toBe(true);
  });

  it('catches the wrong flags', () => {
    expect(run(examples[2]!, 'third')).toMatch(/flags.*0?x?0?8.*(0x0c|12)/);
  });

  it('talks through a tunnel', () => expect(run(examples[3]!, 'fourth')).toBe('10.2.36.71\n'));

  it('shows what the program prints', () => {
    const printed = program.podwire([
      'run',
      'fixtures/calico-vxlan',
      '--out',
      program.folder,
    ]).stdout;
    const shown = blocks('text')[0]!
      .split('\n')
      .filter((line) => line !== '…' && line !== '' && !line.startsWith('out/'));
    const found = Buffer.from(printed, 'latin1').toString('utf8');
    for (const line of shown) expect(found).toContain(line);
  });

  it('commands in the shell examples work', () => {
    const lines = blocks('sh')
      .join('\n')
      .replace(/\\\n\s+/g, ' ')
      .split('\n')
      .filter((l) => l.startsWith('podwire') && !/cluster\.yaml|out\/|recordings\//.test(l));
    expect(lines.length).toBeGreaterThanOrEqual(5);
    for (const line of lines) {
      const { status, stderr } = program.bash(line);
      expect(stderr, line).toBe('');
      expect(status, line).toBe(/1451|podwire diff|--ttl 1 /.test(line) ? 1 : 0);
    }
  });

  it('its YAML is read', () => {
    const [underlay] = blocks('yaml');
    writeFileSync(join(program.folder, 'lab.yaml'), underlay!);
    const { stderr } = program.podwire(['show', join(program.folder, 'lab.yaml'), 'gw']);
    // Its nodes are described elsewhere: what is missing is named, with the line.
    expect(stderr).toMatch(/lab\.yaml:\d+: .*k8s-node1/);
  });
});
