/**
 * What may have changed during a recording without a trace in the two dumps: a
 * setting, an entry that went and came back, an old neighbour that was verified.
 * Each is a proposal, to be judged by the frames it explains. Only where the
 * recording itself says that something was done: at the start of a phase, or at an
 * event whose label states the setting. Anything else would explain faults away.
 */
import type { Cluster } from '../cluster/cluster.ts';
import {
  addRoute,
  deleteFdb,
  deleteNeighbour,
  removeRoute,
  setDevice,
  setFdb,
  setNeighbour,
} from '../cluster/table-edit.ts';
import type { Node } from '../node/node.ts';
import type { NamespacePlan } from '../plan/plan.ts';
import { Nud } from '../tables/neighbours.ts';
import { fdbEntry } from '../text/bridge-fdb.ts';
import { neighbourEntry } from '../text/ip-neigh.ts';
import { routeEntry } from '../text/ip-route.ts';
import { formatIp4 } from '../wire/address.ts';
import * as arp from '../wire/arp.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { TableChange } from './changes.ts';
import type { InterfaceComparison } from './compare.ts';
import type { Lab, LabEvent } from './lab.ts';

/** A change, and the event before which it may have been made. */
export interface Proposal {
  readonly change: TableChange;
  readonly event: string;
  readonly at: number;
  /** The change that this one takes back. */
  readonly undoes?: Proposal;
  /** This change taken back. */
  readonly undone?: TableChange;
}

/** An event is logged, and rounded to a millisecond, a little before its frame. */
const SLACK = 0.002;

/** What may explain a disagreement at `time`, seconds since the start; `made` are the changes taken so far. */
export function proposals(
  lab: Lab,
  compared: readonly InterfaceComparison[],
  time: number,
  made: readonly Proposal[],
): Proposal[] {
  const past = lab.events.filter(({ at }) => at <= time + SLACK);
  const last = past.at(-1);
  const phase = past.findLast(({ kind }) => kind === 'phase');
  const stating = past.findLast(({ label }) => STATED.test(label));
  const living = lab.plan.namespaces.filter(({ silent }) => silent !== true);
  const undo = made.filter((one) => one.undone && !made.some(({ undoes }) => undoes === one));
  return [
    ...verified(lab, compared, time),
    ...(stating === undefined ? [] : settingsAt(lab, living, stating)),
    ...(phase === undefined
      ? []
      : isFirst(lab, phase)
        ? beforeAll(lab, living, phase)
        : atPhase(living, phase)),
    ...(last === undefined
      ? []
      : undo.flatMap((one) =>
          one.undone ? [{ change: one.undone, ...moment(last), undoes: one }] : [],
        )),
  ];
}

const moment = ({ label, at }: LabEvent) => ({ event: label, at });

/** Before the first packet a change of tables is none: it is what the first dump should have shown. */
const isFirst = ({ events }: Lab, event: LabEvent): boolean =>
  !events.some(({ kind, at }) => kind !== 'phase' && kind !== 'note' && at < event.at);

/** `rp_filter=1`, where a label says so. */
const STATED = /\b(rp_filter|proxy_arp)=([0-2])\b/;

/** What each setting may be. */
const VALUES: ReadonlyMap<string, readonly number[]> = new Map([
  ['rp_filter', [0, 1, 2]],
  ['proxy_arp', [0, 1]],
]);

/** What the label of an event states, on each device it may be meant for. */
function settingsAt(lab: Lab, living: readonly NamespacePlan[], event: LabEvent): Proposal[] {
  const [, name, value] = STATED.exec(event.label) ?? [];
  if (name === undefined || isFirst(lab, event)) return [];
  return living.flatMap((namespace) => settings(namespace, event, name, [Number(value)]));
}

/** A setting that labels state is what the recording varies: the first phase may have begun with it. */
function beforeAll(lab: Lab, living: readonly NamespacePlan[], phase: LabEvent): Proposal[] {
  const varied = new Set(lab.events.flatMap(({ label }) => STATED.exec(label)?.[1] ?? []));
  return living.flatMap((plan) =>
    [...varied].flatMap((sysctl) => settings(plan, phase, sysctl, VALUES.get(sysctl)!)),
  );
}

function settings(
  { name: namespace, devices }: NamespacePlan,
  event: LabEvent,
  sysctl: string,
  values: readonly number[],
): Proposal[] {
  return devices
    .filter(({ kind }) => kind !== 'loopback')
    .flatMap(({ name }) =>
      values.map((value) => {
        const told = sysctl === 'rp_filter' ? { rpFilter: value } : { proxyArp: value !== 0 };
        return {
          ...moment(event),
          change: {
            namespace,
            table: 'sysctl',
            sign: '=',
            entries: 1,
            entry: `${sysctl} of ${name} = ${value}`,
            apply: (cluster) => setDevice(cluster.names.find(namespace), name, told),
          },
        } satisfies Proposal;
      }),
    );
}

/** Any setting, or one entry that goes. */
function atPhase(living: readonly NamespacePlan[], phase: LabEvent): Proposal[] {
  return living.flatMap((plan) => {
    const goes = <T>(
      table: TableChange['table'],
      entries: readonly T[],
      name: (entry: T) => string,
      remove: (node: Node, entry: T) => unknown,
      restore: (node: Node, entry: T) => unknown,
    ): Proposal[] =>
      entries.map((entry) => {
        const change = (sign: '-' | '+', act: typeof remove): TableChange => ({
          namespace: plan.name,
          table,
          sign,
          entries: 1,
          entry: name(entry),
          apply: (cluster: Cluster) => act(cluster.names.find(plan.name), entry),
        });
        return { ...moment(phase), change: change('-', remove), undone: change('+', restore) };
      });
    return [
      ...[...VALUES].flatMap(([sysctl, values]) => settings(plan, phase, sysctl, values)),
      ...goes('routes', plan.routes, routeEntry, removeRoute, addRoute),
      ...goes(
        'neighbours',
        plan.neighbours.filter(({ state }) => state === 'PERMANENT'),
        neighbourEntry,
        deleteNeighbour,
        setNeighbour,
      ),
      ...goes('fdb', plan.fdb, fdbEntry, deleteFdb, setFdb),
    ];
  });
}

/**
 * A neighbour that was asked by unicast, or was not: its entry had grown old and was in
 * use. When a kernel thinks so is drawn at random (neigh_rand_reach_time), and TCP's
 * progress through a node confirms its neighbours too (sock_confirm_neigh). No table
 * tells, the recorded requests do: the emulation then asks at that time, or not.
 */
function verified(lab: Lab, compared: readonly InterfaceComparison[], time: number): Proposal[] {
  return compared.flatMap((one) =>
    one.differences.flatMap(({ frame, at, field, got }, i) => {
      if (at !== time || field !== 'frame') return [];
      // The made frames stand last.
      const made = one.unexpected[i - (one.differences.length - one.unexpected.length)];
      if (made !== undefined) {
        return probeOf(lab, one, made.bytes, just(at - SLACK), 'confirmed', Nud.Reachable);
      }
      const heard = got === 'nothing' ? lab.frames(one.namespace, one.interface) : undefined;
      const bytes = heard?.[frame - 1]?.bytes;
      return bytes === undefined ? [] : probeOf(lab, one, bytes, at, 'verified', Nud.Delay);
    }),
  );
}

/** To the microsecond, as captures have it. */
const just = (seconds: number): number => Math.round(seconds * 1e6) / 1e6;

function probeOf(
  lab: Lab,
  { namespace, interface: name }: InterfaceComparison,
  frame: Buffer,
  at: number,
  how: string,
  state: typeof Nud.Delay | typeof Nud.Reachable,
): Proposal[] {
  const device = lab.plan.namespaces
    .find((n) => n.name === namespace && n.silent !== true)
    ?.devices.find((d) => d.name === name);
  if (device?.mac === undefined || frame.length < ethernet.HEADER_LEN + arp.LEN) return [];
  if (ethernet.type(frame, 0) !== ethernet.TYPE_ARP) return [];
  const isProbe =
    frame.readUIntBE(6, 6) === device.mac &&
    (frame[0]! & 1) === 0 &&
    arp.operation(frame, ethernet.HEADER_LEN) === arp.REQUEST;
  if (!isProbe) return [];
  const target = arp.targetIp(frame, ethernet.HEADER_LEN);
  const apply = (cluster: Cluster): void => {
    const node = cluster.names.find(namespace);
    const { position } = cluster.names.port(`${namespace}:${name}`).device;
    const id = node.neighbours.find(position, target);
    if (id < 0) return;
    node.neighbours.setState(id, state);
    if (state === Nud.Delay) cluster.armNeighbour(node, id, 0);
    else node.neighbours.confirm(id, node.world.milliseconds());
  };
  const change: TableChange = {
    namespace,
    table: 'neighbours',
    sign: '=',
    entries: 1,
    entry: `${formatIp4(target)} dev ${name} ${how}`,
    apply,
  };
  return [{ change, event: 'request', at }];
}
