/** What a run of the benchmark found, beside what it should find: rows for the summary and the plot. */
import { median } from './tool.mjs';

/**
 * A measure: one value a round, in `unit` (× for ratios), and its goal: at least that, or
 * at most where `atMost`. Without a goal it is shown, not judged.
 */
export const figure = (measure, values, { goal, unit = '×', atMost = false } = {}) => ({
  measure,
  values: [...values].sort((a, b) => a - b),
  goal,
  unit,
  atMost,
});

/** A measure that could not be taken here, and why. */
export const absent = (measure, why) => ({ measure, why });

/** Of two competitors, round by round: how many times as fast as `theirs` the first is. */
export const ratios = (ours, theirs) => ours.map((rate, round) => rate / theirs[round]);

const digits = (value) => (value >= 100 ? 0 : value >= 10 ? 1 : 2);
export const number = (value) =>
  value.toLocaleString('en', {
    minimumFractionDigits: digits(value),
    maximumFractionDigits: digits(value),
  });

export const isReached = ({ values, goal, atMost }) =>
  atMost ? median(values) <= goal : median(values) >= goal;

export const goalText = ({ goal, unit, atMost }) =>
  `${atMost ? '≤' : '≥'} ${goal.toLocaleString('en')}${unit === '×' ? '×' : ` ${unit}`}`;

function cells(row) {
  if (row.why !== undefined) return [row.measure, '', '', '', `not measured: ${row.why}`];
  const { values, goal, unit } = row;
  const middle = `${number(median(values))}${unit === '×' ? '×' : ` ${unit}`}`;
  const spread = values.length > 1 ? `${number(values[0])} to ${number(values.at(-1))}` : '';
  if (goal === undefined) return [row.measure, middle, spread, '', ''];
  return [row.measure, middle, spread, goalText(row), isReached(row) ? 'yes' : '**no**'];
}

/** Markdown. */
export const summary = (figures) => `| measure | median of rounds | least to most | goal | reached |
| --- | --- | --- | --- | --- |
${figures.map((row) => `| ${cells(row).join(' | ')} |`).join('\n')}
`;
