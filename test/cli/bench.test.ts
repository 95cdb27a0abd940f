import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { barChart } from '../../src/cli/bar-chart.ts';
import { readRouteList } from '../../src/cli/route-list.ts';
import { PodwireError } from '../../src/index.ts';
import { parseIp4 } from '../../src/wire/address.ts';
import { compileProgram } from './program.ts';

const { podwire, folder } = compileProgram();

describe('podwire bench lpm', () => {
  it('measures a table of the user, draws it and says what it took', () => {
    const table = join(folder, 'routes.txt');
    const plot = join(folder, 'lpm.svg');
    writeFileSync(table, 'default via 192.168.33.1\n10.0.0.0/8 dev a\n10.2.0.0/16 dev b\n');
    const words = ['bench', 'lpm', '--table', table, '--stream', 'routed', '--rounds', '1'];
    const { status, stdout } = podwire([...words, '--plot', plot, '--json']);
    expect(status).toBe(0);
    const { routes, lookupsPerSecond } = JSON.parse(stdout);
    expect(routes).toBe(3);
    expect(lookupsPerSecond.map(({ name }: { name: string }) => name)).toEqual([
      'routed, lookup',
      'routed, batch',
    ]);
    for (const { median } of lookupsPerSecond) expect(median).toBeGreaterThan(0);
    expect(readFileSync(plot, 'utf8')).toMatch(/^<svg [\s\S]*routed, batch[\s\S]*<\/svg>\n$/);
  });

  it('refuses what it cannot read', () => {
    const { status, stderr } = podwire(['bench', 'lpm', '--table', join(folder, 'nothing')]);
    expect(status).toBe(2);
    expect(stderr).toContain('nothing');
    expect(podwire(['bench', 'lpm', '--stream', 'other']).status).toBe(2);
  });
});

describe('a list of routes', () => {
  it('is a prefix a line, and the same next hop has the same value', () => {
    const { addresses, lengths, values } = readRouteList(
      '# from a router\ndefault via 1.1.1.1\r\n\n10.0.0.0/8 dev a\n10.1.2.3 via 1.1.1.1\n',
      'routes',
    );
    expect(addresses).toEqual([0, parseIp4('10.0.0.0'), parseIp4('10.1.2.3')]);
    expect(lengths).toEqual([0, 8, 32]);
    expect(values).toEqual([0, 1, 0]);
  });

  it('names the line of a mistake', () => {
    expect(() => readRouteList('10.0.0.0/8\n10.0.0.0/33\n', 'r.txt')).toThrow(/^r\.txt:2: /);
    expect(() => readRouteList('blackhole 10.0.0.0/8\n', 'r.txt')).toThrow(PodwireError);
  });
});

describe('a bar chart', () => {
  it('is as long as its figures and holds any name', () => {
    const bar = (name: string, median: number) => {
      return { name, median, least: median / 2, most: median };
    };
    const svg = barChart('<title>', 'unit', [bar('a & b', 10), bar('c', 5)]);
    expect(svg).toContain('a &amp; b');
    expect(svg).toContain('&lt;title&gt;');
    const widths = [...svg.matchAll(/<rect x="180".* width="([\d.]+)"/g)].map(([, w]) => Number(w));
    expect(widths[1]! / widths[0]!).toBeCloseTo(0.5, 2);
  });
});
