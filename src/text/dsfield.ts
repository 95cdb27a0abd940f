/** Values of the TOS byte with the names of iproute2's rt_dsfield file (lib/rt_names.c). */
const NAMES: ReadonlyMap<number, string> = new Map([
  // AF11 to AF43 of RFC 2597.
  ...[1, 2, 3, 4].flatMap((of) =>
    [1, 2, 3].map((drop): [number, string] => [of * 32 + drop * 8, `AF${of}${drop}`]),
  ),
  ...[1, 2, 3, 4, 5, 6, 7].map((of): [number, string] => [of * 32, `CS${of}`]),
  [0xb8, 'EF'],
]);

/** As `tos` words print it: a name, or two hexadecimal digits. */
export const dsfieldName = (tos: number): string =>
  NAMES.get(tos) ?? `0x${tos.toString(16).padStart(2, '0')}`;

/** `undefined` where the text is neither a name nor a hexadecimal byte. */
export function tryDsfield(text: string): number | undefined {
  for (const [value, name] of NAMES) if (name === text) return value;
  if (text === 'default') return 0;
  return /^(0x)?[0-9a-f]{1,2}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
}
