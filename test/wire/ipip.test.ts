import { describe, expect, it } from 'vitest';
import { innerEcn, OVERHEAD, outerTos } from '../../src/wire/ipip.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { captured } from './captured.ts';

const wire = captured('oracle/out/11-tos-ipip/node1.enp1s0.pcap');
const pod = captured('oracle/out/11-tos-ipip/b1.eth0.pcap');
const OUTER = 14;
const INNER = 34;
/** Frames put on the wire by the lab, all pairs of outer and inner ECN, have these inner ids. */
const FIRST_INJECTED = 0x5200;
const tunnelled = (wire?.frames ?? [])
  .map(({ bytes }) => bytes)
  .filter((b) => b.readUInt16BE(12) === 0x0800 && ipv4.protocol(b, OUTER) === ipv4.PROTO_IPIP);
const seed = captured('captures/calico-ipip.pcap');

describe('ipip', () => {
  it.each([
    // Inner TOS and outer TOS, measured on Linux 6.1 and 6.12, for IPIP and VXLAN alike.
    [0x00, 0x00],
    [0x01, 0x01],
    [0x02, 0x02],
    [0x03, 0x02],
    [0xb8, 0x00],
    [0xb9, 0x01],
    [0xba, 0x02],
    [0xbb, 0x02],
    [0xff, 0x02],
  ])('sends TOS %i in an outer header with TOS %i', (inner, outer) => {
    expect(outerTos(inner)).toBe(outer);
  });

  it.each([
    // Outer ECN, and the result for inner 0 to 3; -1: Linux dropped the packet.
    [0, [0, 1, 2, 3]],
    [1, [0, 1, 1, 3]],
    [2, [0, 1, 2, 3]],
    [3, [-1, 3, 3, 3]],
  ])('decapsulates an outer ECN of %i as Linux does', (outer, results) => {
    expect([0, 1, 2, 3].map((inner) => innerEcn(outer, inner))).toEqual(results);
    expect([0, 1, 2, 3].map((inner) => innerEcn(0xb8 | outer, 0x28 | inner))).toEqual(results);
  });

  it.skipIf(wire === undefined)('has the outer TOS of every packet that node1 tunnelled', () => {
    const sent = tunnelled.filter((b) => ipv4.identification(b, INNER) < FIRST_INJECTED);
    expect(sent.length).toBeGreaterThan(20);
    for (const b of sent) expect(ipv4.tos(b, OUTER)).toBe(outerTos(ipv4.tos(b, INNER)));
  });

  it.skipIf(wire === undefined)(
    'lets through what reached the pod, with the ECN it had there',
    () => {
      const injected = tunnelled.filter((b) => ipv4.identification(b, INNER) >= FIRST_INJECTED);
      expect(injected.length).toBe(16);
      for (const b of injected) {
        const tos = ipv4.tos(b, INNER);
        const ecn = innerEcn(ipv4.tos(b, OUTER), tos);
        const arrived = pod!.frames.find(
          ({ bytes }) => ipv4.identification(bytes, OUTER) === ipv4.identification(b, INNER),
        );
        const seen = arrived === undefined ? -1 : ipv4.tos(arrived.bytes, OUTER);
        expect(seen).toBe(ecn < 0 ? -1 : (tos & 0xfc) | ecn);
      }
    },
  );

  it.skipIf(seed === undefined)('adds 20 bytes', () => {
    for (const { bytes } of seed!.frames) {
      expect(ipv4.totalLength(bytes, 14)).toBe(ipv4.totalLength(bytes, 14 + OVERHEAD) + OVERHEAD);
    }
  });
});
