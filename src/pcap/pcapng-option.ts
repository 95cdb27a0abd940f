/** Lists of options, which end most blocks of a pcapng. */
import { OPTION_END, OPTION_HEADER_LEN, padded } from './pcapng.ts';

/** One option's place; its value is `at` to `end` of the view. */
export interface BlockOption {
  readonly code: number;
  readonly at: number;
  readonly end: number;
}

/**
 * The options in `view[at..end)`, up to the end mark or, as many writers leave
 * that out, the end of the block. One that reaches further, or an end mark with
 * a value, comes last with `code` -1.
 */
export function* blockOptions(
  view: DataView,
  at: number,
  end: number,
  little: boolean,
): Generator<BlockOption, void, undefined> {
  let from = at;
  while (end - from >= OPTION_HEADER_LEN) {
    const code = view.getUint16(from, little);
    const length = view.getUint16(from + 2, little);
    if (code === OPTION_END && length === 0) return;
    const value = from + OPTION_HEADER_LEN;
    const stop = value + length;
    if (stop > end || code === OPTION_END) {
      yield { code: -1, at: value, end };
      return;
    }
    yield { code, at: value, end: stop };
    from = value + padded(stop - value);
  }
}

/** UTF-8; what is not becomes U+FFFD, and a closing NUL is dropped. */
export function optionText(view: DataView, { at, end }: BlockOption, most = 0xffff): string {
  const bytes = Buffer.from(view.buffer, view.byteOffset + at, Math.min(end - at, most));
  const nul = bytes.indexOf(0);
  return bytes.toString('utf8', 0, nul < 0 ? bytes.length : nul);
}
