/**
 * JSON as iproute2 writes it (lib/json_writer.c): compact on one line, or with `-p`
 * in its own layout, which no other program shares.
 */

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/** With a final newline. Keys whose value is `undefined` are the caller's to leave out. */
export const printJson = (value: Json, pretty: boolean): string =>
  `${pretty ? layOut(value, 0) : JSON.stringify(value)}\n`;

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);

function layOut(value: Json, depth: number): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) {
    const items = value.map((item) => layOut(item, depth + 1)).join(',');
    return items === '' ? '[ ]' : `[ ${items} ]`;
  }
  const entries = Object.entries(value).map(
    ([key, item]) => `${line(depth + 1)}${JSON.stringify(key)}: ${layOut(item, depth + 1)}`,
  );
  return entries.length === 0 ? '{}' : `{${entries.join(',')}${line(depth)}}`;
}

const line = (depth: number): string => `\n${' '.repeat(4 * depth)}`;
