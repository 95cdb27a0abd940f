import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { listNames, nicMac, podMac, vethName, vtepMac } from '../../src/calico/names.ts';
import { formatMac } from '../../src/wire/address.ts';

describe('names', () => {
  it('derives the VTEP MACs seen on real nodes', () => {
    const real = {
      'k8s-node1': '66:8c:73:5a:90:99',
      'k8s-node2': '66:90:43:3d:b3:e7',
      'k8s-master': '66:d5:cf:d3:6b:7e',
      master1: '66:31:3a:fa:51:89',
      master2: '66:35:31:bd:3e:3a',
    };
    for (const [name, mac] of Object.entries(real)) expect(formatMac(vtepMac(name))).toBe(mac);
  });

  it('derives the veth names seen on real nodes', () => {
    expect(vethName('yaobank', 'customer-574bd6cc75-77tw4')).toBe('cali1e6904b30ae');
    // Document 003 prints the pod's own answer, its address and its interface.
    expect(vethName('default', 'kubia-d278t')).toBe('calid2918f95dae');
  });

  it('gives pods and NICs distinct, locally administered unicast MACs', () => {
    const macs = ['a', 'b', 'node1'].flatMap((n) => [podMac('default', n), nicMac(n, 'eth0')]);
    expect(new Set(macs).size).toBe(macs.length);
    for (const mac of macs) expect(Number.parseInt(formatMac(mac).slice(0, 2), 16) & 3).toBe(2);
    const digest = createHash('sha1').update('pod default/a eth0').digest('hex');
    expect(formatMac(macs[0]!).replaceAll(':', '').slice(2)).toBe(digest.slice(2, 12));
  });

  it('lists five names and counts the rest', () => {
    expect(listNames(['a', 'b'])).toBe('a, b');
    expect(listNames(['a', 'b', 'c', 'd', 'e', 'f', 'g'])).toBe('a, b, c, d, e and 2 more');
  });
});
