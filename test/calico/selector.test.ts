import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Field } from '../../src/calico/field.ts';
import { parseSelector } from '../../src/calico/selector.ts';
import { parseYaml } from '../../src/calico/yaml-document.ts';

const field = (text: string): Field =>
  Field.root(parseYaml(`s: ${JSON.stringify(text)}`, 'pool.yaml')[0]!).entry('s');
const selects = (text: string, labels: Record<string, string> = {}): boolean =>
  parseSelector(field(text))(new Map(Object.entries(labels)));

describe('selector', () => {
  // Semantics as documented for Calico's selector syntax.
  it.each([
    ['all()', {}, true],
    ['', {}, true],
    ['!all()', {}, false],
    ['global()', {}, true],
    ['has(rack)', { rack: '1' }, true],
    ['has(rack)', {}, false],
    ["rack == '1'", { rack: '1' }, true],
    ['rack == "2"', { rack: '1' }, false],
    ["rack != '1'", {}, true],
    ["rack != '1'", { rack: '1' }, false],
    ["rack in {'1', '2'}", { rack: '2' }, true],
    ["rack not in {'1', '2'}", {}, true],
    ["rack not in {'1'}", { rack: '1' }, false],
    ["zone contains 'west'", { zone: 'us-west-1' }, true],
    ["zone starts with 'us'", { zone: 'us-west-1' }, true],
    ["zone ends with '2'", { zone: 'us-west-1' }, false],
    ["kubernetes.io/os == 'linux' && !has(gpu)", { 'kubernetes.io/os': 'linux' }, true],
    // && binds closer than ||.
    ['all() || has(x) && has(y)', {}, true],
    ['(all() || has(x)) && has(y)', {}, false],
    ["!(rack == '1' || has(gpu))", { rack: '2' }, true],
  ])('%s on %j is %s', (text, labels, expected) => {
    expect(selects(text, labels as Record<string, string>)).toBe(expected);
  });

  it.each([
    'rack =',
    "rack == 1'",
    'all(',
    'all() &&',
    "rack in {'1'",
    '(all()',
    'all() all()',
    '#',
    `${'('.repeat(5000)}`,
    `${'!'.repeat(200)}all()`,
    `${'('.repeat(100)}all()${')'.repeat(100)}`,
  ])('refuses %s', (text) => {
    expect(() => parseSelector(field(text))).toThrow(/pool\.yaml:1: document s: expected a/);
  });

  it('agrees with JavaScript on any && || ! expression', () => {
    const leaf = fc.constantFrom('has(a)', 'has(b)', 'has(c)');
    const { expression } = fc.letrec<{ expression: string }>((tie) => ({
      expression: fc.oneof(
        { depthSize: 'small' },
        leaf,
        tie('expression').map((e) => `!(${e})`),
        fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `${a} && ${b}`),
        fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `${a} || ${b}`),
      ),
    }));
    const labelSets = fc.subarray(['a', 'b', 'c']);
    fc.assert(
      fc.property(expression, labelSets, (text, present) => {
        fc.pre(text.length < 4000);
        const labels = new Map(present.map((name) => [name, '']));
        const js = text.replace(/has\((.)\)/g, (_, name) => String(labels.has(name)));
        expect(parseSelector(field(text))(labels)).toBe(new Function(`return ${js}`)());
      }),
    );
  });
});
