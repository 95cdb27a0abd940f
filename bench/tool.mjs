/** What the benchmarks share: others' programs and packages, processor time, figures as text. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

export const hasTool = (name) => spawnSync('which', [name]).status === 0;

export const hasPackage = (name) => {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
};

/** Runs a program to its end: what it printed, and its processor time, user and system, in seconds. */
export function timed(command, args, { env } = {}) {
  const line = 'TIMEFORMAT="%3U %3S"; time "$@" 2>/dev/null';
  const child = spawnSync('bash', ['-c', line, 'bash', command, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (child.status !== 0) throw new Error(`${command} ended with ${child.status}`);
  const [user, system] = child.stderr.trim().split('\n').at(-1).split(' ').map(Number);
  return { text: child.stdout, seconds: user + system };
}

/** Processor time of this process, user and system, in seconds: the machine may be busy with other things. */
export function cpuSeconds(work) {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

/** Events per second of processor time, of `batch`, which does `count` of them, over about `ms`. */
export function rate(batch, count, ms) {
  const start = process.cpuUsage();
  let done = 0;
  let taken = 0;
  while (taken < ms * 1000) {
    batch();
    done += count;
    const { user, system } = process.cpuUsage(start);
    taken = user + system;
  }
  return (done * 1e6) / taken;
}

export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** `1.24 M`, `833 k`, `950`. */
export function shown(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  return value >= 1e3 ? `${(value / 1e3).toFixed(0)} k` : value.toFixed(0);
}

/** `median (least to most)`. */
export function spread(values, digits) {
  const sorted = [...values].sort((a, b) => a - b);
  const [least, middle, most] = [sorted[0], median(sorted), sorted.at(-1)].map((value) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  );
  return `${middle} (${least} to ${most})`;
}

/** Ratios of two competitors, round by round: `median (least to most)`. */
export function ratioText(ours, theirs) {
  const ratios = ours.map((rate, round) => rate / theirs[round]);
  const least = Math.min(...ratios);
  return spread(ratios, least >= 100 ? 0 : least < 1 ? 2 : 1);
}

/** A line that is overwritten, where somebody looks. */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
