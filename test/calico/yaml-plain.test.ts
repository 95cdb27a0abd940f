import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { Field } from '../../src/calico/field.ts';
import { parseYaml, type YamlDocument } from '../../src/calico/yaml-document.ts';
import { plainYaml } from '../../src/calico/yaml-plain.ts';
import { PodwireError } from '../../src/errors.ts';

/** Every value with the line it stands in. */
function seen(field: Field): unknown {
  if (field.absent) return [field.where, field.path, 'absent'];
  const plain = field.plain();
  const inside = Array.isArray(plain)
    ? field.items().map(seen)
    : typeof plain === 'object'
      ? field.entries().map(([key, value]) => [key, seen(value)])
      : plain;
  return [field.where, field.path, inside];
}

const all = (documents: readonly YamlDocument[]): unknown[] =>
  documents.map((document) => seen(Field.root(document)));

/** What the `yaml` package reads, or that it refuses. */
function judged(text: string): unknown {
  try {
    return all(parseYaml(text, 'f.yaml'));
  } catch (error) {
    if (error instanceof PodwireError) return error.message;
    throw error;
  }
}

function fast(text: string): unknown {
  const documents = plainYaml(text, 'f.yaml');
  return documents && all(documents);
}

const POD = `apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      cni.projectcalico.org/podIP: 10.2.36.71/32
      kubectl.kubernetes.io/last-applied-configuration: |
        {"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{},"name":"web"}}
      note: |-
        two
          lines
    creationTimestamp: "2024-05-01T10:00:00Z"
    deletionTimestamp: null
    name: web-1
  spec:
    containers:
    - args:
      - --port=80
      - -v
      image: nginx:1.25
      resources: {}
      volumes: []
    hostNetwork: false
    priority: -10
    nodeSelector:
    terminationGracePeriodSeconds: 30
  status:
    podIP: 10.2.36.71
    podIPs:
      - ip: 10.2.36.71
      -
        ip: 'fd00::1'
      -
kind: List
metadata:
  resourceVersion: ""
---
kind: Second
`;

describe('what kubectl prints', () => {
  it('is read without the yaml package, to the same values and lines', () => {
    const documents = fast(POD);
    expect(documents).toHaveLength(2);
    expect(documents).toEqual(judged(POD));
  });

  it('and is given up as soon as it is anything else', () => {
    const others = [
      'a: [1]',
      'a: 1 # c',
      'a: &x 1',
      'a: !!str 1',
      'a: 1.5',
      'a: 0x1f',
      'a: ~',
      'a: b\n c',
      'a: "b\n c"',
      'a: "\\t"',
      'a:\n\nb: 1',
      'a: 1\na: 2',
      '<<: {}',
      'true: 1',
      'a: b: c',
      'a:\n  b: 1\n c: 2',
      '- a\n  b',
      'a: é',
      'a: 1\r\n',
      '---\n',
      'a: 1\n...\n',
      `${'k'.repeat(1025)}: 1`,
    ];
    expect(others.filter((text) => plainYaml(text, 'f.yaml') !== undefined)).toEqual([]);
  });
});

const plain = fc.constantFrom(
  ...['a', 'b-c', 'x.y/z', '10.0.0.1', 'a b', '- x', 'x:y', '-v', '--all', 'No', '', 'true', '7'],
);
const odd = fc.constantFrom(
  ...[
    '1e3',
    '0o7',
    '-3',
    'null',
    'a: b',
    'a #b',
    '{}',
    '"q"',
    ':',
    '...',
    '---',
    'é',
    'a\nb',
    '.5',
  ],
);
const value = fc.oneof(
  { weight: 20, arbitrary: plain },
  { weight: 1, arbitrary: odd },
  { weight: 6, arbitrary: fc.oneof(fc.integer(), fc.boolean(), fc.constant(null)) },
  { weight: 3, arbitrary: fc.constantFrom('two\nlines', 'two\n  lines\n') },
);
const key = fc.oneof(
  { weight: 30, arbitrary: fc.stringMatching(/^[a-z]{1,3}(\.io\/x)?$/) },
  { weight: 1, arbitrary: odd },
);
const { map } = fc.letrec((tie) => ({
  tree: fc.oneof({ maxDepth: 4 }, value, tie('list'), tie('map')),
  list: fc.array(tie('tree'), { maxLength: 4 }),
  map: fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
}));
const printed = fc
  .tuple(fc.array(map, { minLength: 1, maxLength: 3 }), fc.boolean(), fc.constantFrom(2, 4))
  .map(([trees, indentSeq, indent]) =>
    trees.map((tree) => stringify(tree, { indentSeq, indent, lineWidth: 0 })).join('---\n'),
  );
const edits = fc.array(
  fc.tuple(
    fc.nat(),
    fc.nat(2),
    fc.constantFrom('', ' ', '\n', '-', '- ', ':', ': ', '#', '"', "'", '|', '  ', 'a', 'a: ', '1'),
  ),
  { maxLength: 3 },
);

describe('by property', () => {
  it('it reads as the yaml package does, or not at all', () => {
    let read = 0;
    fc.assert(
      fc.property(fc.oneof(printed, fc.constant(POD)), edits, (text, changes) => {
        const changed = changes.reduce((before, [at, drop, insert]) => {
          const where = at % (before.length + 1);
          return before.slice(0, where) + insert + before.slice(where + drop);
        }, text);
        const found = fast(changed);
        if (found === undefined) return;
        read += 1;
        expect(found).toEqual(judged(changed));
      }),
      { numRuns: 4000, seed: 1 },
    );
    // Not all given up.
    expect(read).toBeGreaterThan(500);
  });
});
