/** The table of a bridge against one that keeps everything and looks at every entry. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeEntry, BridgeFdb } from '../../src/tables/bridge-fdb.ts';

const AGEING = [300_000, 5000];
const ageing = (bridge: number): number => AGEING[bridge]!;

interface Entry {
  port: number;
  kind: BridgeEntry;
  heard: number;
}

/** Never forgets; what is asked is worked out from all that was ever told. */
class Twin {
  private readonly entries = new Map<string, Entry>();

  set(bridge: number, mac: number, port: number, kind: BridgeEntry, now: number): void {
    this.entries.set(`${bridge} ${mac}`, { port, kind, heard: now });
  }

  learn(bridge: number, mac: number, port: number, now: number): void {
    const known = this.entries.get(`${bridge} ${mac}`);
    if (known === undefined) this.set(bridge, mac, port, BridgeEntry.Learned, now);
    else if (known.kind !== BridgeEntry.Local) Object.assign(known, { port, heard: now });
  }

  forget(port: number, all: boolean): void {
    for (const [key, entry] of this.entries) {
      if (entry.port === port && (all || entry.kind === BridgeEntry.Learned)) {
        this.entries.delete(key);
      }
    }
  }

  port(bridge: number, mac: number, now: number): number | undefined {
    const entry = this.entries.get(`${bridge} ${mac}`);
    if (entry === undefined) return undefined;
    const aged = entry.kind === BridgeEntry.Learned && now - entry.heard >= ageing(bridge);
    return aged ? undefined : entry.port;
  }
}

const bridge = fc.nat(1);
const mac = fc.nat(40);
const port = fc.integer({ min: 2, max: 5 });
const act = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('learn' as const), bridge, mac, port }) },
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ kind: fc.constant('set' as const), bridge, mac, port },
      as: fc.constantFrom(BridgeEntry.Static, BridgeEntry.Local),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('forget' as const), port, all: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(1, 4999, 5000, 299_999, 300_000),
    }),
  },
  // More strangers than are kept without looking for aged ones.
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crowd' as const), bridge, port }) },
);

describe('the forwarding database of bridges', () => {
  it('finds what a table finds that never forgets', () => {
    fc.assert(
      fc.property(fc.array(act, { minLength: 1, maxLength: 60 }), (acts) => {
        const table = new BridgeFdb(ageing);
        const twin = new Twin();
        let now = 1_700_000_000_000;
        let strangers = 1000;
        for (const one of acts) {
          if (one.kind === 'wait') now += one.ms;
          else if (one.kind === 'forget') {
            table.forget(one.port, one.all);
            twin.forget(one.port, one.all);
          } else if (one.kind === 'set') {
            table.set(one.bridge, 0x0200, one.mac, one.port, one.as, now);
            twin.set(one.bridge, one.mac, one.port, one.as, now);
          } else {
            const macs =
              one.kind === 'learn' ? [one.mac] : Array.from({ length: 600 }, () => strangers++);
            for (const each of macs) {
              table.learn(one.bridge, 0x0200, each, one.port, now);
              twin.learn(one.bridge, each, one.port, now);
            }
          }
          for (const at of [0, 1]) {
            for (let each = 0; each <= 40; each++) {
              const id = table.find(at, 0x0200, each, now);
              expect(id < 0 ? undefined : table.port(id)).toBe(twin.port(at, each, now));
            }
            const last = table.find(at, 0x0200, strangers - 1, now);
            expect(last < 0 ? undefined : table.port(last)).toBe(twin.port(at, strangers - 1, now));
          }
        }
        for (const at of [0, 1]) {
          for (const { macLow, port: behind } of table.list(at, now)) {
            expect(twin.port(at, macLow, now)).toBe(behind);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  // A kernel kept all of 70,000 addresses that came at once, and none of them after their time.
  it('keeps all that counts, and does not grow by what has aged', () => {
    const table = new BridgeFdb(ageing);
    for (let i = 0; i < 70_000; i++) table.learn(0, 0x0210, i, 3, 1000);
    expect([...table.list(0, 1000)]).toHaveLength(70_000);
    table.set(0, 0x0211, 0, 4, BridgeEntry.Static, 1000);
    for (let i = 0; i < 1_000_000; i++) table.learn(1, 0x0212, i, 5, 400_000 + i * 10);
    expect(table.size).toBeLessThan(3000);
    expect(table.port(table.find(0, 0x0211, 0, 1e9))).toBe(4);
    expect(table.find(1, 0x0212, 999_999, 10_400_000)).toBeGreaterThanOrEqual(0);
  });
});
