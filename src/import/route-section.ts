/**
 * `ip route` as real nodes print it: beside what a plan has a place for, also flags
 * and metrics of the moment, which are taken off by name and said.
 */
import type { RoutePlan } from '../plan/plan.ts';
import { parseIpRoute } from '../text/ip-route.ts';
import { wordsOf } from '../text/line-reader.ts';
import type { Notes } from './notes.ts';
import type { Section } from './section.ts';

/** Flags that the model has no use for (ip/iproute.c print_rt_flags). */
const FLAGS = new Set(['linkdown', 'pervasive', 'offload', 'trap', 'notify', 'unresolved']);
const OFFLOADS = new Set(['rt_offload', 'rt_trap', 'rt_offload_failed', 'offload_failed']);
/** Metrics with a value, of TCP and of the cache. */
const METRICS = new Set(['advmss', 'initcwnd', 'initrwnd', 'hoplimit', 'rto_min', 'window', 'rtt']);

/** Types of routes that no packet of this model meets. */
const UNUSED = new Set(['multicast', 'anycast']);

/** Routes of a section, with the device or table that its command names. */
export function readRoutes(section: Section, notes: Notes): RoutePlan[] {
  const { device, table } = section.listing;
  const lines = section.text.split('\n').map((line, i) => {
    const words = wordsOf(line);
    const place = `${section.source}:${section.firstLine + i}`;
    if (words.includes('dead') || UNUSED.has(words[0] ?? '')) {
      notes.assume(
        `${place}: a route that is ${words.includes('dead') ? 'dead' : words[0]} is not used`,
      );
      return '';
    }
    const kept = withoutFlags(words, place, notes);
    const refuses = /^(blackhole|unreachable|prohibit|throw)$/.test(words[0] ?? '');
    if (device !== undefined && kept.length > 0 && !refuses) kept.push('dev', device);
    return kept.join(' ');
  });
  const routes = parseIpRoute(lines.join('\n'), section.source, section.firstLine);
  return typeof table === 'number' ? routes.map((route) => ({ ...route, table })) : routes;
}

function withoutFlags(words: readonly string[], place: string, notes: Notes): string[] {
  const kept: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    const valued = METRICS.has(word);
    if (!valued && !FLAGS.has(word) && !OFFLOADS.has(word)) {
      // `mtu lock 1400` never shrinks by path MTU discovery, which is not modelled.
      if (word !== 'lock') kept.push(word);
      continue;
    }
    notes.assume(`${place}: ${word} is not modelled`);
    if (valued) i++;
  }
  return kept;
}
