/**
 * A recorded network: scenario.json (topology, what was captured and done),
 * tables.before.txt (what each namespace's commands printed) and one capture per
 * interface, `NAMESPACE.INTERFACE.pcap`. Read into a plan and a list of captures.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Field } from '../calico/field.ts';
import { parseYaml } from '../calico/yaml-document.ts';
import type { KnownNeighbours } from '../cluster/cluster-options.ts';
import { fileError, PodwireError } from '../errors.ts';
import type { ClusterPlan } from '../plan/plan.ts';
import { type CaptureFile, type Lab, type LabEvent, readCaptures } from './lab.ts';
import { namespaceTables, planNamespace, type TopologyEntry } from './lab-plan.ts';
import { type LabWireguard, readWireguard, settingsOf } from './lab-wireguard.ts';

export const SCENARIO = 'scenario.json';

/** Throws ERR_FILE and ERR_CONFIG_… with file and line. */
export function openScenario(folder: string): Lab {
  const source = join(folder, SCENARIO);
  const [document] = parseYaml(read(source), source);
  if (document === undefined) {
    throw new PodwireError('ERR_CONFIG_SYNTAX', 'expected a JSON object, found nothing', {
      source,
    });
  }
  const root = Field.root(document).named('scenario');
  const tablesFile = join(folder, 'tables.before.txt');
  const tables = namespaceTables(read(tablesFile));
  const topology = root.entry('topology');
  const offload = root.entry('offload').optional((f) => f.boolean()) ?? false;
  const names = topology
    .entry('namespaces')
    .entries()
    .filter(([name]) => name !== SWITCH);
  const wireguard = readWireguard(root.entry('wireguard'), new Set(names.map(([name]) => name)));
  const namespacesOf = (printed: ReadonlyMap<string, string[]>, file: string) =>
    names.map(([name, at]) =>
      planNamespace(name, { ...readTopology(name, at, wireguard), offload }, printed, file),
    );
  const files = root
    .entry('captures')
    .items()
    .map((at) => readCapture(at, folder));
  const plan: ClusterPlan = {
    namespaces: namespacesOf(tables, tablesFile),
    segments: topology
      .entry('segments')
      .entries()
      .map(([name, at]) => ({
        name,
        mtu: 65535,
        members: at.items().map((member) => {
          const [namespace, device] = member.items().map((f) => f.text());
          return { namespace: namespace ?? '', device: device ?? '' };
        }),
        srcDstCheck: false,
      })),
    pools: [],
    free: { identifications: [], vxlanSourcePorts: [] },
    assumptions: [],
    ignored: [],
  };
  const afterFile = join(folder, 'tables.after.txt');
  const dumped = existsSync(afterFile) ? namespaceTables(read(afterFile)) : undefined;
  const after =
    dumped === undefined
      ? {}
      : {
          after: { ...plan, namespaces: namespacesOf(dumped, afterFile) },
          tracked: new Map(
            names.map(([name]) => [name, dumped.get(`${name}/${CONNECTIONS}`) ?? []]),
          ),
          received: new Map(
            names.flatMap(([name]) => {
              const count = receivedPackets(dumped.get(`${name}/${COUNTERS}`) ?? []);
              return count === undefined ? [] : [[name, count]];
            }),
          ),
        };
  return {
    plan,
    ...after,
    neighbours: KNOWN.get(root.entry('neighbours').optional((f) => f.text()) ?? '') ?? 'warm',
    started: root.entry('started').optional((f) => f.number()) ?? 0,
    ...readCaptures(plan, files),
    events: root.entry('events').items().map(readEvent),
    secrets: wireguard.secrets,
  };
}

/** What `neighbours` says: nobody knew anybody, or the tables list all that was known. */
const KNOWN: ReadonlyMap<string, KnownNeighbours> = new Map([
  ['cold', 'cold'],
  ['static', 'listed'],
]);

const CONNECTIONS = '/proc/net/nf_conntrack';
const COUNTERS = 'counters that are not zero (/proc/net/snmp, /proc/net/netstat)';

/** InReceives of RFC 4293, with which ip_rcv_core counts what is for this namespace's stack. */
function receivedPackets(counters: readonly string[]): number | undefined {
  const line = counters.find((one) => /^IpInReceives \d+$/.test(one));
  return line === undefined ? undefined : Number(line.split(' ')[1]);
}

/** The namespace that only switches: its ports are the segments. */
const SWITCH = 'lan';

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw fileError('a readable file', cause, file);
  }
}

function readTopology(
  name: string,
  at: Field,
  wireguard: LabWireguard,
): Omit<TopologyEntry, 'offload'> {
  const role = at.entry('role').optional((f) => f.text());
  const node = at.entry('node').optional((f) => f.text());
  const nodeIp = at.entry('nodeIp').optional((f) => f.ip4());
  return {
    role: role === 'node' || role === 'pod' || role === 'router' ? role : 'host',
    ...(node === undefined ? {} : { node }),
    ...(nodeIp === undefined ? {} : { nodeIp }),
    interfaces: at
      .entry('interfaces')
      .entries()
      .map(([device, i]) => {
        const mac = i.entry('mac').optional((f) => f.mac());
        const address = i.entry('address').optional((f) => f.interfaceAddress());
        const peer = i.entry('peer').optional((f) => f.items().map((p) => p.text()));
        const kind = i.entry('kind').optional((f) => f.text());
        const master = i.entry('master').optional((f) => f.text());
        const settings = kind === 'wireguard' ? readSettings(name, i, wireguard) : undefined;
        return {
          name: device,
          mtu: i.entry('mtu').integer(68, 65536),
          vni: i.entry('vni').optional((f) => f.integer(0, 0xffffff)) ?? 0,
          port: i.entry('dstport').optional((f) => f.integer(0, 65535)) ?? 0,
          ...(mac === undefined ? {} : { mac }),
          ...(address === undefined ? {} : { address }),
          ...(peer === undefined
            ? {}
            : { peer: { namespace: peer[0] ?? '', device: peer[1] ?? '' } }),
          ...(kind === undefined ? {} : { kind }),
          ...(master === undefined ? {} : { master }),
          ...(settings === undefined ? {} : { wireguard: settings }),
        };
      }),
  };
}

const readSettings = (name: string, at: Field, wireguard: LabWireguard) =>
  settingsOf(
    wireguard,
    name,
    at.entry('listenPort').integer(1, 65535),
    at.entry('fwmark').optional((f) => f.integer(0, 0xffffffff)) ?? 0,
  );

function readCapture(at: Field, folder: string): CaptureFile {
  const namespace = at.entry('namespace').text();
  const device = at.entry('interface').text();
  const source = at.entry('file').absent ? at.entry('sameAs') : at.entry('file');
  const name = source.optional((f) => f.text());
  if (name === undefined) return { namespace, device };
  if (/[/\\]/.test(name)) throw source.refuse('a file name without folders');
  return { namespace, device, file: join(folder, name) };
}

function readEvent(at: Field): LabEvent {
  const kind = at.entry('kind').text();
  const text = (key: string): string | undefined => at.entry(key).optional((f) => f.text());
  const frame = kind === 'inject' ? text('frame') : undefined;
  const to = kind === 'ping' ? text('dstAddress') : undefined;
  const identification = at.entry('ident').optional((f) => f.integer(0, 65535));
  return {
    kind,
    label: text('label') ?? kind,
    at: at.entry('t').optional((f) => f.number()) ?? 0,
    ...(identification === undefined ? {} : { identification }),
    ...(frame === undefined
      ? {}
      : {
          frame: {
            namespace: text('namespace') ?? '',
            device: text('interface') ?? '',
            bytes: Buffer.from(frame, 'hex'),
          },
        }),
    ...(to === undefined
      ? {}
      : { ping: { from: text('src') ?? '', to, unreachable: isUnreachable(at.entry('output')) } }),
  };
}

function isUnreachable(output: Field): boolean {
  const lines = output.absent ? [] : linesOf(output);
  return lines.some((line) => line.includes('Destination Host Unreachable'));
}

function linesOf(output: Field): string[] {
  try {
    return output.items().map((line) => line.text());
  } catch {
    return [output.text()];
  }
}
