/**
 * Packets beside others: the kernel's own way from pod to pod, tcprewrite and tcpdump from file
 * to file, scapy building frames. `node bench/peers.mjs [--quick]` runs this alone.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { benchBuilding } from './building.mjs';
import { benchFileToFile } from './file-to-file.mjs';
import { benchKernelPath } from './kernel-path.mjs';

const ROUNDS = 9;

/** Markdown. Peers that are not on the machine are named. */
export async function benchPeers({ rounds = ROUNDS, quick = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-peers-'));
  try {
    const sections = [
      await benchKernelPath(rounds, quick),
      benchFileToFile(rounds, quick, folder),
      benchBuilding(rounds, quick, folder),
    ];
    return `## Beside others\n\n${sections.join('\n')}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(await benchPeers({ quick: process.argv.includes('--quick') }));
}
