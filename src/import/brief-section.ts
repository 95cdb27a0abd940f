/** Devices that only `ip -br` or `ip -o addr` list: what these leave out is assumed, and said. */
import { type BriefLink, parseBrief } from '../text/brief-reader.ts';
import type { LinkListed } from '../text/link-reader.ts';
import type { Notes } from './notes.ts';
import type { Section } from './section.ts';

/** Linux' and Calico's defaults. */
const MTUS: ReadonlyMap<string, number> = new Map([
  ['lo', 65536],
  ['tunl0', 1480],
  ['vxlan.calico', 1450],
  ['wireguard.cali', 1440],
]);
const MTU = 1500;

/**
 * Adds to `links` what the brief listings of a namespace know. `addressed` gains the
 * devices whose addresses were listed.
 */
export function addBrief(
  namespace: string,
  sections: readonly Section[],
  links: Map<string, LinkListed>,
  addressed: Set<string>,
  notes: Notes,
): void {
  const made: string[] = [];
  for (const section of sections) {
    for (const brief of parseBrief(section.text, section)) {
      const before = links.get(brief.name);
      const known = before ?? newLink(brief, links);
      if (before === undefined) made.push(`${brief.name} ${known.mtu}`);
      const fresh = brief.addresses !== undefined && !addressed.has(brief.name);
      links.set(brief.name, {
        ...known,
        ...(known.mac === undefined && brief.mac !== undefined ? { mac: brief.mac } : {}),
        ...(fresh ? { addresses: brief.addresses } : {}),
      });
      if (brief.addresses !== undefined) addressed.add(brief.name);
    }
  }
  if (made.length === 0) return;
  notes.assume(`${namespace}: indexes and MTUs, which \`ip -br\` leaves out: ${made.join(', ')}`);
}

function newLink(brief: BriefLink, links: ReadonlyMap<string, LinkListed>): LinkListed {
  const { name, peer, up, mac, source, line } = brief;
  const taken = new Set([...links.values()].map((link) => link.index));
  let index = brief.index ?? 1;
  while (taken.has(index)) index++;
  const loopback = name === 'lo';
  const tunnel = name === 'tunl0' || name === 'wireguard.cali';
  return {
    index,
    name,
    ...(peer === undefined ? {} : { peer }),
    flags: [...(loopback ? ['LOOPBACK'] : []), ...(up ? ['UP'] : [])],
    mtu: MTUS.get(name) ?? MTU,
    qdisc: loopback || tunnel || peer !== undefined ? 'noqueue' : 'fq_codel',
    queueLength: 1000,
    ...(loopback || tunnel ? {} : { linkType: 'ether' }),
    ...(mac === undefined ? {} : { mac }),
    addresses: [],
    source,
    line,
  };
}
