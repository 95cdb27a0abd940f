/**
 * The one error class of the edges: files, YAML, command lines, wrong calls.
 * Messages read *where: expected, found*. Inside the packet path nothing is
 * thrown; see drop.ts.
 */

/** Stable codes; a program may branch on them, the texts may change. */
export type ErrorCode =
  | 'ERR_ADDRESS'
  | 'ERR_CAPTURE_FORMAT'
  | 'ERR_CAPTURE_LENGTH'
  | 'ERR_CAPTURE_TRUNCATED'
  | 'ERR_CONFIG_SYNTAX'
  | 'ERR_CONFIG_VALUE'
  | 'ERR_CONFIG_CONFLICT'
  | 'ERR_EXPRESSION'
  | 'ERR_FILE'
  | 'ERR_FRAME'
  | 'ERR_NAME'
  | 'ERR_USAGE';

/** Where the fault is, as far as it is known. */
export interface Place {
  /** File name, `-` for standard input, or what the caller named the text. */
  readonly source?: string;
  /** Line, counted from 1. */
  readonly line?: number;
  /** Byte offset in a capture file, counted from 0. */
  readonly offset?: number;
}

export class PodwireError extends Error {
  override readonly name = 'PodwireError';
  readonly code: ErrorCode;
  readonly source: string | undefined;
  readonly line: number | undefined;
  readonly offset: number | undefined;

  constructor(code: ErrorCode, message: string, place: Place = {}) {
    super(place.source === undefined ? message : `${placeText(place)}: ${message}`);
    this.code = code;
    this.source = place.source;
    this.line = place.line;
    this.offset = place.offset;
  }
}

function placeText({ source, line, offset }: Place): string {
  if (line !== undefined) return `${printable(source ?? '')}:${line}`;
  if (offset !== undefined) return `${printable(source ?? '')} at byte ${offset}`;
  return printable(source ?? '');
}

/**
 * Text from outside made safe for a terminal and a one-line message: control
 * characters become `\xNN`, and only the first `limit` characters are kept.
 */
export function printable(text: string, limit = 200): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => {
    return `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/**
 * ERR_FILE for a failed call of `node:fs`, which stays reachable as `cause`. Node's text
 * ends with the call and the path: `source` says where already.
 */
export function fileError(expected: string, cause: unknown, source: string): PodwireError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const why = printable(text.replace(/, \w+( '.*')?$/s, ''));
  const error = new PodwireError('ERR_FILE', `expected ${expected}, found ${why}`, { source });
  error.cause = cause;
  return error;
}

/** A value from outside as it may stand in a message: quoted, safe, short. */
export function found(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return `"${printable(value, 60)}"`;
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'a list' : 'a mapping';
  }
  return printable(String(value), 60);
}
