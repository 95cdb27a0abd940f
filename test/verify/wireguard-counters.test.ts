/** What `wg show` said in a recorded network, said again by the emulation of it. */
import '../accounts.ts';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { eventTime, labInputs } from '../../src/verify/inputs.ts';
import { openLab } from '../../src/verify/open-lab.ts';

const folder = join('..', 'shared', 'oracle', 'out', '18-wireguard');
const here = existsSync(folder);
if (!here) console.warn('SKIPPED: no recording of 18-wireguard here');

interface Listing {
  readonly kind: string;
  readonly namespace: string;
  readonly t: number;
  readonly output: string[];
}

/** The recorded handshake was held up by two seconds on purpose. */
const withoutAge = (text: string): string[] =>
  text.split('\n').filter((line) => line !== '' && !line.includes('latest handshake'));

it.skipIf(!here)('peers, endpoints, allowed IPs and bytes are the kernel’s', () => {
  const lab = openLab(folder);
  const { events } = JSON.parse(readFileSync(join(folder, 'scenario.json'), 'utf8'));
  const listings: Listing[] = events.filter(({ kind }: Listing) => kind === 'table');
  const cluster = Cluster.fromPlan(lab.plan);
  const first = cluster.exec('node1', ['wg', 'show']);
  expect(first).not.toContain('transfer');
  for (const input of labInputs(lab, cluster)) {
    cluster.advance(input);
    input.enter();
  }
  expect(listings).toHaveLength(2);
  for (const { namespace, t, output } of listings) {
    cluster.advance(eventTime(lab, t));
    const shown = cluster.exec(namespace, ['wg', 'show', 'wireguard.cali']);
    expect(withoutAge(shown)).toEqual(withoutAge(output.join('\n')));
    expect(shown).toMatch(/ {2}latest handshake: 1\d seconds ago\n {2}transfer/);
  }
});
