/** Whose keys they are, and that private ones stay private. */
import '../accounts.ts';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { deriveKey, formatKey, PrivateKey } from '../../src/wireguard/key.ts';
import { resource } from './bgp-cluster.ts';
import { block, failure, node, plan, pod, pool } from './manifests.ts';
import { namespaceOf } from './route-line.ts';

const ON = resource('FelixConfiguration', 'default', 'wireguardEnabled: true');
const base = (status = ''): string[] => [
  pool(),
  ...[1, 2].flatMap((i) => [
    node(`n${i}`, `192.168.0.1${i}/24`) + (i === 1 ? status : ''),
    block(`10.2.0.${(i - 1) * 64}/26`, `n${i}`),
    pod(`w${i}`, `n${i}`, `10.2.0.${(i - 1) * 64 + 5}`),
  ]),
  ON,
];
const own = new PrivateKey(Buffer.alloc(32, 0x77));
const secret = formatKey(own.reveal());
const given = (text: string): string =>
  `apiVersion: podwire/v1\nkind: FreeInputs\nmetadata: {name: lab}\nspec: {wireguardPrivateKeys: [{node: n1, privateKey: "${text}"}]}`;
const settings = (made: ReturnType<typeof plan>, name: string) =>
  namespaceOf(made, name).devices.find(({ kind }) => kind === 'wireguard')!.wireguard!;

describe('keys of nodes', () => {
  it('nobody states follow from seed and name, and fit together', () => {
    const made = plan(...base());
    const { publicKey, privateKey } = settings(made, 'n1');
    expect(publicKey).toBe(formatKey(deriveKey(1, 'n1').publicKey));
    expect(formatKey(privateKey!.publicKey)).toBe(publicKey);
    const text = base().join('\n---\n');
    const wg = (seed: number) => Cluster.fromYaml(text, 'x', { seed }).exec('n1', ['wg', 'show']);
    expect(wg(1)).toContain(publicKey);
    expect(wg(2)).not.toContain(publicKey);
  });

  it('given as a free input are used, with the public half that follows', () => {
    const made = plan(...base(), given(secret));
    expect(settings(made, 'n1').publicKey).toBe(formatKey(own.publicKey));
    expect(settings(made, 'n2').peers[0]!.publicKey).toBe(formatKey(own.publicKey));
    const stated = plan(
      ...base(`\nstatus: {wireguardPublicKey: ${formatKey(own.publicKey)}}`),
      given(secret),
    );
    expect(settings(stated, 'n1').privateKey?.reveal()).toEqual(own.reveal());
  });

  it('published without the private half are shown, and tunnels work with others', () => {
    const published = formatKey(own.publicKey);
    const made = plan(...base(`\nstatus: {wireguardPublicKey: ${published}}`));
    expect(settings(made, 'n1').privateKey).toBeUndefined();
    expect(made.assumptions.join('\n')).toContain('whose private halves nobody states: n1');
    const cluster = Cluster.fromPlan(made);
    expect(cluster.exec('n2', ['wg', 'show'])).toContain(`peer: ${published}`);
    expect(cluster.send({ from: 'w1', to: 'w2', reply: true }).reply?.outcome).toBe('delivered');
  });

  it('of another than the published one, of a node that is not there, or no keys are refused', () => {
    const other = formatKey(deriveKey(9, 'x').publicKey);
    const wrong = failure(...base(`\nstatus: {wireguardPublicKey: ${other}}`), given(secret));
    expect(wrong.code).toBe('ERR_CONFIG_CONFLICT');
    const nobody = failure(...base(), given(secret).replace('n1', 'n9'));
    expect(nobody.message).toContain('the name of a node');
    for (const text of [
      '',
      'AAAA',
      `${secret}x`,
      secret.slice(0, 43),
      formatKey(Buffer.alloc(32)),
    ]) {
      const refused = failure(...base(), given(text));
      expect(refused.message).toContain(
        'a private key as `wg genkey` prints it, found something else',
      );
      if (text !== '') expect(refused.message).not.toContain(text.slice(0, 12));
    }
    expect(wrong.message).not.toContain(secret);
  });

  it.each([
    ['instead of the list', `wireguardPrivateKeys: ${secret}`],
    ['instead of an entry', `wireguardPrivateKeys: [${secret}]`],
    ['in the place of its node', `wireguardPrivateKeys: [{node: ${secret}, privateKey: n1}]`],
    [
      'of a node that is called so',
      `wireguardPrivateKeys: [{node: ${secret}, privateKey: ${secret}}]`,
    ],
    ['in a list of its own', `wireguardPrivateKeys: [{node: n1, privateKey: [${secret}]}]`],
  ])('a key %s is refused without being repeated', (_, spec) => {
    const keys = `apiVersion: podwire/v1\nkind: FreeInputs\nmetadata: {name: keys}\nspec: {${spec}}`;
    const { code, message } = failure(...base(), keys);
    expect(code).toBe('ERR_CONFIG_VALUE');
    expect(message).toContain('wireguardPrivateKeys');
    expect(message).toContain('found something else');
    expect(message).not.toContain(secret.slice(0, 12));
  });
});

it('T27: a private key is in no listing, trace, error, JSON or inspection of a cluster that uses it', () => {
  const cluster = Cluster.fromYaml([...base(), given(secret)].join('\n---\n'));
  const trace = cluster.send({ from: 'w1', to: 'w2', reply: true });
  expect(trace.reply?.outcome).toBe('delivered');
  const shown = [
    JSON.stringify(cluster.plan),
    JSON.stringify(trace),
    inspect(cluster, { depth: Number.POSITIVE_INFINITY, showHidden: false }),
    cluster.exec('n1', ['wg', 'show']),
    cluster.exec('n1', ['ip', '-d', 'link']),
    JSON.stringify(cluster.tables('n1')),
  ].join('\n');
  expect(shown).toContain(formatKey(own.publicKey));
  for (const key of [own, deriveKey(1, 'n2')]) {
    const bytes = key.reveal();
    for (const text of [formatKey(bytes), bytes.toString('hex'), [...bytes].join(',')]) {
      expect(shown.toLowerCase()).not.toContain(text.toLowerCase());
    }
    // As inspect writes the start of a Buffer.
    expect(shown).not.toContain(bytes.toString('hex', 0, 8).replace(/(..)(?=.)/g, '$1 '));
  }
});
