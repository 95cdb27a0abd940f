/** Lines that stand around pasted output: shell prompts, headings, fences. */
import { commandOf, type Listing } from './command-line.ts';

/** What such a line says about the lines after it. */
export interface Mark {
  /** The host or pod that a prompt or heading names. */
  readonly node?: string;
  /** What was typed; absent where it is none of the commands read here. */
  readonly listing?: Listing;
  /** Only a bare line: prose may hold the words of a command too. */
  readonly unsure?: true;
}

/** A prompt is no longer than this. */
const MAX_PROMPT = 300;

/** `undefined` for a line of output or prose. */
export function markOf(text: string): Mark | undefined {
  if (text.startsWith('```') || text === 'EOF') return {};
  if (text.startsWith('##### namespace ')) return { node: text.slice(16).trim() };
  const prompt = hostPrompt(text) ?? bracketPrompt(text) ?? barePrompt(text);
  if (prompt !== undefined) return withCommand(prompt.node, prompt.command);
  // A comment or a heading of a document: whatever was listed ends here.
  if (text.startsWith('#')) return {};
  const listing = commandOf(text.trimStart());
  return listing === undefined ? undefined : { listing, unsure: true };
}

function withCommand(node: string | undefined, command: string): Mark {
  const listing = commandOf(command);
  const where = listing?.node ?? node;
  return {
    ...(where === undefined ? {} : { node: where }),
    ...(listing === undefined ? {} : { listing }),
  };
}

interface Prompt {
  readonly node?: string;
  readonly command: string;
}

/** `root@node1:~# ip route`, `ubuntu@node1:~$` */
function hostPrompt(text: string): Prompt | undefined {
  const at = text.indexOf('@');
  if (at <= 0 || at > 64 || text.lastIndexOf(' ', at) >= 0) return undefined;
  const colon = text.indexOf(':', at);
  if (colon < 0 || colon > MAX_PROMPT) return undefined;
  const node = text.slice(at + 1, colon);
  if (!isName(node)) return undefined;
  const command = afterSign(text, colon + 1);
  return command === undefined ? undefined : { node, command };
}

/** `[root@node1 ~]# ip route` */
function bracketPrompt(text: string): Prompt | undefined {
  const close = text.indexOf(']');
  if (!text.startsWith('[') || close < 0 || close > MAX_PROMPT) return undefined;
  const sign = text[close + 1];
  if (sign !== '#' && sign !== '$') return undefined;
  const node = text.slice(1, close).split(' ')[0]?.split('@')[1];
  return { ...(isName(node) ? { node } : {}), command: text.slice(close + 2).trim() };
}

/** `# ip a`, `$ ip a`, `/ # ip a`, `bash-5.1# ip a`: only before a command that is read here. */
function barePrompt(text: string): Prompt | undefined {
  const sign = /^(?:[-.\w]{0,20}[#$]|[/~][-./\w]{0,60} [#$]) {1,4}/.exec(text);
  if (sign === null) return undefined;
  const command = text
    .slice(sign[0].length)
    .replace(/^command: */, '')
    // A remark about the listing; this one is a fact about it.
    .replace(/ \((?!0 where not listed)[^)]{0,80}\)$/, '');
  return commandOf(command) === undefined ? undefined : { command };
}

/** What follows the first `#` or `$` that ends a prompt. */
function afterSign(text: string, from: number): string | undefined {
  const end = Math.min(text.length, MAX_PROMPT);
  for (let i = from; i < end; i++) {
    if (text[i] !== '#' && text[i] !== '$') continue;
    if (i + 1 === text.length || text[i + 1] === ' ') return text.slice(i + 1).trim();
  }
  return undefined;
}

const NAME = /^[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,251}[A-Za-z0-9])?$/;

/** A node's, pod's or host's name, as Kubernetes allows them. */
export const isName = (text: string | undefined): text is string =>
  text !== undefined && NAME.test(text);

/** `node1` or `namespace/pod`. */
export function isNamespaceName(text: string): boolean {
  const parts = text.split('/');
  return parts.length <= 2 && parts.every(isName);
}
