/** `--keylog`: the secrets of WireGuard's handshakes, in a file that Wireshark reads. */
import { writeFileSync } from 'node:fs';
import { Option } from 'commander';
import { type Cluster, formatKeyLog, PodwireError } from '../index.ts';

export interface KeyLogFlags {
  readonly keylog?: string;
}

export const keyLogOption = (): Option =>
  new Option(
    '--keylog <file>',
    'write the secrets of WireGuard’s handshakes (tshark -o wg.keylog_file:FILE)',
  );

/** Whoever reads the file reads the tunnels, so nobody but the owner may. */
export function writeKeyLog(clusters: readonly Cluster[], { keylog }: KeyLogFlags): void {
  if (keylog === undefined) return;
  const text = clusters.flatMap(({ keys }) => keys.handshakes.map(formatKeyLog)).join('');
  try {
    writeFileSync(keylog, text, { mode: 0o600 });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'an error';
    throw new PodwireError('ERR_FILE', `expected a file that can be written, found ${why}`, {
      source: keylog,
    });
  }
}
