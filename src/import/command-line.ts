/** What a typed command lists, as far as its words tell: `ip -d link`, `arp -an | grep vxlan` … */
import { wordsOf } from '../text/line-reader.ts';
import { type RouteTable, tryTable } from '../text/route-name.ts';

/** The shape of a command's output. */
export type Format =
  | 'link'
  | 'brief'
  | 'route'
  | 'route-n'
  | 'neigh'
  | 'arp'
  | 'fdb'
  | 'rule'
  | 'wg'
  | 'sysctl'
  | 'iptables'
  | 'ipset'
  | 'calicoctl'
  | 'kubectl'
  | 'status'
  | 'setup'
  | 'yaml';

export interface Listing {
  /** `other`: a command of these families whose output is not used. */
  readonly format: Format | 'other';
  /** The command's own words, without `sudo`, `ssh` and pipes. */
  readonly command: string;
  /** Nothing was filtered out: what the text lacks, the table lacks. */
  readonly whole: boolean;
  /** Every line is of this device, and the lines do not say so. */
  readonly device?: string;
  /** Every line is of this table. */
  readonly table?: RouteTable | 'all';
  /** Printed as a list in JSON. */
  readonly json?: boolean;
  /** Names addresses: `ip addr`, not `ip link`. */
  readonly addresses?: boolean;
  /** Where it was run, if the words say so: ssh, kubectl exec, ip netns exec. */
  readonly node?: string;
}

/** What a command starts with; those around it are taken off below. */
const FIRST =
  /^\s{0,80}(sudo|watch|ip|ssh|kubectl|k|kc|docker|podman|bridge|arp|route|wg|sysctl|calicoctl|ip6?tables(?:-legacy|-nft)?(?:-save)?|ipset)(\s|$)/;
/** No command of these families is longer. */
const MAX_COMMAND = 1000;

/** `undefined` where the text is no such command. */
export function commandOf(text: string): Listing | undefined {
  // Every line of a dump comes by here.
  if (text.length > MAX_COMMAND || !FIRST.test(text)) return undefined;
  const pipe = text.indexOf('|');
  const words = wordsOf(pipe < 0 ? text : text.slice(0, pipe)).slice(0, 64);
  const place = unwrap(words);
  const listing = listingOf(words);
  if (listing === undefined) return undefined;
  const node = place ?? listing.node;
  return {
    ...listing,
    command: words.join(' '),
    whole: listing.whole && pipe < 0,
    ...(node === undefined ? {} : { node }),
  };
}

/** Takes off what stands before the command, and tells where it was run. */
function unwrap(words: string[]): string | undefined {
  let node: string | undefined;
  for (let i = 0; i < 4; i++) {
    if (words[0] === 'sudo' || words[0] === 'watch') words.shift();
    else if (words[0] === 'ip' && words[1] === 'netns' && words[2] === 'exec') {
      node = words[3];
      words.splice(0, 4);
    } else if (words[0] === 'ssh' && words[2] !== undefined) {
      node = words[1]?.split('@').at(-1);
      words.splice(0, 2);
    } else if ((words[0] === 'kubectl' || words[0] === 'k') && words[1] === 'exec') {
      const end = words.indexOf('--');
      if (end < 0) return node;
      node = podOf(words.slice(2, end));
      words.splice(0, end + 1);
    } else if ((words[0] === 'docker' || words[0] === 'podman') && words[1] === 'exec') {
      words.splice(0, 2);
      while (words[0]?.startsWith('-')) words.shift();
      node = words.shift();
    } else break;
  }
  return node;
}

/** `-it -n yaobank customer-77tw4` gives `yaobank/customer-77tw4`. */
function podOf(words: readonly string[]): string | undefined {
  let namespace = 'default';
  let pod: string | undefined;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === '-n' || word === '--namespace') namespace = words[++i] ?? namespace;
    else if (word === '-c' || word === '--container') i++;
    else if (!word.startsWith('-')) pod ??= word.replace(/^pods?\//, '');
  }
  return pod === undefined ? undefined : `${namespace}/${pod}`;
}

type Found = Omit<Listing, 'command'>;
const OTHER: Found = { format: 'other', whole: false };

function listingOf(words: readonly string[]): Found | undefined {
  const [name, ...rest] = words;
  switch (name) {
    case 'ip':
      return ipListing([...rest]);
    case 'bridge':
      return bridgeListing([...rest]);
    case 'arp':
      if (!rest.every((word) => /^-[aen]{1,3}$/.test(word))) return undefined;
      return { format: 'arp', whole: true };
    case 'route':
      if (!rest.every((word) => /^-[en]{1,3}$/.test(word))) return undefined;
      return { format: 'route-n', whole: true };
    case 'wg':
      if (rest[0] === 'showconf' && rest.length === 2) {
        return { format: 'wg', whole: false, device: rest[1]! };
      }
      if ((rest[0] ?? 'show') !== 'show') return undefined;
      if (rest.length === 3 && rest[2] === 'dump') {
        const all = rest[1] === 'all';
        return { format: 'wg', whole: all, ...(all ? {} : { device: rest[1]! }) };
      }
      return rest.length > 2 ? undefined : { format: 'wg', whole: rest.length < 2 };
    case 'sysctl':
      // The recorded labs' listing says so itself: a key that is not there is 0.
      return { format: 'sysctl', whole: rest.join(' ').includes('0 where not listed') };
    case 'iptables-save':
    case 'iptables-legacy-save':
    case 'iptables-nft-save':
      return { format: 'iptables', whole: rest.every((word) => /^(-c|--counters)$/.test(word)) };
    case 'ipset':
      if (rest[0] !== 'save') return rest[0] === 'list' ? OTHER : undefined;
      return { format: 'ipset', whole: rest.length === 1 };
    case 'iptables':
    case 'iptables-legacy':
    case 'iptables-nft':
    case 'ip6tables-save':
    case 'ip6tables-legacy-save':
    case 'ip6tables-nft-save':
      return rest.length === 0 || rest.every((word) => /^-/.test(word)) ? OTHER : undefined;
    case 'calicoctl':
      return resourceListing(rest, 'calicoctl');
    case 'kubectl':
    case 'k':
    case 'kc':
      return resourceListing(rest, 'kubectl');
    default:
      return undefined;
  }
}

const OBJECTS = ['address', 'route', 'rule', 'neighbor', 'neighbour', 'link'];

function ipListing(words: string[]): Found | undefined {
  let node: string | undefined;
  let six = false;
  let json = false;
  let brief = false;
  let oneline = false;
  while (words[0]?.startsWith('-')) {
    const flag = words.shift() as string;
    if (flag === '-n' || flag === '-netns') node = words.shift();
    else if (flag === '-6') six = true;
    else if (/^-(j|json|jp|pj)$/.test(flag)) json = true;
    else if (/^-bri?e?f?$/.test(flag)) brief = true;
    else if (/^-o(n(e(l(i(ne?)?)?)?)?)?$/.test(flag)) oneline = true;
  }
  const word = words.shift() ?? '';
  const object = word === '' ? undefined : OBJECTS.find((name) => name.startsWith(word));
  if (object === undefined) return undefined;
  if (['show', 'sh', 's', 'list', 'ls', 'l'].includes(words[0] ?? '')) words.shift();
  if (six) return OTHER;
  const at = { ...(node === undefined ? {} : { node }), ...(json ? { json } : {}) };
  const whole = words.length === 0;
  if (object === 'link' || object === 'address') {
    if (words.length > 2) return undefined;
    if (brief || (oneline && object === 'address')) return { format: 'brief', whole, ...at };
    return { format: 'link', whole, addresses: object === 'address', ...at };
  }
  if (brief && !object.startsWith('neigh')) return OTHER;
  if (object === 'rule') return whole ? { format: 'rule', whole, ...at } : undefined;
  if (object === 'route') return routeListing(words, at);
  const device = deviceOf(words);
  if (!whole && device === undefined) return undefined;
  return { format: 'neigh', whole, ...(device === undefined ? {} : { device }), ...at };
}

function routeListing(
  words: string[],
  at: { readonly node?: string; readonly json?: boolean },
): Found | undefined {
  if (words[0] === 'get') return OTHER;
  const device = deviceOf(words);
  const index = words.indexOf('table');
  const name = index < 0 ? 'main' : (words[index + 1] ?? '');
  const table = name === 'all' ? 'all' : tryTable(name);
  if (table === undefined) return undefined;
  const known = (index < 0 ? 0 : 2) + (device === undefined ? 0 : 2);
  // Other words filter: by protocol, prefix, scope …
  if (words.length > known + 2) return undefined;
  return {
    format: 'route',
    whole: words.length === (index < 0 ? 0 : 2),
    table,
    ...(device === undefined ? {} : { device }),
    ...at,
  };
}

function deviceOf(words: readonly string[]): string | undefined {
  const at = words.indexOf('dev');
  return at < 0 ? undefined : words[at + 1];
}

function bridgeListing(words: string[]): Found | undefined {
  let json = false;
  while (words[0]?.startsWith('-'))
    json = /^-(j|json|jp|pj)$/.test(words.shift() as string) || json;
  if (words.shift() !== 'fdb') return undefined;
  if (['show', 'list'].includes(words[0] ?? '')) words.shift();
  const device = deviceOf(words);
  if (words.length > (device === undefined ? 0 : 2)) return undefined;
  const whole = words.length === 0;
  return {
    format: 'fdb',
    whole,
    ...(json ? { json } : {}),
    ...(device === undefined ? {} : { device }),
  };
}

/** What tells how the cluster was set up, among much else. */
const SETUP = /^(version\b|cluster-info dump\b|describe (ds|daemonsets?)\b|set env .*--list\b)/;

function resourceListing(
  words: readonly string[],
  tool: 'calicoctl' | 'kubectl',
): Found | undefined {
  if (words[0] === 'node' && words[1] === 'status') return { format: 'status', whole: true };
  const text = words.join(' ');
  if (/ -o[ =]?json\b/.test(text) || / --output[ =]json\b/.test(text)) {
    return { format: 'yaml', whole: true };
  }
  if (SETUP.test(text.replace(/^(-n|--namespace)[ =]\S+ /, '')))
    return { format: 'setup', whole: false };
  if (words[0] !== 'get') return undefined;
  if (/ -o[ =]?yaml\b/.test(text) || / --output[ =]yaml\b/.test(text)) {
    return { format: 'yaml', whole: true };
  }
  return { format: tool, whole: true };
}
