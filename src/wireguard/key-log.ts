/**
 * Wireshark's key log for WireGuard (preference wg.keylog_file): four lines a
 * handshake. The ephemeral key must follow the static ones, the preshared key the ephemeral one.
 */
import { formatKey, KEY_LEN, tryKey } from './key.ts';
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

/** Longer texts are cut: a key log of that size opens more than anybody reads. */
const MAX_TEXT = 1 << 22;

/**
 * What a key log opens: one entry for each ephemeral key in it, with the static
 * keys named before it (or, where there are none, at all) and the preshared key
 * named directly after. Spaces around words, CRLF and lines of other kinds do not
 * matter. An ephemeral key without static ones opens nothing and is left out.
 */
export function parseKeyLog(text: string): HandshakeSecrets[] {
  const found: Partial<HandshakeSecrets>[] = [];
  let localStaticPrivate: Buffer | undefined;
  let remoteStaticPublic: Buffer | undefined;
  let isFresh = false;
  for (const line of text.slice(0, MAX_TEXT).split('\n')) {
    const equals = line.indexOf('=');
    const key = tryKey(line.slice(equals + 1).trim());
    if (equals < 0 || key === undefined) continue;
    const kind = line.slice(0, equals).trim();
    if (kind === 'LOCAL_STATIC_PRIVATE_KEY') localStaticPrivate = key;
    else if (kind === 'REMOTE_STATIC_PUBLIC_KEY') remoteStaticPublic = key;
    else if (kind === 'LOCAL_EPHEMERAL_PRIVATE_KEY') {
      found.push({
        localEphemeralPrivate: key,
        ...(localStaticPrivate === undefined ? {} : { localStaticPrivate }),
        ...(remoteStaticPublic === undefined ? {} : { remoteStaticPublic }),
      });
      isFresh = true;
    } else if (kind === 'PRESHARED_KEY' && isFresh) {
      found.push({ ...found.pop(), presharedKey: key });
      isFresh = false;
    }
  }
  if (localStaticPrivate === undefined || remoteStaticPublic === undefined) return [];
  const rest = { localStaticPrivate, remoteStaticPublic, presharedKey: Buffer.alloc(KEY_LEN) };
  return found.flatMap(({ localEphemeralPrivate, ...known }) =>
    localEphemeralPrivate === undefined ? [] : [{ ...rest, ...known, localEphemeralPrivate }],
  );
}
