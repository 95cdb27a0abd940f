/**
 * TCP options, RFC 9293 section 3.1, 7323 (timestamps, window scale), 2018 (SACK).
 *
 *   | kind |                   end of options (0) and no-operation (1)
 *   | kind | length | data |   all others; length counts all three
 *
 * Bytes to list and back is exact for any bytes whatever: what is malformed
 * becomes `unknown` or `raw`.
 */
import { i32, putI32, putU16, u16 } from '../wire/bytes.ts';
import * as tcp from '../wire/tcp.ts';
import { hexBytes, integer, type Spot, wrong } from './field-value.ts';

export type TcpOption =
  | { readonly option: 'mss'; readonly value: number }
  | { readonly option: 'windowScale'; readonly shift: number }
  | { readonly option: 'sackPermitted' }
  | { readonly option: 'sack'; readonly blocks: readonly SackBlock[] }
  | { readonly option: 'timestamps'; readonly value: number; readonly echo: number }
  | { readonly option: 'nop' }
  | { readonly option: 'end' }
  /** Any other kind; `hex` is the data behind the length byte. */
  | { readonly option: 'unknown'; readonly kind: number; readonly hex: string }
  /** Bytes that follow no rule. */
  | { readonly option: 'raw'; readonly hex: string };

/** Sequence numbers: the first byte held, and the one after the last. */
export interface SackBlock {
  readonly left: number;
  readonly right: number;
}

const MAX_U32 = 0xffffffff;

/** Options in the given order, then end-of-options zeros up to a multiple of 4 bytes. */
export function encodeTcpOptions(options: readonly TcpOption[], spot: Spot): Buffer {
  if (!Array.isArray(options)) throw wrong(spot, 'options', 'a list', options);
  const bytes = Buffer.concat(options.map((option) => encodeOption(option, spot)));
  if (bytes.length > tcp.MAX_OPTIONS_LEN) {
    throw wrong(spot, 'options', `at most ${tcp.MAX_OPTIONS_LEN} bytes`, bytes.length);
  }
  return Buffer.concat([bytes], (bytes.length + 3) & ~3);
}

function encodeOption(option: TcpOption, spot: Spot): Buffer {
  switch (option?.option) {
    case 'end':
      return Buffer.of(tcp.OPTION_END);
    case 'nop':
      return Buffer.of(tcp.OPTION_NOP);
    case 'mss': {
      const bytes = Buffer.of(tcp.OPTION_MSS, 4, 0, 0);
      putU16(bytes, 2, integer(spot, 'mss', option.value, 0xffff));
      return bytes;
    }
    case 'windowScale':
      return Buffer.of(tcp.OPTION_WINDOW_SCALE, 3, integer(spot, 'windowScale', option.shift, 255));
    case 'sackPermitted':
      return Buffer.of(tcp.OPTION_SACK_PERMITTED, 2);
    case 'timestamps': {
      const bytes = Buffer.alloc(10);
      bytes[0] = tcp.OPTION_TIMESTAMPS;
      bytes[1] = 10;
      putI32(bytes, 2, integer(spot, 'timestamps value', option.value, MAX_U32));
      putI32(bytes, 6, integer(spot, 'timestamps echo', option.echo, MAX_U32));
      return bytes;
    }
    case 'sack': {
      const { blocks } = option;
      if (!Array.isArray(blocks) || blocks.length > 4) {
        throw wrong(spot, 'sack blocks', 'a list of at most 4', blocks);
      }
      const bytes = Buffer.alloc(2 + 8 * blocks.length);
      bytes[0] = tcp.OPTION_SACK;
      bytes[1] = bytes.length;
      for (const [i, block] of option.blocks.entries()) {
        putI32(bytes, 2 + 8 * i, integer(spot, 'sack left', block?.left, MAX_U32));
        putI32(bytes, 6 + 8 * i, integer(spot, 'sack right', block?.right, MAX_U32));
      }
      return bytes;
    }
    case 'unknown': {
      const data = hexBytes(spot, 'option hex', option.hex);
      const length = integer(spot, 'option length', data.length + 2, tcp.MAX_OPTIONS_LEN);
      return Buffer.concat([Buffer.of(integer(spot, 'kind', option.kind, 255), length), data]);
    }
    case 'raw':
      return hexBytes(spot, 'option hex', option.hex);
    default:
      throw wrong(spot, 'options', 'a known option', (option as { option?: unknown })?.option);
  }
}

/**
 * The options in `[at, end)`, which must be a whole number of 4-byte words.
 * Zeros at the end that `encodeTcpOptions` would add are not listed.
 */
export function decodeTcpOptions(b: Buffer, at: number, end: number): TcpOption[] {
  const options: TcpOption[] = [];
  let next = at;
  while (next < end) {
    if (onlyPadding(b, next, end)) return options;
    const kind = b[next]!;
    if (kind === tcp.OPTION_END) {
      options.push({ option: 'end' });
      next += 1;
      if (next < end && !onlyPadding(b, next, end)) options.push(raw(b, next, end));
      return options;
    }
    if (kind === tcp.OPTION_NOP) {
      options.push({ option: 'nop' });
      next += 1;
      continue;
    }
    const length = next + 1 < end ? b[next + 1]! : 0;
    if (length < 2 || length > end - next) {
      options.push(raw(b, next, end));
      return options;
    }
    options.push(decodeOption(b, next, kind, length));
    next += length;
  }
  return options;
}

const raw = (b: Buffer, at: number, end: number): TcpOption => ({
  option: 'raw',
  hex: b.toString('hex', at, end),
});

function onlyPadding(b: Buffer, at: number, end: number): boolean {
  if (end - at > 3) return false;
  for (let i = at; i < end; i++) if (b[i] !== 0) return false;
  return true;
}

function decodeOption(b: Buffer, at: number, kind: number, length: number): TcpOption {
  if (kind === tcp.OPTION_MSS && length === 4) return { option: 'mss', value: u16(b, at + 2) };
  if (kind === tcp.OPTION_WINDOW_SCALE && length === 3) {
    return { option: 'windowScale', shift: b[at + 2]! };
  }
  if (kind === tcp.OPTION_SACK_PERMITTED && length === 2) return { option: 'sackPermitted' };
  if (kind === tcp.OPTION_TIMESTAMPS && length === 10) {
    return { option: 'timestamps', value: i32(b, at + 2) >>> 0, echo: i32(b, at + 6) >>> 0 };
  }
  if (kind === tcp.OPTION_SACK && (length - 2) % 8 === 0) {
    const blocks: SackBlock[] = [];
    for (let i = at + 2; i < at + length; i += 8) {
      blocks.push({ left: i32(b, i) >>> 0, right: i32(b, i + 4) >>> 0 });
    }
    return { option: 'sack', blocks };
  }
  return { option: 'unknown', kind, hex: b.toString('hex', at + 2, at + length) };
}
