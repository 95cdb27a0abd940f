/** Programs of others that judge what podwire made, as far as this machine has them. */
import { execFileSync, spawnSync } from 'node:child_process';

/** Whether `program` can be asked; if not, says loudly what stays `unjudged`. */
export function installed(program: string, unjudged: string): boolean {
  const there = spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
  if (!there) console.warn(`SKIPPED: ${program} is not installed, ${unjudged}`);
  return there;
}

/** What a program prints, standard error aside. */
export const printed = (program: string, ...words: readonly string[]): string =>
  execFileSync(program, words, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** tshark's values of fields, a line for each packet with tabs between them. */
export const tshark = (
  file: string,
  fields: readonly string[],
  ...options: readonly string[]
): string[] =>
  printed(
    'tshark',
    '-n',
    '-r',
    file,
    ...options,
    '-T',
    'fields',
    ...fields.flatMap((f) => ['-e', f]),
  )
    .split('\n')
    .slice(0, -1);
