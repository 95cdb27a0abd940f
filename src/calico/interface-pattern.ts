/**
 * A pattern of interface names as Felix takes it. Felix's engine is linear, this one
 * is not: what could make it try more than some thousand ways is refused.
 */
import type { Field } from './field.ts';

const MAX_LENGTH = 200;
const MAX_REPEATS = 4;
const MAX_GROUPS = 6;
const MAX_BRANCHES = 24;

/** Felix's own default for mtuIfacePattern. */
export const UPLINK = /^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)/;

/** Reads a regular expression; it matches anywhere in a name unless anchored. */
export function interfacePattern(at: Field): (device: string) => boolean {
  const expected = 'a plain regular expression of interface names such as ^(eth|en).*';
  const text = at.text(expected);
  if (text.length > MAX_LENGTH || !isPlain(text)) throw at.refuse(expected);
  try {
    const pattern = new RegExp(text);
    return (device) => pattern.test(device);
  } catch {
    throw at.refuse(expected);
  }
}

function isPlain(text: string): boolean {
  // Escaped characters and classes stand for one character each, whatever is in them.
  const shape = text.replace(/\\./g, 'x').replace(/\[[^\]]*\]/g, 'x');
  const count = (pattern: RegExp): number => shape.match(pattern)?.length ?? 0;
  return (
    // Groups may not repeat, look around or refer back.
    !/\)[*+?{]|\(\?/.test(shape) &&
    !/\\[1-9k]/.test(text) &&
    count(/[*+?{]/g) <= MAX_REPEATS &&
    count(/\(/g) <= MAX_GROUPS &&
    count(/\|/g) <= MAX_BRANCHES
  );
}
