/** A recorded network from its folder, whoever wrote that. */

import type { Lab } from './lab.ts';
import { openScenario } from './scenario-lab.ts';

/** Throws ERR_FILE, ERR_CONFIG_… and ERR_CAPTURE_… with file and line. */
export function openLab(folder: string): Lab {
  return openScenario(folder);
}
