/**
 * Wireshark's key log for WireGuard (preference wg.keylog_file): four lines a
 * handshake. The ephemeral key must follow the static ones, the preshared key the ephemeral one.
 */

import { formatKey } from './key.ts';
import type { HandshakeSecrets } from './settings.ts';

/** Four lines. They open everything that the handshake protects. */
export function formatKeyLog(secrets: HandshakeSecrets): string {
  return [
    `LOCAL_STATIC_PRIVATE_KEY = ${formatKey(secrets.localStaticPrivate)}`,
    `REMOTE_STATIC_PUBLIC_KEY = ${formatKey(secrets.remoteStaticPublic)}`,
    `LOCAL_EPHEMERAL_PRIVATE_KEY = ${formatKey(secrets.localEphemeralPrivate)}`,
    `PRESHARED_KEY = ${formatKey(secrets.presharedKey)}`,
    '',
  ].join('\n');
}
