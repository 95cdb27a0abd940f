import { describe, expect, it } from 'vitest';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { formatIp4, formatPrefix } from '../../src/wire/address.ts';
import { resource } from './bgp-cluster.ts';
import { block, failure, node, plan, pod, pool } from './manifests.ts';
import { namespaceOf, routeLines } from './route-line.ts';

const KEY = 'Gx7A7Sf27JT3H5S11wciL6PTpGwSloipBGhjzKGTsw0=';
const felix = (spec = 'wireguardEnabled: true', name = 'default') =>
  resource('FelixConfiguration', name, spec);
/** Nodes n1, n2, n3 with a block and a stated WireGuard address each. */
const nodes = (more: Record<string, string> = {}): string[] =>
  [1, 2, 3].flatMap((i) => [
    node(
      `n${i}`,
      `192.168.0.1${i}/24`,
      `wireguard: {interfaceIPv4Address: 10.2.0.${(i - 1) * 64 + 9}}`,
    ) + (more[`n${i}`] ?? ''),
    block(`10.2.0.${(i - 1) * 64}/26`, `n${i}`),
  ]);
const wireguardOf = (made: ClusterPlan, name: string) =>
  namespaceOf(made, name).devices.find(({ kind }) => kind === 'wireguard');

describe('WireGuard', () => {
  const made = plan(pool(), ...nodes(), felix(), pod('guest', 'n2', '10.2.0.7'));

  it('B16: off, there is nothing of it', () => {
    for (const text of ['logSeverityScreen: Info', 'wireguardEnabled: false']) {
      const off = plan(pool(), ...nodes(), felix(text));
      expect(wireguardOf(off, 'n1')).toBeUndefined();
      expect(namespaceOf(off, 'n1').rules).toBeUndefined();
      expect(routeLines(off, 'n1', 1)).toEqual([]);
    }
  });

  it('B19: has a device with the address of IPAM and 60 bytes less than the NIC', () => {
    const device = wireguardOf(made, 'n1')!;
    expect(device).toMatchObject({ name: 'wireguard.cali', mtu: 1440, queueLength: 1000 });
    expect(device.qdisc).toBe('noqueue');
    expect(device.mac).toBeUndefined();
    expect(device.addresses.map(formatPrefix)).toEqual(['10.2.0.9/32']);
    // Pods make room for it.
    expect(namespaceOf(made, 'default/guest').devices[1]!.mtu).toBe(1440);
  });

  it('asks a table of its own for what is not encrypted yet', () => {
    expect(namespaceOf(made, 'n1').rules).toEqual([
      { priority: 0, not: false, table: 'local' },
      { priority: 99, not: true, fwmark: { value: 0x100000, mask: 0x100000 }, table: 1 },
      { priority: 32766, not: false, table: 'main' },
      { priority: 32767, not: false, table: 'default' },
    ]);
    expect(routeLines(made, 'n1', 1)).toEqual(
      [
        'throw 10.2.0.0/26',
        // Borrowed by n2 from this very node.
        '10.2.0.7 dev wireguard.cali scope link',
        '10.2.0.64/26 dev wireguard.cali scope link',
        '10.2.0.73 dev wireguard.cali scope link',
        '10.2.0.128/26 dev wireguard.cali scope link',
        '10.2.0.137 dev wireguard.cali scope link',
      ].sort(),
    );
    expect(routeLines(made, 'n2', 1).filter((line) => line.startsWith('throw'))).toEqual([
      'throw 10.2.0.64/26',
      'throw 10.2.0.7',
    ]);
  });

  it('leaves the main table as it is', () => {
    const off = plan(pool(), ...nodes(), pod('guest', 'n2', '10.2.0.7'));
    for (const name of ['n1', 'n2', 'n3']) {
      expect(routeLines(made, name)).toEqual(routeLines(off, name));
      expect(routeLines(made, name).length).toBeGreaterThan(3);
    }
  });

  it('B18: n nodes have n - 1 peers each, with all that leads to them', () => {
    for (const name of ['n1', 'n2', 'n3']) {
      expect(wireguardOf(made, name)!.wireguard!.peers).toHaveLength(2);
    }
    const [peer] = wireguardOf(made, 'n1')!.wireguard!.peers;
    expect(formatIp4(peer!.endpoint.address)).toBe('192.168.0.12');
    expect(peer!.endpoint.port).toBe(51820);
    expect(peer!.publicKey).toBe(wireguardOf(made, 'n2')!.wireguard!.publicKey);
    expect(peer!.allowedIps.map(formatPrefix)).toEqual([
      '10.2.0.7/32',
      '10.2.0.64/26',
      '10.2.0.73/32',
    ]);
  });

  it('B17: has a key for each node, stated or from its name, 32 bytes', () => {
    const stated = plan(
      pool(),
      ...nodes({ n1: `\nstatus: {wireguardPublicKey: ${KEY}}` }),
      felix(),
    );
    const keys = ['n1', 'n2', 'n3'].map((name) => wireguardOf(stated, name)!.wireguard!.publicKey);
    expect(keys[0]).toBe(KEY);
    expect(new Set(keys).size).toBe(3);
    for (const key of keys) expect(Buffer.from(key, 'base64').toString('base64')).toBe(key);
    for (const key of keys) expect(Buffer.from(key, 'base64')).toHaveLength(32);
    expect(stated.inventory!.nodes.map(({ wireguardPublicKey }) => wireguardPublicKey)).toEqual(
      keys,
    );
    expect(stated.assumptions.join('\n')).toContain('WireGuard keys');
  });

  it('throws back what leads to a node that cannot decrypt', () => {
    const without = plan(pool(), ...nodes(), felix(), felix('wireguardEnabled: false', 'node.n3'));
    expect(routeLines(without, 'n1', 1)).toContain('throw 10.2.0.128/26');
    expect(wireguardOf(without, 'n1')!.wireguard!.peers).toHaveLength(1);
    expect(wireguardOf(without, 'n3')).toBeUndefined();
    // A key that two nodes claim is trusted of neither.
    const shared = plan(
      pool(),
      ...nodes({
        n1: `\nstatus: {wireguardPublicKey: ${KEY}}`,
        n2: `\nstatus: {wireguardPublicKey: ${KEY}}`,
      }),
      felix(),
    );
    expect(routeLines(shared, 'n3', 1).filter((line) => line.startsWith('throw'))).toEqual([
      'throw 10.2.0.0/26',
      'throw 10.2.0.128/26',
      'throw 10.2.0.64/26',
      'throw 10.2.0.73',
      'throw 10.2.0.9',
    ]);
    expect(routeLines(shared, 'n1', 1).every((line) => line.startsWith('throw'))).toBe(true);
    expect(wireguardOf(shared, 'n3')!.wireguard!.peers).toEqual([]);
  });

  it('with host encryption carries the nodes’ own addresses, and needs none of IPAM', () => {
    const host = plan(
      pool(),
      ...nodes().map((text) => text.replace(/ {2}wireguard: .*\n?/, '')),
      felix('wireguardEnabled: true, wireguardHostEncryptionEnabled: true'),
    );
    expect(wireguardOf(host, 'n1')!.addresses.map(formatPrefix)).toEqual(['192.168.0.11/32']);
    expect(routeLines(host, 'n1', 1)).toContain('192.168.0.12 dev wireguard.cali scope link');
    expect(routeLines(host, 'n1', 1)).toContain('throw 192.168.0.11');
  });

  it('takes an address from the node’s blocks where none is stated', () => {
    const derived = plan(
      pool(),
      ...nodes().map((text) => text.replace(/ {2}wireguard: .*\n?/, '')),
      felix(),
    );
    const address = wireguardOf(derived, 'n2')!.addresses[0]!.address;
    expect(formatIp4(address)).toMatch(/^10\.2\.0\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])$/);
  });

  it('follows Felix’s names and numbers', () => {
    const named = plan(
      pool(),
      ...nodes(),
      felix(
        'wireguardEnabled: true, wireguardInterfaceName: wg0, wireguardListeningPort: 51900, wireguardRoutingRulePriority: 50, wireguardMTU: 1300',
      ),
    );
    expect(wireguardOf(named, 'n1')).toMatchObject({
      name: 'wg0',
      mtu: 1300,
      wireguard: { listenPort: 51900 },
    });
    expect(routeLines(named, 'n1', 1)).toContain('10.2.0.64/26 dev wg0 scope link');
    expect(namespaceOf(named, 'n1').rules![1]!.priority).toBe(50);
  });

  it('refuses the name of another device', () => {
    const error = failure(
      pool(),
      ...nodes(),
      felix('wireguardEnabled: true, wireguardInterfaceName: eth0'),
    );
    expect(error.message).toContain(
      'expected a WireGuard device with a name of its own, found eth0',
    );
    expect(error.code).toBe('ERR_CONFIG_CONFLICT');
  });

  it.each(['short', `${KEY.slice(0, -2)}!=`, `${KEY}=`])('refuses the key %s', (key) => {
    const error = failure(pool(), ...nodes({ n1: `\nstatus: {wireguardPublicKey: "${key}"}` }));
    expect(error.message).toContain('expected a WireGuard key, 32 bytes in base64');
  });
});
