/** A difference of two plans as people read it: `- old` and `+ new` under their command. */
import type { NamespaceDiff, PlanDiff, TableDiff } from './diff.ts';

const COMMANDS: readonly (readonly [
  'devices' | 'rules' | 'routes' | 'neighbours' | 'fdb',
  string,
])[] = [
  ['devices', 'ip addr'],
  ['rules', 'ip rule'],
  ['routes', 'ip route'],
  ['neighbours', 'ip neigh'],
  ['fdb', 'bridge fdb'],
];

/** Lines without a final newline; '' where nothing differs. */
export function formatDiff({ namespaces }: PlanDiff): string {
  return namespaces.map(namespaceText).join('\n\n');
}

const PRESENCE = { both: '', added: ' (new)', removed: ' (gone)' } as const;

function namespaceText(ns: NamespaceDiff): string {
  const sections = COMMANDS.flatMap(([table, command]) => {
    const lines = tableLines(ns[table]);
    return lines.length === 0 ? [] : [`  ${command}`, ...lines];
  });
  return [`${ns.name}${PRESENCE[ns.presence]}`, ...sections].join('\n');
}

function tableLines({ removed, added, changed }: TableDiff): string[] {
  return [
    ...removed.flatMap((text) => signed('-', text.split('\n'))),
    ...changed.flatMap(({ from, to }) => changedLines(from.split('\n'), to.split('\n'))),
    ...added.flatMap((text) => signed('+', text.split('\n'))),
  ];
}

const signed = (sign: '-' | '+' | ' ', lines: readonly string[]): string[] =>
  lines.map((line) => `  ${sign} ${line}`);

/** Of a device only the lines that differ, below the one that names it. */
function changedLines(from: readonly string[], to: readonly string[]): string[] {
  const gone = from.filter((line) => !to.includes(line));
  const come = to.filter((line) => !from.includes(line));
  const head = from[0] === to[0] && from.length > 1 ? signed(' ', from.slice(0, 1)) : [];
  return [...head, ...signed('-', gone), ...signed('+', come)];
}
