/** JSON among pasted lines: where it ends, and the listing it is. */
import { PodwireError } from '../errors.ts';
import { type JsonListing, plainListing } from '../text/json-reader.ts';
import type { PastedLine } from '../text/line-reader.ts';

export interface PastedJson {
  readonly kind: JsonListing;
  /** The same listing as the command prints it without `-j`. */
  readonly lines: readonly PastedLine[];
  /** Index of the line after it. */
  readonly next: number;
}

/** Lines of one text; `ip -j -p` prints one a value. */
const MAX_LINES = 200_000;

/** Does a list in JSON begin here, as iproute2 writes one? */
export const isJsonStart = (text: string): boolean => /^\[\s{0,4}(\{|\]|$)/.test(text);

/**
 * The JSON that begins in this line. `kind` is what a prompt said; without one, what
 * is no listing of these commands is `undefined`. Throws with the place where it begins.
 */
export function pastedJson(
  lines: readonly PastedLine[],
  from: number,
  kind: JsonListing | undefined,
): PastedJson | undefined {
  const first = lines[from]!;
  const end = endOf(lines, from);
  if (end < 0) {
    if (kind === undefined) return undefined;
    throw new PodwireError('ERR_CONFIG_SYNTAX', 'expected the end of the JSON, found none', first);
  }
  const json = lines
    .slice(from, end + 1)
    .map(({ text }) => text)
    .join('\n');
  const listing = plainListing(json, first, kind);
  if (listing === undefined) return undefined;
  const rows = listing.text.split('\n').slice(0, -1);
  return { kind: listing.kind, lines: rows.map((text) => ({ ...first, text })), next: end + 1 };
}

/** The line in which the bracket of this one closes; -1: none. */
function endOf(lines: readonly PastedLine[], from: number): number {
  let depth = 0;
  let quoted = false;
  for (let i = from; i < lines.length && i < from + MAX_LINES; i++) {
    const { text } = lines[i]!;
    for (let at = 0; at < text.length; at++) {
      const sign = text[at];
      if (quoted) {
        if (sign === '\\') at++;
        else if (sign === '"') quoted = false;
      } else if (sign === '"') quoted = true;
      else if (sign === '[' || sign === '{') depth++;
      else if ((sign === ']' || sign === '}') && --depth === 0) {
        return text.slice(at + 1).trim() === '' ? i : -1;
      }
    }
  }
  return -1;
}
