import { describe, expect, it } from 'vitest';
import { Field } from '../../src/calico/field.ts';
import { parseYaml } from '../../src/calico/yaml-document.ts';
import { PodwireError } from '../../src/errors.ts';
import { workTime } from '../work-time.ts';

const refusal = (text: string): PodwireError => {
  try {
    parseYaml(text, 'x.yaml');
  } catch (error) {
    if (error instanceof PodwireError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
};

describe('yaml-document', () => {
  it('skips empty documents and counts lines from 1', () => {
    const documents = parseYaml('---\n---\n# only a comment\n---\na:\n  b: 1\n---\nnull\n', 'x');
    expect(documents).toHaveLength(1);
    const b = Field.root(documents[0]!).entry('a').entry('b');
    expect(b.where).toBe('x:6');
    expect(b.integer(1, 1)).toBe(1);
  });

  it('follows aliases and places the fault where the alias stands', () => {
    const [document] = parseYaml('a: &x {n: 5}\nb: *x\n', 'x');
    const b = Field.root(document!).entry('b');
    expect(b.where).toBe('x:2');
    expect(b.entry('n').integer(0, 9)).toBe(5);
  });

  it('reads MACs and words as text even under a YAML 1.1 directive', () => {
    const [document] = parseYaml('%YAML 1.1\n---\nmac: 52:54:00:12:34:56\nflag: yes\n', 'x');
    const root = Field.root(document!);
    expect(root.entry('mac').mac()).toBe(0x525400123456);
    expect(() => root.entry('flag').boolean()).toThrow(/expected true or false, found "yes"/);
  });

  const bomb = [
    'a0: &a0 [x, x, x, x, x, x, x, x, x, x]',
    ...Array.from({ length: 9 }, (_, i) => {
      return `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(', ')}]`;
    }),
  ].join('\n');
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

  const hostile: [name: string, text: string, line: number, message: RegExp][] = [
    [
      'an error on each of many lines',
      `a:\n  b: '${'k\n  '.repeat(40_000)}'\n`,
      2,
      /Missing closing 'quote/,
    ],
    ['broken syntax', 'a: 1\nb: [1,\n', 3, /expected well-formed YAML, found: /],
    ['a tab as indentation', 'a:\n\tb: 1\n', 2, /expected well-formed YAML/],
    ['an alias bomb', bomb, 6, /aliases that add at most 100000 nodes/],
    ['a cycle', 'a: &a\n  b: *a\n', 2, /expected no cycle, found an alias inside itself/],
    ['an alias before its anchor', 'a: *b\nb: &b 1\n', 1, /expected an anchor above its alias/],
    ['depth 65', `a: 1\nb: ${nested(64)}`, 2, /at most 64 levels/],
    [
      'depth through aliases',
      `a: &a ${nested(40)}\nb: ${'['.repeat(40)}*a${']'.repeat(40)}`,
      2,
      /at most 64/,
    ],
    ['20,000 brackets', '['.repeat(20_000), 1, /expected (at most 64 levels|well-formed)/],
    ['20,000 closed brackets', nested(20_000), 1, /at most 64 levels/],
    ['20,000 dashes', '- '.repeat(20_000), 1, /at most 64 levels/],
    [
      '2,000 indents',
      Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      65,
      /at most 64/,
    ],
    [
      'a duplicate key',
      'a:\n  b: 1\n  c: 2\n  b: 3\n',
      4,
      /expected each key once, found "b" again/,
    ],
    ['a duplicate __proto__', '__proto__: 1\n__proto__: 2\n', 2, /found "__proto__" again/],
    ['a merge key', 'a: &a {b: 1}\nc:\n  <<: *a\n', 3, /found a merge key/],
    ['10,001 documents', 'a: 1\n---\n'.repeat(10_001), 20_001, /at most 10000 documents/],
  ];
  it.each(hostile)('refuses %s with its line', (_name, text, line, message) => {
    let error: PodwireError | undefined;
    const spent = workTime(() => {
      error = refusal(text);
    });
    expect(error?.code).toBe('ERR_CONFIG_SYNTAX');
    expect(error?.message).toMatch(message);
    expect(error?.source).toBe('x.yaml');
    expect(error?.line).toBe(line);
    expect(spent).toBeLessThan(2000);
  });

  it('accepts depth 64, and aliases within the limit', () => {
    expect(parseYaml(nested(64), 'x')).toHaveLength(1);
    expect(
      parseYaml(`a: &a [1, 2, 3]\nb: [${Array(1000).fill('*a').join(', ')}]`, 'x'),
    ).toHaveLength(1);
  });

  it('takes a line of a megabyte and a hundred thousand keys in linear time', () => {
    const keys = (n: number) => Array.from({ length: n }, (_, i) => `k${i}: 1`).join('\n');
    const time = (text: string) => workTime(() => parseYaml(text, 'x'));
    expect(time(`a: ${'x'.repeat(2 ** 20)}`)).toBeLessThan(2000);
    time(keys(20_000));
    const [small, large] = [time(keys(25_000)), time(keys(100_000))];
    // Quadratic would be sixteenfold.
    expect(large / small).toBeLessThan(10);
  });

  it('leaves Object.prototype alone', () => {
    const [document] = parseYaml(
      '__proto__: {polluted: 1}\nconstructor: {prototype: {polluted: 1}}\n',
      'x',
    );
    const root = Field.root(document!);
    expect(root.entry('__proto__').entry('polluted').integer(1, 1)).toBe(1);
    expect(root.entry('toString').absent).toBe(true);
    expect('polluted' in {}).toBe(false);
  });
});
