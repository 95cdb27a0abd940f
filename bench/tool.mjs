/** Programs of others beside ours: whether they are here, and what processor time they take. */
import { spawnSync } from 'node:child_process';

export const hasTool = (name) => spawnSync('which', [name]).status === 0;

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

export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** `1.24 M`, `833 k`, `950`. */
export function shown(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  return value >= 1e3 ? `${(value / 1e3).toFixed(0)} k` : value.toFixed(0);
}

/** Ratios of two competitors, round by round: `median (least to most)`. */
export function ratioText(ours, theirs) {
  const ratios = ours.map((rate, round) => rate / theirs[round]).sort((a, b) => a - b);
  const digits = ratios[0] >= 100 ? 0 : ratios[0] < 1 ? 2 : 1;
  const [least, middle, most] = [ratios[0], median(ratios), ratios.at(-1)].map((ratio) =>
    ratio.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  );
  return `${middle} (${least} to ${most})`;
}

/** A line that is overwritten, where somebody looks. */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
