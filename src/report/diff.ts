/**
 * Two plans of a cluster side by side: node by node the lines that the commands
 * would print no more, and those they would print now.
 */
import type {
  ClusterPlan,
  DevicePlan,
  FdbPlan,
  NamespacePlan,
  NeighbourPlan,
  Role,
  RoutePlan,
} from '../plan/plan.ts';
import { fdbEntry } from '../text/bridge-fdb.ts';
import { runCommand } from '../text/command.ts';
import { neighbourEntry } from '../text/ip-neigh.ts';
import { formatDestination, routeEntry } from '../text/ip-route.ts';
import { ruleEntry, rulesOf } from '../text/ip-rule.ts';
import { formatIp4, formatMac } from '../wire/address.ts';

/** What became of the lines of one table. */
export interface TableDiff {
  readonly removed: readonly string[];
  readonly added: readonly string[];
  /** The same destination, address or device, with other words. */
  readonly changed: readonly { readonly from: string; readonly to: string }[];
}

export interface NamespaceDiff {
  readonly name: string;
  readonly role: Role;
  /** In both plans, or only in the first or the second. */
  readonly presence: 'both' | 'removed' | 'added';
  readonly devices: TableDiff;
  readonly rules: TableDiff;
  readonly routes: TableDiff;
  readonly neighbours: TableDiff;
  readonly fdb: TableDiff;
}

/** Only namespaces that differ, in the order of the plans. */
export interface PlanDiff {
  readonly namespaces: readonly NamespaceDiff[];
}

/** A row of a table: what it is about, and its text. Two rows may be about one thing. */
interface Row {
  readonly key: string;
  readonly text: string;
}

type Table = 'devices' | 'rules' | 'routes' | 'neighbours' | 'fdb';

/** Nodes share most of their entries, so each is put into words once. */
function rowMaker<T extends object>(row: (entry: T) => Row): (entry: T) => Row {
  const made = new WeakMap<T, Row>();
  return (entry) => {
    const before = made.get(entry);
    if (before !== undefined) return before;
    const now = row(entry);
    made.set(entry, now);
    return now;
  };
}

function tableRows(): { readonly [T in Table]: (ns: NamespacePlan) => Row[] } {
  const route = rowMaker((r: RoutePlan) => ({
    key: `${formatDestination(r.destination)} ${r.table} ${r.metric} ${r.tos ?? 0}`,
    text: routeEntry(r),
  }));
  const neighbour = rowMaker((n: NeighbourPlan) => ({
    key: `${n.device} ${formatIp4(n.address)}`,
    text: neighbourEntry(n),
  }));
  const fdb = rowMaker((f: FdbPlan) => ({
    key: `${f.device} ${formatMac(f.mac)}`,
    text: fdbEntry(f),
  }));
  return {
    devices: (ns) => ns.devices.map((d) => ({ key: d.name, text: deviceText(ns, d) })),
    rules: (ns) =>
      rulesOf(ns).map((r, _, all) => ({ key: String(r.priority), text: ruleEntry(r, all) })),
    routes: (ns) => ns.routes.map(route),
    neighbours: (ns) => ns.neighbours.map(neighbour),
    fdb: (ns) => ns.fdb.map(fdb),
  };
}

/**
 * ifindexes are not compared: a device more moves those of all that follow. What ARP
 * learns is no part of a plan.
 */
export const diffPlans = (before: ClusterPlan, after: ClusterPlan): PlanDiff => ({
  namespaces: [...walkDiff(before, after)],
});

/** The same one by one: the whole of two big clusters need not fit into memory. */
export function* walkDiff(before: ClusterPlan, after: ClusterPlan): Generator<NamespaceDiff> {
  const old = new Map(before.namespaces.map((ns) => [ns.name, ns]));
  const now = new Map(after.namespaces.map((ns) => [ns.name, ns]));
  const rows = tableRows();
  for (const name of new Set([...old.keys(), ...now.keys()])) {
    const a = old.get(name);
    const b = now.get(name);
    const one = b ?? a;
    if (one === undefined) continue;
    const diff = (table: Table): TableDiff =>
      diffRows(a === undefined ? [] : rows[table](a), b === undefined ? [] : rows[table](b));
    const tables = {
      devices: diff('devices'),
      rules: diff('rules'),
      routes: diff('routes'),
      neighbours: diff('neighbours'),
      fdb: diff('fdb'),
    };
    const presence = a === undefined ? 'added' : b === undefined ? 'removed' : 'both';
    if (presence === 'both' && Object.values(tables).every(isEmpty)) continue;
    yield { name: one.name, role: one.role, presence, ...tables };
  }
}

const isEmpty = ({ removed, added, changed }: TableDiff): boolean =>
  removed.length + added.length + changed.length === 0;

function diffRows(a: readonly Row[], b: readonly Row[]): TableDiff {
  const left = without(a, b);
  const right = without(b, a);
  const partners = new Map<string, Row[]>();
  for (const row of right) {
    const group = partners.get(row.key);
    if (group === undefined) partners.set(row.key, [row]);
    else group.push(row);
  }
  const changed: { from: string; to: string }[] = [];
  const removed: string[] = [];
  const paired = new Set<Row>();
  for (const row of left) {
    const partner = partners.get(row.key)?.shift();
    if (partner === undefined) removed.push(row.text);
    else {
      changed.push({ from: row.text, to: partner.text });
      paired.add(partner);
    }
  }
  const added = right.filter((row) => !paired.has(row)).map(({ text }) => text);
  return { removed, added, changed };
}

/** Rows of the first list that the second has not, each counted as often as it is there. */
function without(rows: readonly Row[], others: readonly Row[]): Row[] {
  const there = new Map<string, number>();
  for (const { text } of others) there.set(text, (there.get(text) ?? 0) + 1);
  return rows.filter(({ text }) => {
    const count = there.get(text) ?? 0;
    there.set(text, count - 1);
    return count <= 0;
  });
}

/** `ip -d addr` of the device, and `wg show`, without ifindexes and what never differs. */
function deviceText(ns: NamespacePlan, device: DevicePlan): string {
  const alone: NamespacePlan = { ...ns, devices: [device] };
  const text = runCommand(alone, ['ip', '-d', 'addr'])
    .replace(/^\d+: /, '')
    .replace('@if?', '');
  const peers = device.wireguard === undefined ? '' : runCommand(alone, ['wg']);
  return `${text}${peers}`
    .split('\n')
    .map((line) => line.replace(CONSTANT, '').trimEnd())
    .filter((line) => line !== '' && !/valid_lft forever/.test(line))
    .join('\n');
}

const CONSTANT = / link-netnsid \d+| +promiscuity 0 minmtu.*| *numtxqueues .*/g;
