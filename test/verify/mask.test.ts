/** Free bytes of tunnels in the quotes of errors, and no others. */
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { type Insider, maskFrame } from '../../src/verify/mask.ts';
import { parseIp4 } from '../../src/wire/address.ts';

const NODE = '192.168.33.55';
const ROUTER = '192.168.33.1';
const SERVICE = '10.96.0.10';
const insider: Insider = {
  isNode: (address) => address === parseIp4(NODE) || address === parseIp4(ROUTER),
  isHeld: (address) => address !== parseIp4(SERVICE),
  vxlanPorts: [4789],
  wireguardPorts: [],
  plain: () => undefined,
};

/** A router's redirect about this packet, of which it quotes so much. */
const masked = (quoted: readonly Layer[], length = 548): string =>
  maskFrame(
    buildFrame([
      { layer: 'ipv4', src: ROUTER, dst: NODE, id: 5 },
      { layer: 'icmp', type: 5, code: 1, gateway: '192.168.33.9' },
      { layer: 'payload', bytes: buildFrame(quoted).subarray(0, length) },
    ]),
    true,
    insider,
  ).hex;

const inner: Layer[] = [
  { layer: 'ethernet', src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' },
  { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136', id: 9 },
  { layer: 'udp', srcPort: 7, dstPort: 8 },
];
const vxlan = (
  id: number,
  srcPort: number,
  more: { src?: string; dstPort?: number } = {},
): Layer[] => [
  { layer: 'ipv4', src: more.src ?? NODE, dst: '192.168.33.57', id },
  { layer: 'udp', srcPort, dstPort: more.dstPort ?? 4789 },
  { layer: 'vxlan', vni: 4096 },
  ...inner,
];
const ipip = (id: number): Layer[] => [
  { layer: 'ipv4', src: NODE, dst: '192.168.33.57', id },
  ...inner.slice(1),
];

describe('an error that quotes a packet of a tunnel', () => {
  it('is the same whatever the node drew for it', () => {
    expect(masked(vxlan(1, 50_000))).toBe(masked(vxlan(2, 50_001)));
    expect(masked(ipip(1))).toBe(masked(ipip(2)));
    expect(masked(vxlan(1, 50_000), 28)).toBe(masked(vxlan(2, 50_001), 28));
  });

  it('is another for another packet inside, port or sender', () => {
    const other = vxlan(1, 50_000).map((layer) =>
      layer.layer === 'ipv4' && layer.id === 9 ? { ...layer, id: 10 } : layer,
    );
    expect(masked(other)).not.toBe(masked(vxlan(1, 50_000)));
    for (const more of [{ src: '10.2.36.71' }, { dstPort: 4790 }]) {
      expect(masked(vxlan(1, 50_000, more))).not.toBe(masked(vxlan(2, 50_000, more)));
      expect(masked(vxlan(1, 50_000, more))).not.toBe(masked(vxlan(1, 50_001, more)));
    }
  });
});

it('an error in the name of a service has the identification that a node drew; a pod’s has its own', () => {
  const told = (src: string, id: number, type = 3): string =>
    maskFrame(
      buildFrame([
        { layer: 'ipv4', src, dst: '10.2.36.71', id },
        { layer: 'icmp', type, code: 0 },
        { layer: 'payload', bytes: buildFrame(ipip(1)) },
      ]),
      true,
      insider,
    ).hex;
  for (const src of [SERVICE, NODE]) expect(told(src, 1)).toBe(told(src, 2));
  expect(told('10.2.169.136', 1)).not.toBe(told('10.2.169.136', 2));
  expect(told(SERVICE, 1, 0)).not.toBe(told(SERVICE, 2, 0));
});
