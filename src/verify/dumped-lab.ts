/**
 * A recorded network that somebody brought from a running cluster: what commands printed
 * on its nodes, before and perhaps after, and captures of some of its interfaces. Nobody
 * wrote down what is joined to what; that follows from the tables. Of what was not
 * captured nothing is known but what the captures show: it is outside.
 */
import { PodwireError } from '../errors.ts';
import type { Format } from '../import/command-line.ts';
import { type DumpFile, readDumps } from '../import/dump-file.ts';
import { importDumps, importSections } from '../import/import-dumps.ts';
import { Notes } from '../import/notes.ts';
import { cutSections, type Section } from '../import/section.ts';
import { isBefore } from '../packet/moment.ts';
import type { ClusterPlan, NamespacePlan, Role } from '../plan/plan.ts';
import { captureFiles, readBrought } from './brought-captures.ts';
import { asCaptured } from './captured-devices.ts';
import { heard, type Lab, type LabCapture } from './lab.ts';
import { overheard, withOutside } from './outside.ts';

/** Throws ERR_FILE, ERR_CONFIG_… and ERR_CAPTURE_… with file and line. */
export function openDumps(folder: string): Lab {
  const paths = captureFiles(folder);
  if (paths.length === 0) throw nothing(folder, CAPTURE);
  const files = readDumps(folder);
  const dumped = importDumps(files.filter((file) => !isAfter(file)).map(untimed));
  const { captures, unused } = readBrought(folder, paths, dumped.plan);
  const frames = captures.flatMap((capture) => capture.frames ?? []);
  if (frames.length === 0) {
    throw nothing(folder, [CAPTURE, ...unused.map((text) => `not used: ${text}`)].join('; '));
  }
  const inside = insiders(dumped.plan, captures);
  if (!dumped.plan.namespaces.some(({ name, role }) => inside.has(name) && isRebuilt(role))) {
    throw nothing(folder, `tables of a node and a capture of it or of its pods (${TABLES})`);
  }
  const plan = asCaptured(within(dumped.plan, inside), captures);
  const sound = heard(plan.namespaces, captures);
  const others = overheard(plan, captures);
  return {
    plan: withOutside(plan, captures),
    ...afterwards(files, dumped.sections, inside),
    neighbours: 'warm',
    started: frames.reduce((a, b) => (isBefore(b, a) ? b : a)).seconds,
    ...sound,
    frames: (namespace, device) =>
      sound.frames(namespace, device) ?? others.get(`${namespace}:${device}`),
    events: [],
    secrets: [],
    brought: {
      assumed: dumped.assumed,
      missing: [
        ...dumped.missing
          .filter(({ node, command }) => inside.has(node) && command !== 'any')
          .map(({ node, command, text }) => `${text} (on ${node}: ${command})`),
        ...plan.namespaces
          .filter(({ role }) => isRebuilt(role))
          .flatMap((namespace) => unlisted(namespace, dumped.sections)),
      ],
      unused,
      outside: dumped.plan.namespaces.flatMap(({ name }) => (inside.has(name) ? [] : [name])),
    },
  };
}

/** What a node's tables tell, by the listing that has it. */
const LISTINGS: readonly (readonly [command: string, formats: readonly Format[], tells: string])[] =
  [
    ['ip -d link', ['link', 'brief'], 'MACs, MTUs and tunnels'],
    ['ip route show table all', ['route', 'route-n'], 'routes'],
    ['ip neigh', ['neigh', 'arp'], 'neighbours'],
    ['ip rule', ['rule'], 'rules of routing'],
    ['iptables-save', ['iptables'], 'policy and NAT'],
    ['sysctl -a', ['sysctl'], 'rp_filter, proxy_arp and limits'],
  ];

/** Whole listings that nobody made on a node. */
function unlisted({ name, devices }: NamespacePlan, sections: readonly Section[]): string[] {
  // `ip -4 addr` is a listing of devices without their MACs.
  const isWhole = ({ node, format, text }: Section): boolean =>
    node === name && (format !== 'link' || text.includes('link/'));
  const own = new Set(sections.filter(isWhole).map(({ format }) => format));
  const needed = devices.some(({ kind }) => kind === 'vxlan')
    ? [...LISTINGS, ['bridge fdb show', ['fdb'], 'where VTEPs are'] as const]
    : LISTINGS;
  return needed
    .filter(([, formats]) => !formats.some((format) => own.has(format)))
    .map(([command, , tells]) => `${name}: no output of \`${command}\`, which tells ${tells}`);
}

const isRebuilt = (role: Role): boolean => role === 'node' || role === 'router';

function nothing(folder: string, expected: string): PodwireError {
  const message = `expected ${expected}, found none`;
  return new PodwireError('ERR_FILE', message, { source: folder });
}

/** What was captured, and on nodes whose pods were: names of namespaces. A node brings all its pods. */
function insiders(
  { namespaces }: ClusterPlan,
  captures: readonly LabCapture[],
): ReadonlySet<string> {
  const captured = new Set(captures.map(({ namespace }) => namespace));
  for (const { name, node } of namespaces) {
    if (node !== undefined && captured.has(name)) captured.add(node);
  }
  for (const { name, node } of namespaces) {
    if (node !== undefined && captured.has(node)) captured.add(name);
  }
  return captured;
}

const within = (plan: ClusterPlan, inside: ReadonlySet<string>): ClusterPlan => ({
  ...plan,
  namespaces: plan.namespaces.filter(({ name }) => inside.has(name)),
  segments: plan.segments.map((segment) => ({
    ...segment,
    members: segment.members.filter(({ namespace }) => inside.has(namespace)),
  })),
});

/** `after/node1/ip-route.txt`, `tables.after.txt` */
const isAfter = ({ path }: DumpFile): boolean => WHEN.exec(path)?.includes('after') === true;
const WHEN = /^(before|after)\/|[-._](before|after)(?=\.[a-z]{1,4}$)/;

const untimed = (file: DumpFile): DumpFile => ({ ...file, path: file.path.replace(WHEN, '') });

/** Tables that were dumped again; those that were not are as they had been. */
function afterwards(
  files: readonly DumpFile[],
  before: readonly Section[],
  inside: ReadonlySet<string>,
): Pick<Lab, 'after'> {
  const { sections } = cutSections(files.filter(isAfter).map(untimed));
  if (sections.length === 0) return {};
  const again = new Set(sections.map(({ node, format }) => `${node} ${format}`));
  const rest = before.filter(({ node, format }) => !again.has(`${node} ${format}`));
  return { after: within(importSections([...rest, ...sections], [], new Notes()).plan, inside) };
}

const CAPTURE =
  'captures named NODE.DEVICE.pcap or POD.DEVICE.pcap (tcpdump -i DEVICE -s 0 -w NODE.DEVICE.pcap)';
const TABLES =
  'ip -d link; ip addr; ip route show table all; ip rule; ip neigh; bridge fdb show; iptables-save; sysctl -a';
