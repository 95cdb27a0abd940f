/** Labs of a real kernel, imported from nothing but what its commands printed. */
import '../accounts.ts';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { PodwireError } from '../../src/errors.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { missingFor } from '../../src/import/missing-fact.ts';
import { planFiles } from '../../src/import/plan-files.ts';
import { formatImport } from '../../src/import/tables-resource.ts';
import type { ClusterPlan, DevicePlan } from '../../src/plan/plan.ts';
import { openLab } from '../../src/verify/open-lab.ts';
import { formatIp4, parseIp4 } from '../../src/wire/address.ts';
import { facts, file, inOrderOf, labTables, send } from './dumps.ts';

const SCENARIOS = [
  '01-direct',
  '02-same-node',
  '03-ipip',
  '04-vxlan',
  '05-ipip-cross',
  '06-vxlan-cross',
  '13-nat',
  '14-service',
  '15-rpf',
];

/** Where import says of a device what a lab's plan says; a sysctl that is off may be absent. */
const filters = ({ name, rpFilter, routeLocalnet, proxyArp }: DevicePlan): object => ({
  name,
  rpFilter: rpFilter ?? 0,
  routeLocalnet: routeLocalnet ?? false,
  proxyArp,
});

const RULED = new Set(['13-nat', '14-service', '15-rpf']);

/** Of the devices that the lab's topology has; the kernel's own tunnels are listed besides. */
function settings(plan: ClusterPlan, { namespaces }: ClusterPlan): object {
  const listed = (of: string): Set<string> =>
    new Set(namespaces.find(({ name }) => name === of)?.devices.map(({ name }) => name));
  return Object.fromEntries(
    plan.namespaces.map(
      ({ name, forwarding, icmpRateLimit, routeErrorCost, netfilter, devices }) => [
        name,
        {
          forwarding,
          icmpRateLimit,
          routeErrorCost,
          netfilter,
          devices: devices
            .filter((device) => listed(name).has(device.name))
            .sort((a, b) => (a.name < b.name ? -1 : 1))
            .map(filters),
        },
      ],
    ),
  );
}

describe.each(SCENARIOS)('%s', (scenario) => {
  const text = labTables(scenario);
  if (text === undefined) {
    it.skip('is not here', () => {});
    return;
  }
  const recorded = openLab(join('..', 'shared', 'oracle', 'out', scenario)).plan;
  // A lab's pods are silent: what they sent is in the recording.
  const lab = {
    plan: { ...recorded, namespaces: recorded.namespaces.map((n) => ({ ...n, silent: false })) },
  };
  const addresses = new Map(
    lab.plan.namespaces
      .filter(({ role }) => role === 'pod')
      .map(({ name, devices }) => [
        name,
        formatIp4(devices.flatMap((d) => (d.name === 'eth0' ? d.addresses : []))[0]!.address),
      ]),
  );
  const pods = [...addresses.keys()];
  const pairs = pods.flatMap((from) =>
    pods.filter((to) => to !== from).map((to) => ({ from, to })),
  );
  const imported = importDumps([file(text)]);

  it('every pod pair takes the same way, with the same bytes, as in the lab’s own plan', () => {
    expect(pairs.length).toBeGreaterThan(1);
    const plan = inOrderOf(imported.plan, lab.plan);
    for (const pair of pairs) {
      for (const options of [
        { protocol: 'tcp' },
        { size: 1400, dontFragment: true },
        { ttl: 1 },
      ] as const) {
        const expected = send(lab.plan, { ...pair, ...options });
        expect(facts(send(plan, { ...pair, ...options }))).toEqual(facts(expected));
        if (options.ttl === undefined) expect(expected.outcome).toBe('delivered');
      }
    }
  });

  it('rules, sets and sysctls are those of the lab’s own plan', () => {
    expect(settings(imported.plan, recorded)).toEqual(settings(recorded, recorded));
    const ruled = imported.plan.namespaces.filter(({ netfilter }) => netfilter !== undefined);
    expect(ruled.map(({ name }) => name)).toEqual(RULED.has(scenario) ? ['node1', 'node2'] : []);
  });

  it('nothing is missing, and only the segments are assumed', () => {
    expect(imported.missing).toEqual([]);
    expect(imported.assumed.filter((text) => !text.includes('is one L2 segment of'))).toEqual([]);
    expect(imported.plan.ignored).toEqual([]);
  });

  it('is written as YAML and read back the same', () => {
    const again = planFiles([{ text: formatImport(imported), source: 'cluster.yaml' }]);
    expect(again).toEqual(imported.plan);
  });

  it('prompts, CRLF, colours, mangled text around: the same cluster', () => {
    const pasted = text
      .replace(
        /^##### namespace (\S+)\n/gm,
        'Here is \ufffd\ufffd what I see ‚Äì hello\nroot@$1:/home/a b# \n',
      )
      .replace(/^# ((?:ip|bridge|arp|route).*)$/gm, '\u001b]0;root: ~\u0007root@NODE:~$ $1')
      .replace(/(\d+\.\d+\.\d+\.\d+)/g, '\u001b[35m$1\u001b[0m')
      .replace(/\n/g, '  \r\n');
    let node = '';
    const lines = pasted.split('\n').map((line) => {
      node = /^root@(\S+):\/home/.exec(line)?.[1] ?? node;
      return line.replace('root@NODE', `root@${node}`);
    });
    const again = importDumps([file(lines.join('\n'))]);
    expect(again.plan.namespaces).toEqual(imported.plan.namespaces);
    expect(again.plan.segments).toEqual(imported.plan.segments);
  });

  it('a file per node and command: the same cluster', () => {
    const files = text
      .split(/^##### namespace /m)
      .slice(1)
      .flatMap((part) => {
        const name = part.slice(0, part.indexOf('\n'));
        return part
          .split(/^# (?!Generated|Completed)/m)
          .slice(1)
          .map((section) => {
            const end = section.indexOf('\n');
            const command = section
              .slice(0, end)
              .replace(/ \(.*/, '')
              .replaceAll(' ', '-')
              .replaceAll('--', '-');
            return file(section.slice(end + 1), `${name}-${command}.txt`);
          });
      })
      .filter(({ path }) => !/counters|conntrack/.test(path));
    // A file's name does not tell that what is not listed is 0.
    const plain = importDumps([file(text.replaceAll(' (0 where not listed)', ''))]);
    expect(importDumps(files).plan.namespaces).toEqual(plain.plan.namespaces);
    const folders = files.map(({ text: body, path }) => file(body, path.replace('-', '/')));
    expect(importDumps(folders).plan.namespaces).toEqual(plain.plan.namespaces);
  });

  it('with any one listing gone: delivered all the same, or the missing fact by name', () => {
    const parts = text.split(/^(?=# (?!Generated|Completed))/m);
    const listings = parts.flatMap((part, i) => (/^# (ip|bridge|arp|route)/.test(part) ? [i] : []));
    expect(listings.length).toBeGreaterThan(20);
    for (const gone of listings) {
      // The heading of the next namespace stands at the end of a part.
      const rest = parts.map((part, i) =>
        i === gone ? (/^##### .*\n/m.exec(part)?.[0] ?? '') : part,
      );
      const { plan } = importDumps([file(rest.join(''))]);
      for (const { from, to } of pairs) {
        const address = addresses.get(to)!;
        const trace = Cluster.fromPlan(plan).send({ from, to: address });
        if (trace.outcome === 'delivered') expect(trace.at).toBe(to);
        else expect(missingFor(plan, { from, to: parseIp4(address) })).not.toEqual([]);
      }
    }
  });

  it('with any one line gone: the same way, or the missing fact by name, or an error with its line', () => {
    const lines = text.split('\n');
    const candidates = lines.flatMap((line, i) => (line === '' || line.startsWith('#') ? [] : [i]));
    const seen = { same: 0, named: 0, refused: 0 };
    fc.assert(
      fc.property(
        fc.constantFrom(...candidates),
        fc.constantFrom(...pairs),
        (gone, { from, to }) => {
          const kept = lines.filter((_, i) => i !== gone).join('\n');
          const address = addresses.get(to)!;
          let plan: ReturnType<typeof importDumps>['plan'];
          try {
            plan = importDumps([file(kept)]).plan;
          } catch (error) {
            expect(error).toBeInstanceOf(PodwireError);
            expect((error as PodwireError).line).toBeGreaterThan(0);
            seen.refused++;
            return;
          }
          const trace = Cluster.fromPlan(plan).send({ from, to: address, protocol: 'tcp' });
          const way = trace.steps.map(({ node, room }) => `${node} ${room}`);
          const before = send(imported.plan, { from, to: address, protocol: 'tcp' });
          if (trace.outcome === 'delivered') {
            expect(trace.at, lines[gone]).toBe(to);
            if (
              JSON.stringify(way) === JSON.stringify(before.steps.map((s) => `${s.node} ${s.room}`))
            )
              seen.same++;
            return;
          }
          const named = missingFor(plan, { from, to: parseIp4(address) });
          expect(named, `${lines[gone]}: ${trace.reason}`).not.toEqual([]);
          for (const { text: sentence } of named) expect(sentence).toMatch(/is not in the dump$/);
          seen.named++;
        },
      ),
      { numRuns: 150 },
    );
    expect(seen.same).toBeGreaterThan(0);
    expect(seen.named + seen.refused).toBeGreaterThan(0);
  });
});
