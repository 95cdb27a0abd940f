import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyManifests, patchManifests } from '../../src/calico/apply.ts';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { Field } from '../../src/calico/field.ts';
import type { ManifestFile } from '../../src/calico/manifest.ts';
import { parseYaml } from '../../src/calico/yaml-document.ts';
import { PodwireError } from '../../src/errors.ts';
import { node, pool } from './manifests.ts';

const file = (...documents: string[]): ManifestFile[] => [
  { text: documents.join('\n---\n'), source: 'all.yaml' },
];
const cluster = file(
  pool({ name: 'p', cidr: '10.2.0.0/16' }).replace('spec:', 'spec:\n  ipipMode: Always'),
  node('n1', '10.9.0.1/24'),
);
const pools = (files: readonly ManifestFile[]) =>
  planCluster(files).inventory!.pools.map((p) => [p.name, p.ipipMode, p.vxlanMode]);
const values = (files: readonly ManifestFile[]): unknown[] =>
  files.flatMap(({ text }) => parseYaml(text, 'x').map((d) => Field.root(d).plain()));

describe('calicoctl apply', () => {
  it('replaces a resource whole, adds another, and counts', () => {
    const given = file(
      pool({ name: 'p', cidr: '10.2.0.0/16' }).replace('spec:', 'spec:\n  vxlanMode: Always'),
      pool({ name: 'q', cidr: '10.3.0.0/16' }),
    );
    const { files, message } = applyManifests(cluster, given);
    expect(pools(files)).toEqual([
      ['p', 'Never', 'Always'],
      ['q', 'Never', 'Never'],
    ]);
    expect(message).toBe("Successfully applied 2 'IPPool' resource(s)\n");
    expect(
      applyManifests(
        cluster,
        file(pool({ name: 'q', cidr: '10.3.0.0/16' }), node('n2', '10.9.0.2/24')),
      ).message,
    ).toBe('Successfully applied 2 resource(s)\n');
    expect(applyManifests(cluster, file('# nothing\n')).message).toBe('No resources specified\n');
  });

  it('a Node of Kubernetes is another than Calico’s, and names are per namespace', () => {
    const kube = 'apiVersion: v1\nkind: Node\nmetadata: {name: n1, labels: {zone: a}}';
    expect(values(applyManifests(cluster, file(kube)).files)).toHaveLength(3);
    const policy = (space: string) =>
      `apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: x, namespace: ${space}}\nspec: {}`;
    const { files } = applyManifests(file(policy('a')), file(policy('b'), policy('a')));
    expect(values(files)).toHaveLength(2);
  });

  it('in a List, what follows the item stays where it was', () => {
    const list = `apiVersion: projectcalico.org/v3
kind: IPPoolList
items:
- metadata:
    name: p
  spec:
    cidr: 10.2.0.0/16
- metadata: {name: q}
  spec: {cidr: 10.3.0.0/16}
`;
    const { files } = applyManifests(
      file(list, node('n1', '10.9.0.1/24')),
      file(pool({ name: 'p', cidr: '10.4.0.0/16' })),
    );
    expect(
      planCluster(files).inventory!.pools.map(({ name, cidr }) => [
        name,
        (cidr.address >>> 16) & 0xff,
      ]),
    ).toEqual([
      ['p', 4],
      ['q', 3],
    ]);
  });
});

describe('calicoctl patch', () => {
  it('merges what is given and keeps the rest', () => {
    const patch = (text: string) =>
      patchManifests(cluster, { kind: 'ippools', name: 'p', patch: text });
    const { files, message } = patch('{"spec": {"ipipMode": "CrossSubnet", "natOutgoing": null}}');
    expect(message).toBe("Successfully patched 1 'IPPool' resource\n");
    expect(pools(files)).toEqual([['p', 'CrossSubnet', 'Never']]);
    expect(() => patch('[1]')).toThrow(PodwireError);
    expect(() => patch('{"spec"')).toThrow(PodwireError);
  });

  it('makes a FelixConfiguration that nobody wrote, and no pool', () => {
    const on = '{"spec":{"wireguardEnabled":true}}';
    const { files } = patchManifests(cluster, { kind: 'felixconfig', name: 'default', patch: on });
    const devices = planCluster(files).namespaces[0]!.devices.map(({ name }) => name);
    expect(devices).toContain('wireguard.cali');
    expect(() => patchManifests(cluster, { kind: 'ippool', name: 'x', patch: on })).toThrow(
      'patch ippool: expected a name (p), found "x"',
    );
  });

  it('is RFC 7396’s merge', () => {
    const json = fc.jsonValue({ maxDepth: 3, noUnicodeString: true });
    /** The pseudocode of section 2, word for word. */
    const mergePatch = (target: unknown, patch: unknown): unknown => {
      if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
      const result = new Map(
        typeof target === 'object' && target !== null && !Array.isArray(target)
          ? Object.entries(target)
          : [],
      );
      for (const [name, value] of Object.entries(patch)) {
        if (value === null) result.delete(name);
        else result.set(name, mergePatch(result.get(name), value));
      }
      return Object.fromEntries(result);
    };
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), json),
        fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), json),
        (spec, change) => {
          const clean = JSON.parse(
            JSON.stringify(spec, (_, v) => (v === null ? undefined : v) as unknown).replaceAll(
              'null',
              '0',
            ),
          );
          const resource = { apiVersion: 'v1', kind: 'X', metadata: { name: 'x' }, spec: clean };
          const patch = { spec: change };
          const { files } = patchManifests([{ text: JSON.stringify(resource), source: 'x' }], {
            kind: 'x',
            name: 'x',
            patch: JSON.stringify(patch),
          });
          expect(JSON.parse(files[0]!.text)).toEqual(
            JSON.parse(JSON.stringify(mergePatch(resource, patch))),
          );
        },
      ),
    );
  });
});
