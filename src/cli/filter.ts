/** `podwire filter`: the frames of a capture that pass an expression of tcpdump's. */
import type { Command } from 'commander';
import {
  type Capture,
  type CaptureFilter,
  type CaptureRecord,
  CaptureWriter,
  captureFilter,
  dissect,
  formatDissection,
  openCapture,
  PodwireError,
} from '../index.ts';
import { printFramesJson } from './dissect.ts';
import { print } from './terminal.ts';

interface Flags {
  readonly write?: string;
  readonly json?: boolean;
  readonly lenient?: boolean;
}

export function addFilter(program: Command): void {
  program
    .command('filter')
    .description("frames of a capture that pass one of tcpdump's expressions, to read or to copy")
    .argument('<file>', 'a capture, or - for standard input')
    .argument('<expression>', "'udp port 4789 and host 192.168.33.55'")
    .option('-w, --write <file>', 'copy the frames to a pcap file (- for stdout) instead')
    .option('--json', 'a JSON array with one object per frame, as of dissect')
    .option('--lenient', 'a cut file ends quietly')
    .addHelpText('after', NOTES)
    .action((file: string, expression: string, flags: Flags) => {
      const capture = openCapture(file, { lenient: flags.lenient === true });
      if (flags.json === true) printFramesJson(capture, {}, chosenBy(expression));
      else if (flags.write === undefined) printFrames(capture, expression);
      else writeFrames(capture, expression, flags.write);
    });
}

const NOTES = `
An expression has tcpdump's words (pcap-filter(7)): host, net, port, portrange, proto, src,
dst, ether, ip, arp, icmp, tcp, udp, and, or, not, parentheses, and bytes: ip[8] = 63.

Example:
  podwire filter out/calico-ipip.pcap 'proto 4' -w tunnel.pcap`;

/** Throws ERR_USAGE for an expression, or a link type, that filters do not know. */
function chosenBy(expression: string): (record: CaptureRecord) => boolean {
  // A pcapng may hold several link types.
  const filters = new Map<number, CaptureFilter>();
  return ({ linkType, bytes, originalLength }) => {
    const passes = filters.get(linkType) ?? captureFilter(expression, { linkType });
    filters.set(linkType, passes);
    return passes(bytes, originalLength);
  };
}

/** Records that pass, with their numbers from 1. */
function* passing(capture: Capture, expression: string): Generator<[number, CaptureRecord]> {
  const passes = chosenBy(expression);
  let frame = 0;
  for (const record of capture) {
    frame++;
    if (passes(record)) yield [frame, record];
  }
}

function printFrames(capture: Capture, expression: string): void {
  for (const [frame, record] of passing(capture, expression)) {
    const { bytes, seconds, nanoseconds, originalLength, linkType } = record;
    const digits = capture.nanosecond ? 9 : 6;
    const time = `${seconds}.${String(nanoseconds).padStart(9, '0').slice(0, digits)}`;
    const text = formatDissection(dissect(bytes, { linkType, originalLength }));
    print(`frame ${frame}, ${time}, ${originalLength} bytes\n${text}\n`);
  }
}

function writeFrames(capture: Capture, expression: string, file: string): void {
  const { linkType, nanosecond } = capture;
  const writer = new CaptureWriter(file, { linkType, nanosecond });
  try {
    for (const [frame, record] of passing(capture, expression)) {
      const { bytes, seconds, nanoseconds, originalLength } = record;
      if (record.linkType !== linkType) {
        const message = `frame ${frame}: expected link type ${linkType}, as a pcap has one, found ${record.linkType}`;
        throw new PodwireError('ERR_CAPTURE_FORMAT', message, { source: capture.name });
      }
      writer.write(seconds, nanoseconds, bytes, 0, bytes.length, originalLength);
    }
  } finally {
    writer.close();
  }
}
