/**
 * The two kinds of table calicoctl draws: aligned columns for `get` (Go's
 * text/tabwriter, cells of at least 5, padding 3), and boxes for `node status` and
 * `ipam show` (olekukonko/tablewriter with its defaults, up to v3.32).
 */

/** Every cell is padded, the last of a line too: lines end in blanks. */
export function printColumns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) =>
    Math.max(5, ...rows.map((row) => (row[i] ?? '').length + 3)),
  );
  return rows
    .map((row) => `${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('')}\n`)
    .join('');
}

/** Headings in capitals and centred, numbers to the right, the rest to the left. */
export function printBox(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => (row[i] ?? '').length)),
  );
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+\n`;
  const line = (cells: readonly string[], place: (cell: string, width: number) => string): string =>
    `|${cells.map((cell, i) => ` ${place(cell, widths[i] ?? 0)} `).join('|')}|\n`;
  return [
    rule,
    line(headings, centred),
    rule,
    ...rows.map((row) => line(row, (cell, width) => aligned(cell, width))),
    rule,
  ].join('');
}

/** The odd blank goes to the right. */
function centred(text: string, width: number): string {
  const left = Math.floor((width - text.length) / 2);
  return `${' '.repeat(left)}${text.toUpperCase()}`.padEnd(width);
}

/** Plain numbers and percentages; `5 (0%)` and `2.6214e+05` are text to it. */
const NUMBER = /^-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?%?$/;

const aligned = (text: string, width: number): string =>
  NUMBER.test(text) ? text.padStart(width) : text.padEnd(width);
