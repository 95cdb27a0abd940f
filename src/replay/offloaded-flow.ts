/**
 * What a tape (node/tape.ts) does to a packet, as far as anybody sees it: the bytes in front
 * of it and the changes in its headers wherever a device is captured, and the identifications
 * that it takes on its way. Only UDP, and TCP that nobody tracks: a segment moves windows.
 */
import type { RecordTap } from '../cluster/capture-tap.ts';
import { tapsOf } from '../cluster/capture-tap.ts';
import type { Device } from '../node/device.ts';
import type { Identifications } from '../node/identification.ts';
import { Manip } from '../node/l4-rewrite.ts';
import type { Node } from '../node/node.ts';
import { Act, type Step } from '../node/step.ts';
import type { Tape } from '../node/tape.ts';
import { fold, halves } from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import { OVERHEAD, outerTos } from '../wire/ipip.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';

/** What stands around a packet while it is in a tunnel. */
export interface Shell {
  readonly form: 'vxlan' | 'vxlan, complete' | 'ipip';
  readonly identifications: Identifications;
  readonly counter: number;
  /** Of the outer header without length and identification, and of the UDP header. */
  readonly sum: number;
  readonly udpSum: number;
  /** Of the inner pseudo-header, without length. */
  readonly innerSum: number;
  /** Bytes it adds to the IPv4 packet. */
  readonly length: number;
  /** What stands between its outer IPv4 header and the packet. */
  readonly bytes: Buffer;
}

/** The packet as a device sees it. */
export interface Stage {
  readonly tap: RecordTap;
  /** `whole`: the very frame that came in. */
  readonly form: 'whole' | 'as it came' | 'changed';
  /** In front of the packet. */
  readonly template: Buffer;
  readonly ttl: number;
  readonly source: number;
  readonly destination: number;
  readonly ports: number;
  /** What was added to the sums, complemented; 0: nothing. */
  readonly headerDelta: number;
  readonly l4Delta: number;
  /** In the template, behind the link header. */
  readonly shell: Shell | null;
}

/** One hop's part of a header checksum (RFC 1624): the TTL is the upper half of its word. */
const HOP = 0xffff - 0x0100;

/** Tunnels that one packet may enter, one after the other. */
const MAX_SHELLS = 2;

const VXLAN_SHELL = ipv4.HEADER_LEN + udp.HEADER_LEN + vxlan.HEADER_LEN;
const NOTHING = Buffer.alloc(0);

export class OffloadedFlow {
  readonly tape: Tape;
  /** Words of node/flow-key.ts. */
  readonly key: Int32Array;
  readonly protocol: number;
  readonly stages: Stage[] = [];
  /** In the order in which they give identifications. */
  readonly shells: Shell[] = [];
  private readonly tos: number;
  private readonly dontFragment: boolean;
  private ttl: number;
  private source: number;
  private destination: number;
  private ports: number;
  private headerDelta = 0;
  private l4Delta = 0;
  /** Nothing was done to the frame. */
  private whole = true;
  private link: Buffer = NOTHING;
  private shell: Shell | null = null;

  private constructor(tape: Tape, key: Int32Array) {
    this.tape = tape;
    this.key = key;
    const header = key[HEADER_WORD]!;
    this.ttl = header >>> 24;
    this.protocol = (header >>> 16) & 0xff;
    this.tos = (header >>> 8) & 0xff;
    this.dontFragment = (header & 1) !== 0;
    this.source = key[HEADER_WORD + 1]!;
    this.destination = key[HEADER_WORD + 2]!;
    this.ports = key[key.length - 1]!;
  }

  /** Null for a tape that does what is not known here. Its `key` is that of a frame, in no tunnel. */
  static of(tape: Tape, key: Int32Array): OffloadedFlow | null {
    const flow = new OffloadedFlow(tape, key);
    const { length } = key;
    const isTcp = flow.protocol === ipv4.PROTO_TCP;
    if (length !== HEADER_WORD + (isTcp ? 5 : 4) || tape.tracksTcp) return null;
    if (!isTcp && flow.protocol !== ipv4.PROTO_UDP) return null;
    if (!tape.steps.every((step) => flow.follow(step)) || flow.shells.length > MAX_SHELLS)
      return null;
    const [first, second] = flow.shells;
    const isSame =
      first?.identifications === second?.identifications && first?.counter === second?.counter;
    return second !== undefined && isSame ? null : flow;
  }

  /** False for what cannot be done. */
  private follow(step: Step): boolean {
    const { shell } = this;
    switch (step.act) {
      case Act.Enter:
        return this.see(step.device) && this.strip(step.a);
      case Act.Track:
        return true;
      case Act.Rewrite:
        return this.rewrite(step);
      case Act.Hop:
        if (shell === null) {
          this.ttl--;
          this.headerDelta = fold(this.headerDelta + HOP);
        } else this.shell = hopped(shell);
        return true;
      case Act.Frame:
        if (this.whole || this.link.length > 0) return false;
        this.link = Buffer.alloc(ethernet.HEADER_LEN);
        this.link.writeInt32BE(step.a, 0);
        this.link.writeInt32BE(step.b, 4);
        this.link.writeInt32BE(step.c, 8);
        this.link.writeUInt16BE(ethernet.TYPE_IPV4, ethernet.field.type);
        return this.see(step.device);
      case Act.Leave:
        return this.see(step.device);
      case Act.VxlanOut:
        return this.enterVxlan(step);
      case Act.VxlanIn:
        if (shell === null || shell.form === 'ipip' || step.a !== VXLAN_SHELL) return false;
        this.link = shell.bytes.subarray(VXLAN_SHELL);
        this.shell = null;
        return true;
      case Act.IpipOut:
        return this.enterIpip(step);
      case Act.IpipIn:
        if (shell?.form !== 'ipip' || step.a !== ipv4.HEADER_LEN) return false;
        this.shell = null;
        return this.see(step.device);
      default:
        return false;
    }
  }

  /** Takes the link header off. */
  private strip(length: number): boolean {
    const there = this.whole ? ethernet.HEADER_LEN : this.link.length;
    this.whole = false;
    this.link = NOTHING;
    return length === there;
  }

  private see(device: Device): boolean {
    for (const tap of tapsOf(device)) {
      if (!isRecordTap(tap)) return false;
      const { ttl, source, destination, ports, headerDelta, l4Delta, shell, link } = this;
      const isChanged = headerDelta !== 0 || l4Delta !== 0;
      this.stages.push({
        tap,
        form: this.whole ? 'whole' : isChanged ? 'changed' : 'as it came',
        template: shell === null ? link : Buffer.concat([link, shell.bytes]),
        ...{ ttl, source, destination, ports, headerDelta, l4Delta, shell },
      });
    }
    return true;
  }

  private rewrite({ a, b: address, c: port }: Step): boolean {
    if (this.shell !== null) return false;
    const isSource = (a as Manip) === Manip.Source;
    const addresses = change(isSource ? this.source : this.destination, address);
    this.headerDelta = fold(this.headerDelta + addresses);
    const before = isSource ? this.ports >>> 16 : this.ports & 0xffff;
    const ports = before === port ? 0 : (before ^ 0xffff) + port;
    this.l4Delta = fold(this.l4Delta + addresses + ports);
    if (isSource) {
      this.source = address;
      this.ports = (port << 16) | (this.ports & 0xffff);
    } else {
      this.destination = address;
      this.ports = (this.ports & ~0xffff) | port;
    }
    return true;
  }

  private enterVxlan({ node, shell }: Step): boolean {
    if (this.shell !== null || this.link.length === 0 || shell === null) return false;
    const { complete, counter, pseudoSum, headers } = shell;
    const bytes = Buffer.alloc(VXLAN_SHELL + this.link.length);
    for (let n = 0; n < headers.length; n++) bytes.writeInt32BE(headers[n]!, 4 * n);
    this.link.copy(bytes, VXLAN_SHELL);
    // As in VxlanShell.udpChecksum: the link header, and what the inner sums come to.
    const covered = shell.udpSum + sumOf(this.link);
    this.shell = {
      form: complete ? 'vxlan, complete' : 'vxlan',
      identifications: node.identifications,
      counter,
      sum: sumOf(bytes.subarray(0, ipv4.HEADER_LEN)),
      udpSum: fold(complete ? covered : pseudoSum),
      innerSum: fold(halves(this.source) + halves(this.destination) + this.protocol),
      length: bytes.length,
      bytes,
    };
    this.shells.push(this.shell);
    this.link = NOTHING;
    return true;
  }

  private enterIpip({ node, a: from, b: to }: Step): boolean {
    // With DF the tunnel learns of its way, and goes on learning.
    if (this.shell !== null || this.whole || this.link.length > 0 || this.dontFragment)
      return false;
    this.shell = ipipShell(node, from, to, outerTos(this.tos), this.ttl);
    this.shells.push(this.shell);
    return true;
  }
}

/** In a key of flow-key.ts: behind the place and the destination of the frame. */
const HEADER_WORD = 4;

const isRecordTap = (tap: object): tap is RecordTap => 'sink' in tap;

/** What two halves of an address add to a complemented sum. */
const change = (before: number, after: number): number => halves(~before) + halves(after);

function sumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  return fold(sum);
}

function ipipShell(node: Node, from: number, to: number, tos: number, ttl: number): Shell {
  const bytes = Buffer.alloc(ipv4.HEADER_LEN);
  ipv4.emit(bytes, 0, tos, 0, 0, 0, ttl, ipv4.PROTO_IPIP, from, to);
  bytes.writeUInt16BE(0, ipv4.field.checksum);
  const { identifications } = node;
  const counter = identifications.counter(from, to, ipv4.PROTO_IPIP);
  const sum = sumOf(bytes);
  const more = { udpSum: 0, innerSum: 0, length: OVERHEAD, bytes };
  return { form: 'ipip', identifications, counter, sum, ...more };
}

/** The outer header a router further. */
function hopped(shell: Shell): Shell {
  const bytes = Buffer.from(shell.bytes);
  bytes[ipv4.field.ttl]!--;
  return { ...shell, bytes, sum: sumOf(bytes.subarray(0, ipv4.HEADER_LEN)) };
}
