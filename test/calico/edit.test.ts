import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editManifests } from '../../src/calico/edit.ts';
import { Field } from '../../src/calico/field.ts';
import { parseYaml } from '../../src/calico/yaml-document.ts';

const POOL = `# the pool
apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: default-ipv4-ippool   # kept
spec:
  cidr: 10.2.0.0/16
  ipipMode: Always # was so
  natOutgoing: true
`;

const LIST = `apiVersion: v1
kind: List
items:
- {apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: ip-174.lab}, spec: {bgp: {ipv4Address: 10.0.0.1/24}}}
- apiVersion: projectcalico.org/v3
  kind: Node
  metadata:
    name: node2
    labels: {}
  spec:
    addresses:
    - address: 10.0.0.2/24
      type: CalicoNodeIP
- apiVersion: v1
  kind: Pod
  metadata: {name: web, namespace: shop}
  spec: {nodeName: node2}
`;

const files = [
  { text: POOL, source: 'pool.yaml' },
  { text: LIST, source: 'list.yaml' },
];

const edit = (...edits: string[]): string =>
  editManifests(files, edits)
    .map(({ text }) => text)
    .join('---\n');

const refused = (...edits: string[]): string => {
  try {
    edit(...edits);
  } catch (error) {
    expect(error).toMatchObject({ name: 'PodwireError' });
    return (error as Error).message;
  }
  throw new Error('expected a refusal');
};

describe('an edit changes the characters of one value', () => {
  it.each([
    ['ippool/default-ipv4-ippool.ipipMode=Never', '  ipipMode: "Never" # was so\n'],
    ['IPPools/default-ipv4-ippool.spec.ipipMode=Never', '  ipipMode: "Never" # was so\n'],
    ['pool/default-ipv4-ippool.natOutgoing=false', '  natOutgoing: false\n'],
    ['node/ip-174.lab.bgp.ipv4Address=10.0.0.9/24', '{bgp: {ipv4Address: "10.0.0.9/24"}}}\n'],
    ['node/node2.addresses[0].address=10.0.0.7/24', '    - address: "10.0.0.7/24"\n'],
    ['pod/web.nodeName=ip-174.lab', '  spec: {nodeName: "ip-174.lab"}\n'],
    ['po/shop/web.nodeName=ip-174.lab', '  spec: {nodeName: "ip-174.lab"}\n'],
    ['pool/default-ipv4-ippool.cidr="10.3.0.0/16"', '  cidr: "10.3.0.0/16"\n'],
  ])('%s', (text, line) => {
    const before = edit().split('\n');
    const after = edit(text).split('\n');
    expect(after).toHaveLength(before.length);
    expect(after.filter((l, i) => l !== before[i])).toHaveLength(1);
    expect(edit(text)).toContain(line);
  });

  it.each([
    ['pool/default-ipv4-ippool.blockSize=25', '  "blockSize": 25\n  cidr: 10.2.0.0/16\n'],
    ['node/node2.bgp.asNumber=64513', '    "bgp": {"asNumber": 64513}\n    addresses:\n'],
    ['node/node2.metadata.labels.rack=a1', 'labels: {"rack": "a1"}\n'],
    ['node/ip-174.lab.bgp.asNumber=64513', '{bgp: {"asNumber": 64513, ipv4Address'],
    ['pool/default-ipv4-ippool.allowedUses=[Workload]', '  "allowedUses": [Workload]\n'],
    ['node/node2.metadata.annotations["a.b/c"]=x', '    "annotations": {"a.b/c": "x"}\n'],
  ])('%s is added where it was not', (text, part) => {
    expect(edit(text)).toContain(part);
    for (const { text: changed } of editManifests(files, [text])) {
      expect(() => parseYaml(changed, 'changed')).not.toThrow();
    }
  });

  it('a collection gives way to a flow collection', () => {
    const text = edit('node/node2.addresses=[{address: 10.0.0.8/24, type: CalicoNodeIP}]');
    expect(text).toContain('    addresses: [{address: 10.0.0.8/24, type: CalicoNodeIP}]\n- api');
    expect(parseYaml(text.split('---\n')[1]!, 'list')).toHaveLength(1);
  });

  it('edits build on each other; Felix and BGP are configured without being there', () => {
    const all = editManifests(files, [
      'felixconfiguration/default.wireguardEnabled=true',
      'felixconfig/default.wireguardMTU=1400',
      'bgpconfiguration/default.nodeToNodeMeshEnabled=false',
    ]);
    expect(all.slice(2).map(({ text }) => text)).toEqual([
      'apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\n' +
        'spec: {"wireguardMTU": 1400, "wireguardEnabled": true}\n',
      'apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata: {name: default}\n' +
        'spec: {"nodeToNodeMeshEnabled": false}\n',
    ]);
  });

  it('an alias gives way itself, and what it stood for stays', () => {
    const text = POOL.replace('Always', '&m Always')
      .replace('10.2.0.0/16', '*c')
      .replace('metadata:', 'x: &c 10.2.0.0/16\nmetadata:');
    const [file] = editManifests(
      [{ text, source: 'a' }],
      ['pool/default-ipv4-ippool.cidr=10.9.0.0/16'],
    );
    expect(file?.text).toContain('cidr: "10.9.0.0/16"\n');
    expect(file?.text).toContain('x: &c 10.2.0.0/16\n');
  });
});

describe('refusals say what is there', () => {
  it.each([
    ['ipipMode=Never', 'expected KIND/NAME.field=value, found "ipipMode=Never"'],
    ['widget/a.b=c', '--set widget: expected one of IPPool, Node, Pod, found "widget"'],
    [
      'node/node9.bgp.asNumber=1',
      '--set node: expected a name of Node (ip-174.lab, node2) and a field, found "node9.bgp.asNumber"',
    ],
    ['node/node2=1', 'expected a field after the name'],
    [
      'ippool/default-ipv4-ippool.ipipmode=Never',
      'pool.yaml:7: --set IPPool/default-ipv4-ippool spec: expected a field (allowedUses, assignmentMode, blockSize, cidr, disableBGPExport, disabled, ipipMode, namespaceSelector, natOutgoing, nodeSelector, vxlanMode), found "ipipmode"',
    ],
    ['node/node2.addresses=x', 'expected a field with one value, found a list'],
    ['node/node2.addresses[4].address=x', 'expected a field'],
    ['pod/web.nodeName.x=1', 'expected a field'],
    ['pool/default-ipv4-ippool.allowedUses=[Work', '--set:1: expected well-formed YAML'],
  ])('%s', (text, message) => expect(refused(text)).toContain(message));

  it('hostile edits are refused or applied, and the result is still YAML', () => {
    const name = fc.constantFrom('default-ipv4-ippool', 'node2', 'web', 'x');
    const kind = fc.constantFrom('ippool', 'node', 'pod', '__proto__', '');
    const field = fc.oneof(
      fc.constantFrom('ipipMode', 'bgp.asNumber', 'metadata.labels.a', '__proto__.x', '[0]'),
      fc.string(),
    );
    fc.assert(
      fc.property(kind, name, field, fc.string(), (k, n, f, value) => {
        let changed: ReturnType<typeof editManifests>;
        try {
          changed = editManifests(files, [`${k}/${n}.${f}=${value}`]);
        } catch (error) {
          expect(error).toMatchObject({ name: 'PodwireError' });
          return;
        }
        for (const { text, source } of changed) {
          for (const document of parseYaml(text, source)) Field.root(document).entries();
        }
      }),
      { numRuns: 300 },
    );
  });
});
