/** A trace as people read it: one block per namespace, one line per decision. */
import type { Step } from '../cluster/explain.ts';
import type { Trace } from '../cluster/send.ts';

export interface TraceTextOptions {
  /** Every room, not only those that decided something. Default false. */
  readonly verbose?: boolean;
}

/** Rooms that always do the same; they are left out unless something ends there. */
const ROUTINE = new Set(['ingress', 'ip-input', 'output', 'finish', 'transmit']);
/** Netfilter's hooks, told where a rule decided or an address changed. */
const HOOKS = new Set(['prerouting', 'input', 'forward-filter', 'local-out', 'postrouting']);

/** Columns for a room's name. */
const WIDTH = 11;

/** Something was decided or changed there, or the packet ended. */
export function isTelling({ room, note }: Step): boolean {
  const ended = note.startsWith('dropped:') || note.includes('ARP asks');
  return !(ROUTINE.has(room) && !ended) && !(HOOKS.has(room) && note === 'passed');
}

/** Lines without a final newline. */
export function formatSteps(steps: readonly Step[], options: TraceTextOptions = {}): string {
  const lines: string[] = [];
  let node = '';
  for (const step of steps) {
    if (!options.verbose && !isTelling(step)) continue;
    if (step.node !== node) lines.push(step.node);
    node = step.node;
    lines.push(`  ${step.room.padEnd(WIDTH)} ${stepText(step)}`);
  }
  return lines.join('\n');
}

const stepText = ({ entry, note }: Step): string =>
  entry === undefined ? note : `${entry}\n${' '.repeat(WIDTH + 3)}└ ${note}`;

export function formatTrace(trace: Trace, options: TraceTextOptions = {}): string {
  const outcome =
    trace.outcome === 'delivered'
      ? `delivered at ${trace.at}`
      : `dropped at ${trace.at}: ${trace.reason ?? 'unknown'}`;
  const text = `${formatSteps(trace.steps, options)}\n${outcome}`;
  return trace.reply === undefined
    ? text
    : `${text}\n\nback:\n${formatTrace(trace.reply, options)}`;
}
