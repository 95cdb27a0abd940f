import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadManifests } from '../../src/calico/manifest.ts';
import { wholeYaml, yamlPieces } from '../../src/calico/yaml-piece.ts';
import { PodwireError } from '../../src/errors.ts';

interface Read {
  readonly list: string | undefined;
  readonly value: unknown;
  readonly where: string;
}

/** Every resource with its line, Lists opened; or the error. */
function read(pieces: ReturnType<typeof wholeYaml>): Read[] | string {
  try {
    return [...pieces].flatMap(({ root, list }): Read[] => {
      if (list !== undefined) {
        const of = `${list.apiVersion.text()} ${list.kind.text()}`;
        return [{ list: of, value: root.plain(), where: root.where }];
      }
      const kind = root.entry('kind');
      const items = root.entry('items');
      if (!kind.isText || !kind.text().endsWith('List') || items.absent) {
        return [{ list: undefined, value: root.plain(), where: root.where }];
      }
      const of = `${root.entry('apiVersion').text()} ${kind.text()}`;
      return items.items().map((item) => {
        return { list: of, value: item.plain(), where: item.where };
      });
    });
  } catch (error) {
    if (error instanceof PodwireError) return error.message;
    throw error;
  }
}

/** Cut wherever it can be, or where it is longer than `long`; and not at all. */
const both = (text: string, long = 0) =>
  [yamlPieces(text, 'f.yaml', long), wholeYaml(text, 'f.yaml')].map(read) as [
    Read[] | string,
    Read[] | string,
  ];

const item = fc
  .record({
    name: fc.stringMatching(/^[a-z]{1,8}$/),
    script: fc.array(
      fc.constantFrom('- not an item', 'items:', '--- no mark', '# no comment', ''),
      {
        maxLength: 4,
      },
    ),
    list: fc.array(fc.constantFrom('a', '"- b"', '[c, d]', '{e: f}'), { maxLength: 3 }),
    comment: fc.constantFrom('', '# - here', '\n'),
    padding: fc.integer({ min: 0, max: 6000 }),
  })
  .map(({ name, script, list, comment, padding }) =>
    [
      `- metadata:`,
      `    name: ${name}`,
      ...(comment === '' ? [] : [comment]),
      `  script: |-`,
      ...['x', ...script].map((line) => `    ${line}`),
      `  list:`,
      ...(list.length === 0 ? ['  - none'] : list.map((value) => `  - ${value}`)),
      `  long: "${'x'.repeat(padding)}`,
      `    y"`,
    ].join('\n'),
  );

const file = fc
  .array(
    fc.record({
      head: fc.constantFrom(
        'apiVersion: v1\n',
        'apiVersion: v1\nkind: PodList\n',
        '# c\napiVersion: v1\n',
      ),
      items: fc.array(item, { minLength: 1, maxLength: 12 }),
      indent: fc.constantFrom(0, 2, 4),
      tail: fc.constantFrom('', 'kind: List\n', 'kind: List\nmetadata: {resourceVersion: ""}\n'),
      mark: fc.constantFrom('---\n', '--- # next\n'),
      ends: fc.constantFrom('\n', '\r\n'),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((documents) =>
    documents
      .map(({ head, items, indent, tail, mark, ends }) => {
        const rows = items.join('\n').split('\n');
        const shifted = rows.map((row) => (row === '' ? row : ' '.repeat(indent) + row));
        return `${mark}${head}items:\n${shifted.join('\n')}\n${tail}`.replaceAll('\n', ends);
      })
      .join(''),
  );

describe('YAML in pieces', () => {
  it('reads what the whole text says, at the same lines', () => {
    let lists = 0;
    fc.assert(
      fc.property(file, fc.constantFrom(0, 500, 5000), (text, long) => {
        const [cut, whole] = both(text, long);
        // The message of an error is taken from the whole text.
        if (typeof whole === 'string') return;
        expect(cut).toEqual(whole);
        if ([...yamlPieces(text, 'f.yaml', long)].some(({ list }) => list !== undefined))
          lists += 1;
      }),
      { numRuns: 100 },
    );
    expect(lists).toBeGreaterThan(25);
  });

  it('cuts a long List also where short documents stand beside it', () => {
    const short = (name: string) => `---\nkind: ConfigMap\nmetadata:\n  name: ${name}\n`;
    const pods = Array.from({ length: 50 }, (_, i) => `- metadata:\n    name: p${i}\n`);
    const list = `---\napiVersion: v1\nitems:\n${pods.join('')}kind: PodList\n`;
    const text = short('a') + short('b') + list + short('c') + list + short('d');
    const pieces = [...yamlPieces(text, 'f.yaml', 200)];
    expect(pieces.filter((piece) => piece.list !== undefined).length).toBe(100);
    const [cut, whole] = both(text, 200);
    expect(cut).toEqual(whole);
    expect(cut.length).toBe(104);
  });

  it('leaves alone what is no block-style List', () => {
    for (const text of [
      'kind: ConfigMap\nitems:\n- a\n- b\n',
      'apiVersion: v1\nkind: List\nitems: []\n',
      'apiVersion: v1\nkind: List\nitems: [{a: 1}, {b: 2}]\n',
      'apiVersion: v1\nkind: List\nitems:\n  a: 1\n',
      'items:\n- a: 1\n',
      '{"apiVersion": "v1", "kind": "List",\n"items": [\n{"a": 1}\n]}\n',
      '%YAML 1.2\n---\napiVersion: v1\nkind: List\nitems:\n- a: 1\n',
      `apiVersion: v1\nkind: List\nitems:\n${' '.repeat(100_000)}- a: 1\n`,
      '',
    ]) {
      const [cut, whole] = both(text);
      expect(cut).toEqual(whole);
    }
  });

  it('reads a long file whole when an alias crosses a cut, and for the message of an error', () => {
    const pods = (change: (row: string, i: number) => string) =>
      ['apiVersion: v1', 'kind: List', 'items:']
        .concat(
          Array.from({ length: 4000 }, (_, i) =>
            change(
              `- {apiVersion: v1, kind: Pod, metadata: {name: p${i}}, spec: {nodeName: n1}}`,
              i,
            ),
          ),
        )
        .join('\n');
    const load = (text: string) => loadManifests([{ text, source: 'pods.yaml' }]);
    expect(load(pods((row) => row)).workloads.length).toBe(4000);
    const aliased = pods((row, i) =>
      row.replace('n1', i === 0 ? '&node n7' : i === 3999 ? '*node' : 'n1'),
    );
    expect(load(aliased).workloads.filter(({ node }) => node.value === 'n7').length).toBe(2);
    const broken = pods((row, i) => (i === 3000 ? row.replace('n1', '7') : row));
    expect(() => load(broken)).toThrow(/^pods\.yaml:3004: Pod\/default\/p3000 spec\.nodeName: /);
    const nameless = pods((row, i) => (i === 3000 ? '- {apiVersion: v1}' : row));
    expect(() => load(nameless)).toThrow(/^pods\.yaml:3004: document items\[3000\]\.kind: /);
  });
});
