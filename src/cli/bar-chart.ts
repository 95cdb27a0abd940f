/** Figures with their ranges as a drawing. */

export interface Bar {
  readonly name: string;
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

const WIDTH = 720;
const LEFT = 180;
const RIGHT = 70;
const TOP = 60;
const ROW = 28;

/** An SVG with a bar for each median and a line from the least to the most. */
export function barChart(title: string, unit: string, bars: readonly Bar[]): string {
  const longest = Math.max(1e-9, ...bars.map(({ most }) => most));
  const x = (value: number): string =>
    (LEFT + (value / longest) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const height = TOP + bars.length * ROW + 16;
  const rows = bars.map(({ name, median, least, most }, i) => {
    const y = TOP + i * ROW;
    const middle = y + 10;
    return `<text x="${LEFT - 8}" y="${y + 15}" text-anchor="end">${escaped(name)}</text>
<rect x="${LEFT}" y="${y}" width="${(Number(x(median)) - LEFT).toFixed(1)}" height="20" fill="#4477aa"/>
<path d="M${x(least)} ${middle}H${x(most)}" stroke="#222" stroke-width="1.5"/>
<text x="${Number(x(most)) + 6}" y="${y + 15}">${median.toFixed(1)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#fff"/>
<text x="12" y="22" font-size="15">${escaped(title)}</text>
<text x="12" y="42" fill="#555">${escaped(unit)}: median, and the range of the rounds</text>
${rows.join('\n')}
</svg>
`;
}

const escaped = (text: string): string =>
  text.replace(/[&<>]/g, (c) => (c === '&' ? '&amp;' : c === '<' ? '&lt;' : '&gt;'));
