/** The command line. Exit codes: 0 fine, 1 the answer is no, 2 usage or bad input. */
import { isMainThread } from 'node:worker_threads';
import { Command, CommanderError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { PodwireError } from '../index.ts';
import { addBench } from './bench.ts';
import { addDiff } from './diff.ts';
import { addDissect } from './dissect.ts';
import { addFilter } from './filter.ts';
import { addImport } from './import.ts';
import { workAsThread } from './jobs.ts';
import { addLint } from './lint.ts';
import { addReplay } from './replay.ts';
import { addResources } from './resources.ts';
import { addRun } from './run.ts';
import { addTables } from './tables.ts';
import { ReaderGone, tell } from './terminal.ts';
import { addTrace } from './trace.ts';
import { addVerify } from './verify.ts';

const program = new Command('podwire')
  .description(manifest.description)
  .version(manifest.version, '--version')
  .showSuggestionAfterError()
  .exitOverride()
  .configureOutput({ writeErr: (text) => tell(text.replace(/^error: /, 'podwire: ')) });

const commands = [
  addTrace,
  addReplay,
  addTables,
  addDiff,
  addResources,
  addFilter,
  addLint,
  addImport,
  addVerify,
  addDissect,
  addRun,
  addBench,
];
for (const add of commands) add(program);
for (const command of program.commands) {
  command.exitOverride();
  for (const part of command.commands) part.exitOverride();
}

if (isMainThread) {
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = exitCodeOf(error);
  }
} else workAsThread();

function exitCodeOf(error: unknown): number {
  if (error instanceof ReaderGone) return 0;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof PodwireError) {
    tell(`podwire: ${error.message}\n`);
    return 2;
  }
  if (error instanceof Error && 'code' in error && 'syscall' in error) {
    tell(`podwire: ${error.message}\n`);
    return 2;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  tell(`podwire: this is a fault in podwire, please report it\n${text}\n`);
  return 70;
}
