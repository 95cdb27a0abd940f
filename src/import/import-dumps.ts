/**
 * A cluster from what commands printed on its nodes. Nothing is guessed silently:
 * what no dump tells is either assumed and listed, or missing and listed.
 */
import { releaseOf } from '../calico/release.ts';
import { PodwireError } from '../errors.ts';
import type { ClusterPlan, NamespacePlan } from '../plan/plan.ts';
import type { DumpFile } from './dump-file.ts';
import { hintsOf } from './hints.ts';
import { readInventory } from './inventory.ts';
import { type MissingFact, missingFacts } from './missing-fact.ts';
import { namespaceOf } from './namespace.ts';
import { Notes } from './notes.ts';
import { CLUSTER_WIDE, cutSections, type Section } from './section.ts';
import { readTables, type TableSet } from './table-set.ts';
import { type Wired, wire } from './wiring.ts';

/** A plan that came from dumps: it may lack what no dump holds. */
export interface ImportedPlan extends ClusterPlan {
  readonly imported: true;
}

export interface Import {
  readonly plan: ImportedPlan;
  /** Facts without which some packets of this cluster cannot be followed. */
  readonly missing: readonly MissingFact[];
  /** What was taken for granted; also the plan's `assumptions`. */
  readonly assumed: readonly string[];
  /** What the plan was made of, for writing it down. */
  readonly sections: readonly Section[];
}

/** Was the plan made by `importDumps`? */
export const isImported = (plan: ClusterPlan): plan is ImportedPlan => 'imported' in plan;

/** The beginning of a line, without what may be a private key (`wg showconf`). */
const shown = (text: string): string =>
  text
    .slice(0, 200)
    .replace(/[A-Za-z0-9+/]{43}=/g, '(hidden)')
    .slice(0, 60);

/** Throws PodwireError ERR_CONFIG_SYNTAX, ERR_CONFIG_VALUE and ERR_CONFIG_CONFLICT with file and line. */
export function importDumps(files: readonly DumpFile[]): Import {
  const { sections, unread, around, ipv6 } = cutSections(files);
  const notes = new Notes();
  for (const { source, line, text } of unread) {
    notes.assume(`${source}:${line}: not read as output of a command: ${shown(text)}`);
  }
  const left = [
    ...(around === 0 ? [] : [`${around} lines of other text`]),
    ...(ipv6 === 0 ? [] : [`${ipv6} lines of IPv6 tables`]),
  ];
  return importSections(sections, left, notes);
}

/** `links` settles the cables; without it they follow from the tables. */
export function importSections(
  sections: readonly Section[],
  left: readonly string[],
  notes: Notes,
  links: (dumped: Wired) => Wired = (wired) => wired,
): Import {
  const listed = readInventory(sections, notes);
  const all = tablesOf(sections, notes);
  if (all.length === 0) {
    throw new PodwireError(
      'ERR_CONFIG_VALUE',
      'expected the output of commands such as ip route, ip addr or bridge fdb show, found none',
      { source: sections[0]?.source ?? 'the dump' },
    );
  }
  const hints = hintsOf(all, listed.nodes);
  const nodes = new Set(listed.nodes.map(({ name }) => name));
  const dumped = all.map((tables) => namespaceOf(tables, hints, nodes, notes));
  const tables = new Map(all.map((set) => [set.name, set]));
  const wired = links(wire(dumped, { tables, hints, pods: listed.pods, notes }));
  const plan: ImportedPlan = {
    imported: true,
    namespaces: inOrder(wired.namespaces),
    segments: wired.segments,
    pools: listed.pools,
    free: listed.free,
    assumptions: notes.assumed,
    ignored: [...listed.ignored, ...left],
    ...(listed.services.length === 0 ? {} : { services: listed.services }),
    inventory: {
      release: releaseOf(listed.setup.version, []),
      ...listed.setup,
      pools: listed.poolFacts,
      nodes: listed.nodes,
      blocks: [],
      sessions: listed.sessions,
    },
  };
  return { plan, missing: missingFacts(plan), assumed: plan.assumptions, sections };
}

/** What is listed of a namespace itself, not of the cluster. */
function tablesOf(sections: readonly Section[], notes: Notes): TableSet[] {
  const own = sections.filter(({ format }) => !CLUSTER_WIDE.has(format));
  const names = [...new Set(own.filter(({ format }) => format !== 'status').map((s) => s.node))];
  return names.map((name) =>
    readTables(
      name,
      own.filter((s) => s.node === name),
      notes,
    ),
  );
}

/** Nodes, then what surrounds them, then pods: as in a plan from manifests. */
function inOrder(namespaces: readonly NamespacePlan[]): NamespacePlan[] {
  const rank = { node: 0, router: 1, host: 1, pod: 2 } as const;
  return [...namespaces].sort((a, b) => rank[a.role] - rank[b.role]);
}
