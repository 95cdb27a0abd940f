/**
 * Recorded labs of a real kernel, run again: every frame on every interface, ICMP
 * errors, ARP, fragments and options included, none missing and none extra.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openLab } from '../../src/verify/open-lab.ts';
import { verifyLab } from '../../src/verify/verify.ts';
import { edits } from './edits.ts';

const SCENARIOS = [
  '01-direct',
  '01-direct-offload',
  '02-same-node',
  '03-ipip',
  '04-vxlan',
  '04-vxlan-offload',
  '05-ipip-cross',
  '06-vxlan-cross',
  '07-host-direct',
  '07-host-ipip',
  '07-host-vxlan',
  '08-ttl-direct',
  '08-ttl-ipip',
  '08-ttl-ipip-cross',
  '08-ttl-vxlan',
  '08-ttl-vxlan-cross',
  '09-blackhole-direct',
  '09-blackhole-ipip',
  '09-blackhole-vxlan',
  '10-mtu-direct',
  '10-mtu-ipip',
  '10-mtu-ipip-bad',
  '10-mtu-ipip-ct',
  '10-mtu-vxlan',
  '10-mtu-vxlan-bad',
  '11-tos-direct',
  '11-tos-ipip',
  '11-tos-vxlan',
  '12-arp',
  '13-nat',
  '13-nat-random',
  '14-service',
  '15-rpf',
  '16-corrupt',
  '17-vxlan-decap',
  '18-wireguard',
  '19-seed-bgp',
  '19-seed-ipip',
  '19-seed-vxlan',
];

const folder = (scenario: string): string => join('..', 'shared', 'oracle', 'out', scenario);

describe.each(SCENARIOS)('%s', (scenario) => {
  if (!existsSync(folder(scenario))) {
    console.warn(`SKIPPED: no recording of ${scenario} here`);
    it.skip('is not here', () => {});
    return;
  }
  it('every frame on every interface is the kernel’s', () => {
    const lab = openLab(folder(scenario));
    const compared = verifyLab(lab, { edits: (edits[scenario] ?? []).map((edit) => edit(lab)) });
    expect(compared.length).toBeGreaterThan(2);
    expect(compared.reduce((sum, c) => sum + c.frames, 0)).toBeGreaterThan(50);
    for (const comparison of compared) {
      const { missing, different, extra, equal, equalOutsideFree, frames } = comparison;
      const at = `${comparison.namespace}:${comparison.interface}`;
      expect({ missing, different, extra }, at).toEqual({ missing: 0, different: 0, extra: 0 });
      expect(equal + equalOutsideFree, at).toBe(frames);
    }
  });
});
