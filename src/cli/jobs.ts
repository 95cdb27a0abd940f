/** `--jobs`: worker threads that each replay a part of the flows. */
import { mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { Entangled, type PartOutcome } from '../index.ts';
import { makePart, type ShardTask } from './replay-shard.ts';

/** Whether an input can be read by several, from its beginning. */
export function isFile(file: string): boolean {
  return file !== '-' && (statSync(file, { throwIfNoEntry: false })?.isFile() ?? false);
}

/**
 * Has `jobs` workers make their parts, and hands the files to `use`; they are gone
 * afterwards, also where a signal ends the process. Throws Entangled as soon as one worker
 * finds that flows are; the others need not go on.
 */
export async function withParts<T>(
  task: Omit<ShardTask, 'shard' | 'part'>,
  jobs: number,
  use: (parts: readonly string[]) => T,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const leave = (signal: NodeJS.Signals): void => {
    remove();
    process.off(signal, leave);
    process.kill(process.pid, signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, leave);
  try {
    const tasks = Array.from({ length: jobs }, (_, index) => ({
      ...task,
      shard: { index, count: jobs },
      part: join(folder, `${index}`),
    }));
    const workers = tasks.map(startWorker);
    try {
      await Promise.all(
        workers.map(async ({ ended }) => {
          const { entangled } = await ended;
          if (entangled !== undefined) throw new Entangled(entangled);
        }),
      );
    } finally {
      await Promise.all(workers.map(({ worker }) => worker.terminate()));
    }
    return use(tasks.map(({ part }) => part));
  } finally {
    remove();
    for (const signal of signals) process.off(signal, leave);
  }
}

/** The same program, as a thread; what it sends is how it ended. */
function startWorker(task: ShardTask): { worker: Worker; ended: Promise<PartOutcome> } {
  const worker = new Worker(realpathSync(process.argv[1]!), { workerData: task });
  const ended = new Promise<PartOutcome>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    // Another has found out that this one is of no use.
    worker.once('exit', () => resolve({ met: [] }));
  });
  return { worker, ended };
}

/** What such a thread does. */
export function workAsThread(): void {
  parentPort!.postMessage(makePart(workerData as ShardTask));
}
