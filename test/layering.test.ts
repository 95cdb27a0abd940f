import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Bottom to top. A folder imports from itself and from what stands before it. */
const LAYERS = [
  'errors.ts',
  'drop.ts',
  'wasm',
  'wire',
  'packet',
  'tables',
  'wireguard',
  'pcap',
  'plan',
  'frame',
  'trace',
  'node',
  'text',
  'calico',
  'import',
  'cluster',
  'replay',
  'verify',
  'report',
  'live',
  'testing',
  'index.ts',
  'cli',
];

const root = join(process.cwd(), 'src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((f) =>
  f.endsWith('.ts'),
);
const layerOf = (file: string): string => file.split(sep)[0]!;

const importsOf = (file: string): string[] =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import)\s+'(\.[^']+)'/g)]
    .map(([, path]) => relative(root, join(dirname(join(root, file)), path!)))
    .filter((path) => !path.startsWith('..'));

describe('the layout is the architecture', () => {
  it('finds the source', () => {
    expect(files.length).toBeGreaterThan(50);
    expect([...new Set(files.map(layerOf))].filter((layer) => !LAYERS.includes(layer))).toEqual([]);
  });

  it.each(LAYERS)('%s imports nothing from above', (layer) => {
    const upward = files
      .filter((file) => layerOf(file) === layer)
      .flatMap((file) =>
        importsOf(file)
          .filter((path) => LAYERS.indexOf(layerOf(path)) > LAYERS.indexOf(layer))
          .map((path) => `${file} imports ${path}`),
      );
    expect(upward).toEqual([]);
  });

  it('the command line uses the public index only', () => {
    const private_ = files
      .filter((file) => layerOf(file) === 'cli')
      .flatMap((file) => importsOf(file).filter((p) => p !== 'index.ts' && layerOf(p) !== 'cli'));
    expect(private_).toEqual([]);
  });

  it('rooms do not import the walk, and only the walk imports every room', () => {
    const rooms = ['ingress', 'ip-input', 'route', 'forward', 'local', 'transmit'];
    for (const room of rooms) {
      expect(importsOf(join('node', `${room}.ts`))).not.toContain(join('node', 'walk.ts'));
    }
  });

  it('no clock, no randomness, no console in the library', () => {
    const offenders = files
      .filter((file) => layerOf(file) !== 'cli')
      .filter((file) =>
        /\bDate\.now\b|\bMath\.random\b|\bconsole\.|\bperformance\.now\b/.test(
          readFileSync(join(root, file), 'utf8'),
        ),
      );
    expect(offenders).toEqual([]);
  });

  it('files stay short enough to hold one thing', () => {
    const long = files.filter(
      (file) => readFileSync(join(root, file), 'utf8').split('\n').length > 340,
    );
    expect(long).toEqual([]);
  });
});
