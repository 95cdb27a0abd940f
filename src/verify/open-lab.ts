/** A recorded network from its folder, whoever wrote that. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openDumps } from './dumped-lab.ts';
import type { Lab } from './lab.ts';
import { openScenario, SCENARIO } from './scenario-lab.ts';

/**
 * A lab that wrote down its topology and what was done in it (scenario.json), or dumps and
 * captures of a running cluster. Throws ERR_FILE, ERR_CONFIG_… and ERR_CAPTURE_… with file
 * and line.
 */
export const openLab = (folder: string): Lab =>
  existsSync(join(folder, SCENARIO)) ? openScenario(folder) : openDumps(folder);
