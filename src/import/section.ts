/**
 * Pasted files cut into what each command printed where. Prompts, headings and file
 * names say both; without them the look of the lines tells the command.
 */
import { found, PodwireError } from '../errors.ts';
import { type PastedLine, pastedLines, wordsOf } from '../text/line-reader.ts';
import { withoutWgSecrets } from '../text/wg-dump-reader.ts';
import { commandOf, type Format, type Listing } from './command-line.ts';
import type { DumpFile } from './dump-file.ts';
import { isJsonStart, pastedJson } from './json-section.ts';
import { formatOf, remarkOf } from './line-format.ts';
import { isNamespaceName, type Mark, markOf } from './prompt.ts';

/** The output of one command in one namespace. */
export interface Section {
  /** A node's or host's name, or `namespace/pod`. */
  readonly node: string;
  readonly format: Format;
  readonly listing: Listing;
  /** Without colours; its lines stand one after another in the source. */
  readonly text: string;
  readonly source: string;
  readonly firstLine: number;
}

export interface Cut {
  readonly sections: readonly Section[];
  /** Lines between the words of a dump that look like none: they may be damaged. */
  readonly unread: readonly PastedLine[];
  /** Lines of text around the dumps. */
  readonly around: number;
  /** Lines of IPv6 tables. */
  readonly ipv6: number;
}

/** Formats of which an empty listing is a fact. */
const MAY_BE_EMPTY = new Set<Format | 'other'>(['neigh', 'arp', 'fdb', 'wg', 'iptables', 'ipset']);

interface Draft {
  readonly node: string | undefined;
  readonly format: Format;
  readonly listing: Listing;
  /** From a prompt, heading or file name. */
  readonly sure: boolean;
  readonly lines: PastedLine[];
}

/** Throws ERR_CONFIG_SYNTAX and ERR_CONFIG_VALUE with file and line. */
export function cutSections(files: readonly DumpFile[]): Cut {
  const cut = { sections: [] as Section[], unread: [] as PastedLine[], around: 0, ipv6: 0 };
  for (const file of files) cutFile(file, cut);
  return cut;
}

type Cutting = { sections: Section[]; unread: PastedLine[]; around: number; ipv6: number };

function cutFile(file: DumpFile, cut: Cutting): void {
  if (/\.(ya?ml|json)$/i.test(file.path)) {
    cut.sections.push({ ...resources, text: file.text, source: file.source });
  } else new Cutter(file, cut).run();
}

/** One file: each line goes on with the section that is open, ends it or begins another. */
class Cutter {
  private readonly cut: Cutting;
  private readonly lines: readonly PastedLine[];
  private node: string | undefined;
  private draft: Draft | undefined;
  /** What follows was printed by ip6tables-save. */
  private six = false;

  constructor(file: DumpFile, cut: Cutting) {
    const { node, listing } = placeOfPath(file.path);
    this.cut = cut;
    this.lines = pastedLines(file.text, file);
    this.node = node;
    if (listing !== undefined) this.open(listing, true);
  }

  run(): void {
    for (let i = 0; i < this.lines.length; ) i = this.takeFrom(i);
    this.close();
  }

  /** Takes the line at `i`, or a whole list in JSON that begins there; gives the index behind. */
  private takeFrom(i: number): number {
    const line = this.lines[i]!;
    if (this.takeRemark(line) || this.takeMark(line)) return i + 1;
    if (line.text === '') {
      this.draft?.lines.push(line);
      return i + 1;
    }
    const json = jsonFrom(this.lines, i, this.draft);
    if (json === undefined) {
      this.take(line, formatOf(line.text, this.draft?.format, this.lines[i + 1]?.text));
      return i + 1;
    }
    if (this.draft?.format !== json.kind || !this.draft.sure) this.openByLook(json.kind, true);
    this.draft?.lines.push(...json.lines);
    return json.next;
  }

  private takeRemark(line: PastedLine): boolean {
    const remark = remarkOf(line.text);
    if (remark === undefined) return false;
    this.six = remark.six;
    if (this.draft?.format !== 'iptables') {
      if (this.six) return true;
      this.openByLook('iptables');
    }
    this.draft?.lines.push(line);
    return true;
  }

  /** A prompt or a heading. */
  private takeMark(line: PastedLine): boolean {
    const mark = markOf(line.text);
    if (mark === undefined) return false;
    this.close();
    // `ssh node1 ip route` says where that one command ran, not those after it.
    if (mark.node !== undefined && mark.node !== mark.listing?.node) this.node = mark.node;
    if (mark.listing !== undefined) this.open(mark.listing, mark.unsure !== true);
    return true;
  }

  private take(line: PastedLine, format: Format | 'ipv6' | undefined): void {
    const { draft, cut } = this;
    if (draft?.format === 'setup' && draft.sure && format !== 'setup') {
      // A dump of everything, logs too, of which some lines are of use.
      cut.around++;
      if (draft.lines.length > 0) this.open(draft.listing, true);
    } else if (format === 'ipv6' || (this.six && format === 'iptables')) {
      cut.ipv6++;
      draft?.lines.push({ ...line, text: '' });
    } else if (format === undefined) {
      if (draft?.sure && (draft.lines.at(-1)?.text ?? '') !== '') {
        cut.unread.push({ ...line, text: withoutWgSecrets(line.text) });
      } else cut.around++;
      this.close();
    } else {
      if (draft?.format !== format) this.openByLook(format);
      this.draft?.lines.push(...unfolded(line, format));
    }
  }

  private open(listing: Listing, sure: boolean): void {
    this.close();
    if (listing.format === 'other') return;
    const node = listing.node ?? this.node;
    this.draft = { node, format: listing.format, listing, sure, lines: [] };
  }

  private openByLook(format: Format, whole = false): void {
    this.open({ format, command: COMMANDS[format], whole }, false);
  }

  private close(): void {
    if (this.draft !== undefined) keep(this.draft, this.cut.sections);
    this.draft = undefined;
  }
}

/** A list in JSON, where one begins here; never inside a manifest. */
function jsonFrom(lines: readonly PastedLine[], at: number, draft: Draft | undefined) {
  if (draft?.format === 'yaml' || draft?.format === 'setup' || !isJsonStart(lines[at]!.text)) {
    return undefined;
  }
  const told = draft?.sure && draft.listing.json === true ? draft.format : undefined;
  return pastedJson(
    lines,
    at,
    JSON_LISTINGS.find((kind) => kind === told),
  );
}

const JSON_LISTINGS = ['link', 'route', 'neigh', 'fdb', 'rule'] as const;

/** `ip -o` puts a backslash where the lines of one entry meet. */
const unfolded = (line: PastedLine, format: Format): PastedLine[] =>
  format === 'link' || format === 'route'
    ? line.text.split('\\').map((text) => ({ ...line, text: text.trimEnd() }))
    : [line];

/** A file of manifests as a whole. */
const resources = {
  node: '',
  format: 'yaml',
  listing: { format: 'yaml', command: 'calicoctl get -o yaml', whole: true },
  firstLine: 1,
} as const;

/** What a listing without its command is taken to be. */
const COMMANDS: { readonly [F in Format]: string } = {
  link: 'ip addr',
  brief: 'ip -br addr',
  route: 'ip route',
  'route-n': 'route -n',
  neigh: 'ip neigh',
  arp: 'arp -an',
  fdb: 'bridge fdb show',
  rule: 'ip rule',
  wg: 'wg show',
  sysctl: 'sysctl',
  iptables: 'iptables-save',
  ipset: 'ipset save',
  calicoctl: 'calicoctl get',
  kubectl: 'kubectl get pods -A -o wide',
  status: 'calicoctl node status',
  setup: 'kubectl cluster-info dump',
  yaml: 'calicoctl get -o yaml',
};

/** Facts about the cluster, not about one namespace. */
export const CLUSTER_WIDE: ReadonlySet<Format> = new Set<Format>([
  'calicoctl',
  'kubectl',
  'setup',
  'yaml',
]);

function keep({ node, format, listing, sure, lines }: Draft, sections: Section[]): void {
  const first = lines.find(({ text }) => text !== '');
  const place = first ?? lines[0];
  if (first === undefined && !(sure && listing.whole && MAY_BE_EMPTY.has(format))) return;
  if (place === undefined && node === undefined) return;
  // Notes quote the first lines of a resource too.
  if (format === 'yaml' && !sure && !lines.some(({ text }) => /^(metadata|items):/.test(text)))
    return;
  if (node === undefined && !CLUSTER_WIDE.has(format)) {
    const message =
      "expected the node's name above, in a prompt such as root@node1:~# or in the file's name, found none";
    throw new PodwireError('ERR_CONFIG_VALUE', message, place);
  }
  if (node !== undefined && !isNamespaceName(node)) {
    const message = `expected a node's name or namespace/pod, found ${found(node)}`;
    throw new PodwireError('ERR_CONFIG_VALUE', message, place);
  }
  const last = lines.findLastIndex(({ text }) => text !== '');
  const text = lines
    .slice(0, last + 1)
    .map((line) => `${format === 'wg' ? withoutWgSecrets(line.text) : line.text}\n`)
    .join('');
  // By its look alone `ip addr` is `ip link` until an address stands in it.
  const links = !sure && format === 'link' && !/ inet6? \S/.test(text);
  sections.push({
    node: node ?? '',
    format,
    listing: plainly(links ? { ...listing, command: 'ip link' } : listing),
    text,
    source: place?.source ?? '',
    firstLine: lines[0]?.line ?? 1,
  });
}

/** What is kept is the listing without JSON and backslashes, and so is its command. */
function plainly({ json: _, ...listing }: Listing): Listing {
  if (listing.format === 'brief') return listing;
  const command = listing.command.replace(/ -(j|json|p|pretty|jp|pj|o|oneline)(?= )/g, '');
  return { ...listing, command };
}

/**
 * `node1/ip-route.txt`, `node1.txt`, `node1-ip-route.txt`, `default/client/eth0.txt`:
 * the folders, else the file, name the namespace; what is left of the file's name
 * may be a command.
 */
export function placeOfPath(path: string): Mark {
  const parts = path.split('/');
  const base = (parts.pop() ?? '').replace(/\.(txt|log|out|md|ya?ml)$/i, '');
  const words = base.split(/[-_. ]+/);
  for (let i = parts.length > 0 ? 0 : 1; i < words.length; i++) {
    const listing = commandOf(spellOut(words.slice(i)));
    if (listing === undefined) continue;
    const node = parts.length > 0 ? folderName(parts) : wordsAsWritten(base, words.slice(0, i));
    return { ...(node === undefined ? {} : { node }), listing };
  }
  const node = parts.length > 0 ? folderName(parts) : base;
  return node === '' ? {} : { node };
}

const folderName = (parts: readonly string[]): string => parts.slice(-2).join('/');

/** The part of a name that these words stand for, with its own separators. */
function wordsAsWritten(base: string, words: readonly string[]): string {
  let at = 0;
  for (const word of words) at = base.indexOf(word, at) + word.length;
  return base.slice(0, at);
}

/** `ip d link` was `ip -d link`, `arp an` was `arp -an`, `iptables save` was `iptables-save`. */
const spellOut = (words: readonly string[]): string =>
  wordsOf(words.join(' ').replace(/^(ip6?tables)( legacy| nft)? save\b/, joined))
    .map((word, i) => (i > 0 && ['d', 'an', 'n', '4', 'c'].includes(word) ? `-${word}` : word))
    .join(' ');

const joined = (text: string): string => text.replaceAll(' ', '-');
