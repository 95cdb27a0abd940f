/** Interface descriptions of a pcapng: what counts for every packet of theirs. */
import {
  BLOCK_TRAILER_LEN,
  interfaceField,
  OPTION_DESCRIPTION,
  OPTION_FCS_LENGTH,
  OPTION_NAME,
  OPTION_OFFSET,
  OPTION_RESOLUTION,
} from './pcapng.ts';
import { blockOptions, optionText } from './pcapng-option.ts';
import type { CaptureInterface } from './record-format.ts';
import { MICROSECOND_CLOCK, NANOSECOND_CLOCK, TickClock } from './timestamp.ts';

/** IFNAMSIZ is 16; other systems have longer names. */
const MAX_NAME = 255;

export interface PcapngInterface extends CaptureInterface {
  readonly clock: TickClock;
}

/**
 * Reads the block `view[at..end)`, which is at least 20 bytes. Of an option that
 * occurs twice the first counts, and one of a wrong length not at all, as in
 * Wireshark. `undefined`: an option reaches beyond the block.
 */
export function readInterface(
  view: DataView,
  at: number,
  end: number,
  little: boolean,
): PcapngInterface | undefined {
  let name: string | undefined;
  let description: string | undefined;
  let resolution: number | undefined;
  let offset: bigint | undefined;
  let fcsLength: number | undefined;
  const from = at + interfaceField.size;
  for (const option of blockOptions(view, from, end - BLOCK_TRAILER_LEN, little)) {
    const { code, at: value } = option;
    const length = option.end - value;
    if (code === -1) return undefined;
    if (code === OPTION_NAME) name ??= optionText(view, option, MAX_NAME);
    else if (code === OPTION_DESCRIPTION) description ??= optionText(view, option, MAX_NAME);
    else if (code === OPTION_RESOLUTION && length === 1) resolution ??= view.getUint8(value);
    else if (code === OPTION_FCS_LENGTH && length === 1) fcsLength ??= view.getUint8(value);
    else if (code === OPTION_OFFSET && length === 8) offset ??= view.getBigInt64(value, little);
  }
  const clock = clockOf(resolution ?? 6, offset ?? 0n);
  return {
    linkType: view.getUint16(at + interfaceField.linkType, little),
    snapLength: view.getUint32(at + interfaceField.snapLength, little),
    fcsLength: fcsLength ?? 0,
    nanosecond: clock.nanosecond,
    clock,
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
  };
}

function clockOf(resolution: number, offset: bigint): TickClock {
  if (offset === 0n && resolution === 6) return MICROSECOND_CLOCK;
  if (offset === 0n && resolution === 9) return NANOSECOND_CLOCK;
  return new TickClock(resolution, offset);
}
