/**
 * Capture filters as tcpdump takes them, `udp port 4789 and host 192.168.33.55`: the
 * grammar of pcap-filter(7), IPv4 and numbers only. `and` and `or` bind alike, from
 * left to right; an identifier alone takes the qualifiers of the one before it.
 */
import { PodwireError } from '../errors.ts';
import { type Ip4, tryIp4, tryMac } from '../wire/address.ts';
import type { Bytes } from '../wire/bytes.ts';
import { tryRelation } from './filter-expression.ts';
import {
  address,
  both,
  type Direction,
  either,
  etherAddress,
  etherType,
  FilterFrame,
  type FilterTest,
  ipProtocol,
  PROTOCOLS,
  ports,
} from './filter-test.ts';
import { FilterWords } from './filter-words.ts';

/** Does a frame pass? `length`: its bytes on the wire, where more than were captured. */
export type CaptureFilter = (bytes: Bytes, length?: number) => boolean;

export interface CaptureFilterOptions {
  /** Link type of the capture: 1, Ethernet (default), or 101 or 12, raw IP. */
  readonly linkType?: number;
}

/** Compiles an expression; an empty one lets everything through. Throws ERR_USAGE. */
export function captureFilter(
  expression: string,
  { linkType = 1 }: CaptureFilterOptions = {},
): CaptureFilter {
  const raw = linkType === 101 || linkType === 12;
  if (!raw && linkType !== 1) {
    throw new PodwireError(
      'ERR_USAGE',
      `filter: expected a capture of link type 1 or 101, found ${linkType}`,
    );
  }
  const words = new FilterWords(expression);
  if (words.done) return () => true;
  const test = new FilterParser(words).whole();
  const frame = new FilterFrame(raw);
  return (bytes, length = bytes.length) => {
    frame.bytes = bytes;
    frame.length = length;
    frame.short = false;
    return test(frame) && !frame.short;
  };
}

type Kind = 'host' | 'net' | 'port' | 'portrange' | 'proto';

/** What stands before an identifier, and what the next one inherits. */
interface Qualifiers {
  readonly protocol: string | undefined;
  readonly direction: Direction | undefined;
  readonly kind: Kind | undefined;
}

const NONE: Qualifiers = { protocol: undefined, direction: undefined, kind: undefined };
const KINDS: readonly string[] = ['host', 'net', 'port', 'portrange', 'proto'];
/** Parentheses and `not` inside one another. */
const MAX_DEPTH = 64;

const TRANSPORTS = ['tcp', 'udp', 'sctp'] as const;
const FAMILIES = ['ip', 'arp', 'rarp'] as const;

class FilterParser {
  private readonly words: FilterWords;
  private inherited: Qualifiers = NONE;
  private depth = 0;

  constructor(words: FilterWords) {
    this.words = words;
  }

  whole(): FilterTest {
    const test = this.chain();
    if (!this.words.done) this.words.fail('and, or or the end');
    return test;
  }

  /** Terms with `and` and `or` between them. */
  private chain(): FilterTest {
    let test = this.term();
    for (;;) {
      if (this.words.take('and', '&&')) test = both(test, this.term());
      else if (this.words.take('or', '||')) test = either(test, this.term());
      else return test;
    }
  }

  private term(): FilterTest {
    const { words } = this;
    if (++this.depth > MAX_DEPTH) words.fail(`at most ${MAX_DEPTH} levels`);
    try {
      if (words.take('not', '!')) {
        const test = this.term();
        return (f) => !test(f);
      }
      const relation = tryRelation(words);
      if (relation !== undefined) return relation;
      if (words.take('(')) {
        const test = this.chain();
        words.expect(')');
        return test;
      }
      return this.primitive();
    } finally {
      this.depth--;
    }
  }

  private primitive(): FilterTest {
    const { words } = this;
    const size = this.sizeTest();
    if (size !== undefined) return size;
    const protocol = words.takeOne('ether', ...PROTOCOLS.keys());
    const cast = this.castTest(protocol);
    if (cast !== undefined) return cast;
    const direction = this.direction();
    const kind = words.takeOne(...KINDS) as Kind | undefined;
    if (protocol !== undefined && direction === undefined && kind === undefined) {
      const test = PROTOCOLS.get(protocol);
      if (test !== undefined && !this.atIdentifier()) {
        this.inherited = { protocol, direction, kind };
        return test;
      }
    }
    const given: Qualifiers = { protocol, direction, kind };
    const qualified = protocol !== undefined || direction !== undefined || kind !== undefined;
    this.inherited = qualified ? given : this.inherited;
    return this.identifiers(this.inherited);
  }

  /** `greater 100`, `less 100` */
  private sizeTest(): FilterTest | undefined {
    if (this.words.take('greater')) {
      const least = this.words.number();
      return (f) => f.length >= least;
    }
    if (!this.words.take('less')) return undefined;
    const most = this.words.number();
    return (f) => f.length <= most;
  }

  /** `broadcast` and `multicast`, of Ethernet unless `ip` stands before. */
  private castTest(protocol: string | undefined): FilterTest | undefined {
    const { words } = this;
    if (protocol === 'ip' && words.take('multicast')) {
      return (f) => f.holds(0x0800) && f.load(f.network + 16, 1) >= 224;
    }
    if (protocol !== undefined && protocol !== 'ether') return undefined;
    if (words.take('broadcast')) {
      const all = etherAddress(0xffff, 0xffffffff, 'dst');
      return (f) => !f.raw && all(f);
    }
    if (words.take('multicast')) return (f) => !f.raw && (f.load(0, 1) & 1) === 1;
    return undefined;
  }

  private direction(): Direction | undefined {
    const { words } = this;
    const first = words.takeOne('src', 'dst') as 'src' | 'dst' | undefined;
    if (first === undefined) return undefined;
    const other = first === 'src' ? 'dst' : 'src';
    if (words.takePair(['or', '||'], other)) return 'src or dst';
    return words.takePair(['and', '&&'], other) ? 'src and dst' : first;
  }

  private atIdentifier(): boolean {
    return /^[0-9a-fA-F\\]/.test(this.words.peek ?? '') && this.words.peek !== 'and';
  }

  /** One, or several in parentheses with `and` and `or` between them. */
  private identifiers(q: Qualifiers): FilterTest {
    const { words } = this;
    if (!words.take('(')) return this.identifier(q);
    let test = this.identifier(q);
    while (!words.take(')')) {
      if (words.take('and', '&&')) test = both(test, this.identifier(q));
      else if (words.take('or', '||')) test = either(test, this.identifier(q));
      else words.fail('and, or or )');
    }
    return test;
  }

  private identifier({ protocol, direction = 'src or dst', kind }: Qualifiers): FilterTest {
    const { words } = this;
    if (kind === 'proto') return this.protocolNumber(protocol);
    if (kind === 'port' || kind === 'portrange') {
      const carrier = TRANSPORTS.find((name) => name === protocol);
      if (protocol !== carrier) words.fail('tcp, udp or sctp', protocol);
      const [low, high] = kind === 'port' ? words.port() : words.portRange();
      return ports(low, high, direction, carrier);
    }
    if (protocol === 'ether') {
      const mac = words.value('an Ethernet address', tryMac);
      return etherAddress(Math.floor(mac / 2 ** 32), mac % 2 ** 32, direction);
    }
    const family = FAMILIES.find((name) => name === protocol);
    if (protocol !== family) words.fail('ip, arp or rarp before an address', protocol);
    const { value, mask } = kind === 'net' ? words.network() : this.host();
    return address(value, mask, direction, family);
  }

  private host(): { readonly value: Ip4; readonly mask: number } {
    return { value: this.words.value('an IPv4 address', tryIp4), mask: -1 };
  }

  private protocolNumber(protocol: string | undefined): FilterTest {
    const { words } = this;
    if (protocol === 'ether') return etherType(words.protocol('ether'));
    if (protocol !== undefined && protocol !== 'ip' && protocol !== 'ip6') {
      words.fail('ether, ip or ip6 before proto', protocol);
    }
    const family = protocol === undefined ? undefined : protocol === 'ip' ? 4 : 6;
    return ipProtocol(words.protocol('ip'), family);
  }
}
