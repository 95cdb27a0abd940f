import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import * as testing from '../../src/testing/index.ts';
import { parseIp4, parseMac, parsePrefix } from '../../src/wire/address.ts';

describe('arbitraries', () => {
  it('draw addresses that podwire itself reads', () => {
    fc.assert(
      fc.property(testing.address(), testing.prefix(), testing.mac(), (address, prefix, mac) => {
        parseIp4(address);
        parsePrefix(prefix);
        parseMac(mac);
      }),
    );
    const lengths = fc.sample(testing.prefix(), 500).map((text) => Number(text.split('/')[1]));
    expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([0, 32]);
  });

  it.each([
    ['ipv4Header', testing.ipv4Header().map((header) => [{ ...header, protocol: 1 }])],
    ['udpDatagram', testing.udpDatagram()],
    ['tcpSegment', testing.tcpSegment()],
    ['icmpEcho', testing.icmpEcho()],
  ])('draw a %s that can be built and dissected', (name, arbitrary) => {
    const outer = { layer: 'ipv4', src: '10.0.0.1', dst: '10.0.0.2' } as const;
    fc.assert(
      fc.property(arbitrary, (layers) => {
        const all = name === 'ipv4Header' ? layers : [outer, ...layers];
        const got = dissect(buildFrame(all), { linkType: 101 }).layers;
        expect(got).toMatchObject(all);
      }),
    );
  });

  it('draw ARP messages that can be built and dissected', () => {
    const ethernet = {
      layer: 'ethernet',
      src: '02:00:00:00:00:01',
      dst: '02:00:00:00:00:02',
    } as const;
    fc.assert(
      fc.property(testing.arpMessage(), (message) => {
        expect(dissect(buildFrame([ethernet, message])).layers).toMatchObject([ethernet, message]);
      }),
    );
  });

  it('draw frames of every kind, and tunnels in tunnels', () => {
    const kinds = new Set(
      fc
        .sample(testing.frame(), 200)
        .flat()
        .map(({ layer }) => layer),
    );
    expect([...kinds].sort()).toEqual(
      ['arp', 'ethernet', 'icmp', 'ipv4', 'payload', 'tcp', 'udp', 'vlan'].sort(),
    );
    const depths = fc
      .sample(testing.nestedFrame(), 200)
      .map((layers) => layers.filter(({ layer }) => layer === 'ipv4').length);
    expect([Math.min(...depths), Math.max(...depths)]).toEqual([2, 4]);
  });

  it('draw captures in the order of time, with frames no longer than they were', () => {
    fc.assert(
      fc.property(testing.capture(), ({ linkType, records }) => {
        expect(linkType).toBe(1);
        let last = 0n;
        for (const { seconds, nanoseconds, bytes, originalLength } of records) {
          const time = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
          expect(time >= last).toBe(true);
          last = time;
          expect(nanoseconds).toBeLessThan(1_000_000_000);
          expect(bytes.length).toBeLessThanOrEqual(originalLength);
          dissect(bytes, { linkType, originalLength });
        }
      }),
    );
  });

  it('draw flows that can be sent', () => {
    fc.assert(
      fc.property(testing.flow(), ({ source, destination, payloads, sourcePort, protocol }) => {
        parseIp4(source);
        parseIp4(destination);
        expect(payloads.length).toBeGreaterThan(0);
        expect(['tcp', 'udp']).toContain(protocol);
        expect(sourcePort).toBeGreaterThan(0);
      }),
    );
  });

  it('draw clusters as YAML that says what the record says', () => {
    const modes = new Set<string>();
    fc.assert(
      fc.property(testing.cluster(), ({ yaml, nodes, pods, mode }) => {
        modes.add(mode);
        const documents = parseAllDocuments(yaml).map((document) => document.toJS());
        const named = (kind: string) =>
          documents
            .filter((document) => document.kind === kind)
            .map(({ metadata }) => metadata.name);
        expect(named('IPPool')).toHaveLength(1);
        expect(named('Node')).toEqual(nodes);
        expect(named('Pod')).toEqual(pods.map(({ name }) => name));
        const placed = documents
          .filter(({ kind }) => kind === 'Pod')
          .map(({ spec }) => spec.nodeName);
        expect(placed).toEqual(pods.map(({ node }) => node));
        const { ipipMode, vxlanMode } = documents[0].spec;
        const name = { Always: '', CrossSubnet: '-cross-subnet' };
        const expected =
          ipipMode !== 'Never'
            ? `ipip${name[ipipMode as keyof typeof name]}`
            : vxlanMode !== 'Never'
              ? `vxlan${name[vxlanMode as keyof typeof name]}`
              : 'direct';
        expect(mode).toBe(expected);
      }),
    );
    expect(modes.size).toBe(5);
  });
});

describe('laws.roundTrip', () => {
  it('holds for JSON and fails for a decoder that forgets', () => {
    // JSON has no minus zero, and fc.integer draws none.
    const plain = fc.tuple(fc.integer(), fc.string());
    fc.assert(fc.property(plain, testing.laws.roundTrip(JSON.stringify, JSON.parse)));
    const forgets = testing.laws.roundTrip(JSON.stringify, (): [number, string] => [0, '']);
    const { failed, counterexample } = fc.check(fc.property(plain, forgets));
    expect(failed).toBe(true);
    expect(counterexample).toHaveLength(1);
    const loose = testing.laws.roundTrip(
      (n: number) => n + 1,
      (n) => n,
      () => true,
    );
    expect(loose(1)).toBe(true);
  });
});

describe('slowLookup', () => {
  const route = (text: string, metric: number, value: string) => ({
    ...parsePrefix(text),
    metric,
    value,
  });

  it('answers as the routing table of the documents does', () => {
    const entries = [
      route('0.0.0.0/0', 0, 'default'),
      route('10.2.36.64/26', 0, 'blackhole'),
      route('10.2.36.71/32', 0, 'cali'),
      route('10.2.169.128/26', 0, 'vxlan.calico'),
    ];
    const at = (text: string) => slowest(entries, text);
    expect(at('10.2.36.71')).toBe('cali');
    expect(at('10.2.36.72')).toBe('blackhole');
    expect(at('10.2.169.136')).toBe('vxlan.calico');
    expect(at('10.2.169.192')).toBe('default');
    expect(at('255.255.255.255')).toBe('default');
  });

  it('takes the lowest metric, then the first', () => {
    const entries = [
      route('10.0.0.0/8', 20, 'late'),
      route('10.0.0.0/8', 10, 'first'),
      route('10.0.0.0/8', 10, 'second'),
    ];
    expect(slowest(entries, '10.1.1.1')).toBe('first');
    expect(slowest(entries, '11.1.1.1')).toBeUndefined();
    expect(slowest([], '11.1.1.1')).toBeUndefined();
  });

  const slowest = (entries: readonly ReturnType<typeof route>[], text: string) =>
    testing.slowLookup(entries, parseIp4(text))?.value;
});
