/** Every table that a real kernel printed in the oracle's scenarios, printed again from a plan. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NamespacePlan } from '../../src/plan/plan.ts';
import { printArp } from '../../src/text/arp.ts';
import { printBridgeFdb } from '../../src/text/bridge-fdb.ts';
import { printIpAddr } from '../../src/text/ip-addr.ts';
import { printIpLink } from '../../src/text/ip-link.ts';
import { printIpNeigh } from '../../src/text/ip-neigh.ts';
import { localRoutes, printIpRoute } from '../../src/text/ip-route.ts';
import { printIpRule } from '../../src/text/ip-rule.ts';
import { printRouteN } from '../../src/text/route-n.ts';
import { namespace, shared, trimLines } from './namespace.ts';
import {
  neighboursOf,
  peers,
  planOf,
  routesOf,
  splitTables,
  type Tables,
} from './oracle-tables.ts';

const folder = join(shared, 'oracle', 'out');
const scenarios = existsSync(folder) ? readdirSync(folder) : [];
if (scenarios.length === 0) console.warn(`SKIPPED: no oracle tables in ${folder}`);

/** What is taken out of the oracle's `ip -d link`, and what iproute2 6.1 words otherwise. */
const linkFacts = (text: string): string =>
  trimLines(
    text
      .replace(/ promiscuity 0 /g, ' ')
      .replace(/ addrgenmode \w+/g, '')
      .replace(/ numtxqueues .*/g, '')
      .replace(/ +(?=minmtu)/g, ' '),
  );

function expectSame(tables: Tables, plan: NamespacePlan): void {
  const text = (command: string): string => tables.texts.get(command) ?? '';
  expect(trimLines(printIpAddr(plan, { family4: true, peers }))).toBe(text('ip -4 addr'));
  expect(linkFacts(printIpLink(plan, { details: true, peers }))).toBe(
    linkFacts(text('ip -d link')),
  );
  // IPv6 was off, though not in every kernel before the devices were made.
  const groups4 = text('bridge fdb show').replace(/^33:33:00:00:00:01 .*\n/gm, '');
  expect(trimLines(printBridgeFdb(plan, { ipv6: false }))).toBe(groups4);
  expect(printIpRule()).toBe(text('ip rule'));
}

describe.skipIf(scenarios.length === 0)('the oracle’s tables', () => {
  it.each(scenarios)('%s', (scenario) => {
    let compared = 0;
    for (const file of ['tables.before.txt', 'tables.after.txt']) {
      for (const tables of splitTables(readFileSync(join(folder, scenario, file), 'utf8'))) {
        const text = (command: string): string => tables.texts.get(command) ?? '';
        const routes = routesOf(tables);
        const whole = namespace({ routes });
        // `show table all` names its tables; the two that can be there come in one order.
        expect(trimLines(printIpRoute(whole, { table: 'all' }))).toBe(
          text('ip route show table all'),
        );
        if (tables.texts.has('route -n')) expect(printRouteN(whole)).toBe(text('route -n'));
        const entries = namespace({ neighbours: neighboursOf(tables) });
        expect(trimLines(printIpNeigh(entries))).toBe(text('ip neigh'));
        expect(printArp(entries, { numeric: true, all: true })).toBe(text('arp -an'));
        compared++;

        const plan = planOf(tables);
        if (plan === undefined) continue;
        expectSame(tables, plan);
        const derived = { ...plan, routes: routes.filter((r) => r.table !== 'local') };
        expect(localRoutes(plan).length).toBeGreaterThan(2);
        expect(trimLines(printIpRoute(derived, { table: 'all' }))).toBe(
          text('ip route show table all'),
        );
      }
    }
    expect(compared).toBeGreaterThan(2);
  });
});
