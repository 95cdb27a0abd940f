/** The ratios of a run as a drawing: on a logarithmic scale, with a mark where each goal is. */
import { goalText, isReached, number } from './figures.mjs';
import { median } from './tool.mjs';

const WIDTH = 1040;
const LEFT = 530;
const RIGHT = 80;
const TOP = 64;
const ROW = 24;
const REACHED = '#4477aa';
const MISSED = '#cc6677';
const UNJUDGED = '#999999';

/** An SVG: of each ratio a bar from 1 to the median, its range, and its goal. */
export function plotRatios(title, figures) {
  const rows = figures.filter(({ unit }) => unit === '×');
  const all = rows.flatMap(({ values, goal }) => [...values, goal ?? 1, 1]);
  const first = Math.floor(Math.log10(Math.min(...all)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...all))));
  const x = (value) =>
    LEFT + ((Math.log10(value) - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const bottom = TOP + rows.length * ROW;
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${bottom + 36}" viewBox="0 0 ${WIDTH} ${bottom + 36}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="12" y="22" font-size="15">${escaped(title)}</text>
<text x="12" y="42" fill="#555">Median of per-round ratios, their range (line) and the goal (diamond); blue: reached, red: missed, grey: no goal</text>
${ticks.map((value) => tick(x(value), value, bottom)).join('\n')}
${rows.map((row, i) => bar(row, TOP + i * ROW, x)).join('\n')}
</svg>
`;
}

const tick = (at, value, bottom) =>
  `<path d="M${at.toFixed(1)} ${TOP - 6}V${bottom}" stroke="${value === 1 ? '#222' : '#ddd'}"/>
<text x="${at.toFixed(1)}" y="${bottom + 18}" text-anchor="middle" fill="#555">${value.toLocaleString('en', { maximumFractionDigits: 6 })}×</text>`;

function bar(row, y, x) {
  const { measure, values, goal } = row;
  const middle = median(values);
  const [from, to] = [x(1), x(middle)].sort((a, b) => a - b);
  const line = y + 8;
  const colour = goal === undefined ? UNJUDGED : isReached(row) ? REACHED : MISSED;
  const marks = goal === undefined ? '' : diamond(x(goal), line, goalText(row));
  const end = Math.max(x(values.at(-1)), to, goal === undefined ? 0 : x(goal) + 5);
  return `<text x="${LEFT - 8}" y="${y + 12}" text-anchor="end">${escaped(measure)}</text>
<rect x="${from.toFixed(1)}" y="${y}" width="${(to - from).toFixed(1)}" height="16" fill="${colour}"/>
<path d="M${x(values[0]).toFixed(1)} ${line}H${x(values.at(-1)).toFixed(1)}" stroke="#222" stroke-width="1.5"/>
${marks}<text x="${(end + 6).toFixed(1)}" y="${y + 12}">${number(middle)}</text>`;
}

const diamond = (at, y, text) =>
  `<path d="M${(at - 5).toFixed(1)} ${y}l5 -7 5 7 -5 7z" fill="#ddaa33" stroke="#222"><title>goal ${escaped(text)}</title></path>
`;

const escaped = (text) =>
  text.replace(/[&<>]/g, (c) => (c === '&' ? '&amp;' : c === '<' ? '&lt;' : '&gt;'));
