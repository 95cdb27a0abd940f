/**
 * Pasted text, line by line: without colours, carriage returns and blanks at the
 * end, bounded in length, each line with its place. Every reader of command output
 * walks a line's words with one cursor, so that no input makes a reader slow.
 */
import { found, PodwireError } from '../errors.ts';
import { type Ip4, type Mac, tryIp4, tryMac } from '../wire/address.ts';
import { tryUnsigned } from './route-name.ts';

/** Characters of one line; the longest that a command prints has some hundreds. */
const MAX_LINE = 64 * 1024;
/** The same of a list in JSON, which `ip -j` prints in one line. */
const MAX_JSON_LINE = 8 * 1024 * 1024;

/** Where a text comes from, for messages. */
export interface TextPlace {
  /** File name, `-`, or the command. */
  readonly source: string;
  /** Line of the text's first line in the source, from 1; absent: 1. */
  readonly firstLine?: number | undefined;
}

export interface PastedLine {
  readonly text: string;
  readonly source: string;
  /** From 1. */
  readonly line: number;
}

/** Colours and cursor moves; titles that a prompt sets, with their end; what else is not printed. */
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?/g;
const UNPRINTED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufeff]/g;

/** All lines, blank ones too. Throws ERR_CONFIG_SYNTAX where one is longer than 64 KiB, or 8 MiB of JSON. */
export function pastedLines(text: string, { source, firstLine = 1 }: TextPlace): PastedLine[] {
  return text.split('\n').map((raw, i) => {
    const line = firstLine + i;
    const limit = /^\[\s{0,2}\{/.test(raw) ? MAX_JSON_LINE : MAX_LINE;
    if (raw.length > limit) {
      const message = `expected lines of at most ${limit} characters, found ${raw.length}`;
      throw new PodwireError('ERR_CONFIG_SYNTAX', message, { source, line });
    }
    return { text: raw.replace(ESCAPES, '').replace(UNPRINTED, '').trimEnd(), source, line };
  });
}

/** Lines that are not blank. */
export const writtenLines = (text: string, place: TextPlace): PastedLine[] =>
  pastedLines(text, place).filter((line) => line.text !== '');

export const wordsOf = (text: string): string[] => text.split(/\s+/).filter(Boolean);

/** ERR_CONFIG_VALUE at a line. */
export function refuseLine(
  { source, line }: { readonly source: string; readonly line: number },
  expected: string,
  what: string | undefined,
): never {
  const message = `expected ${expected}, found ${found(what)}`;
  throw new PodwireError('ERR_CONFIG_VALUE', message, { source, line });
}

/** A line's words, and where the reader stands among them. */
export class WordCursor {
  readonly line: PastedLine;
  private readonly words: readonly string[];
  private at = 0;

  constructor(line: PastedLine) {
    this.line = line;
    this.words = wordsOf(line.text);
  }

  get done(): boolean {
    return this.at >= this.words.length;
  }

  /** The next word without passing it; undefined at the end. */
  get peek(): string | undefined {
    return this.words[this.at];
  }

  next(expected: string): string {
    return this.words[this.at++] ?? this.fail(expected, undefined);
  }

  /** Passes the next word if it is this one. */
  skip(word: string): boolean {
    if (this.peek !== word) return false;
    this.at++;
    return true;
  }

  /** The next word as `read` understands it. */
  value<T>(expected: string, read: (word: string) => T | undefined): T {
    const word = this.words[this.at++];
    const result = word === undefined ? undefined : read(word);
    return result === undefined ? this.fail(expected, word) : result;
  }

  ip4(after: string): Ip4 {
    return this.value(`an IPv4 address ${after}`, tryIp4);
  }

  mac(after: string): Mac {
    return this.value(`an Ethernet address ${after}`, tryMac);
  }

  device(after: string): string {
    return this.value(`a device name of 1 to 15 characters ${after}`, tryDeviceName);
  }

  /** A decimal number from 0 to `limit`. */
  count(after: string, limit: number): number {
    return this.value(`0 to ${limit} ${after}`, (word) => tryUnsigned(word, limit));
  }

  fail(expected: string, word: string | undefined): never {
    return refuseLine(this.line, expected, word);
  }
}

/** IFNAMSIZ leaves 15 characters; `/`, `:` and blanks are refused (net/core/dev.c dev_valid_name). */
export const tryDeviceName = (text: string): string | undefined =>
  /^(?!\.\.?$)[!-.0-9;-~]{1,15}$/.test(text) ? text : undefined;
