/** `podwire dissect`: every layer of every frame of a capture. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  type Capture,
  type CaptureRecord,
  type Dissection,
  dissect,
  formatDissection,
  openCapture,
  PodwireError,
  parseKeyLog,
  printable,
  SECRETS_WIREGUARD,
  Transcript,
} from '../index.ts';
import { integer } from './options.ts';
import { print } from './terminal.ts';

interface Flags {
  readonly json?: boolean;
  readonly lenient?: boolean;
  readonly vxlanPort?: number;
  readonly keylog?: string;
}

export function addDissect(program: Command): void {
  program
    .command('dissect')
    .description('every layer of every frame, with each checksum valid, partial or wrong')
    .argument('<file>', 'a pcap or pcapng file, or - for standard input')
    .option('--vxlan-port <port>', 'UDP port that carries VXLAN', integer(1, 65535))
    .option('--keylog <file>', 'keys of WireGuard tunnels, as Wireshark’s wg.keylog_file has them')
    .option('--lenient', 'a cut file ends quietly')
    .option('--json', 'a JSON array with one object per frame')
    .addHelpText('after', NOTES)
    .action((file: string, flags: Flags) => {
      const capture = openCapture(file, { lenient: flags.lenient === true });
      if (flags.json === true) printFramesJson(capture, flags);
      else printFrames(capture, flags);
    });
}

const NOTES = `
A checksum is "partial" where the field holds only the pseudo-header sum: the sender
left the rest to its hardware, and the capture was taken before that.

Messages of WireGuard are opened with the keys of --keylog, or with those that the
pcapng itself holds; the packets inside stand below them.

Example:
  podwire dissect out/calico-bgp.pcap`;

interface Frame extends Dissection {
  readonly frame: number;
  /** Seconds since 1970, as text: a number would lose digits. */
  readonly time: string;
  readonly length: number;
  readonly originalLength: number;
  /** Of a pcapng, where it tells them. */
  readonly interface?: string;
  readonly comments?: readonly string[];
}

type Chosen = (record: CaptureRecord) => boolean;

function* frames(
  capture: Capture,
  { vxlanPort, keylog }: Flags,
  chosen: Chosen = () => true,
): Generator<Frame> {
  const tunnels = new Transcript(keylog === undefined ? [] : readKeyLog(keylog));
  const options = { tunnels, ...(vxlanPort === undefined ? {} : { vxlanPorts: [vxlanPort] }) };
  let known = 0;
  let frame = 0;
  for (const record of capture) {
    frame++;
    const { bytes, seconds, nanoseconds, originalLength, linkType, comments } = record;
    const { name } = capture.interface;
    if (known < capture.secrets.length) {
      // One key log may be spread over several blocks.
      const text = capture.secrets
        .slice(known)
        .flatMap(({ type, data }) => (type === SECRETS_WIREGUARD ? data.toString('latin1') : []))
        .join('\n');
      for (const secrets of parseKeyLog(text)) tunnels.trust(secrets);
      known = capture.secrets.length;
    }
    if (!chosen(record)) continue;
    const digits = capture.nanosecond ? 9 : 6;
    const fraction = String(nanoseconds).padStart(9, '0').slice(0, digits);
    yield {
      frame,
      time: `${seconds}.${fraction}`,
      length: bytes.length,
      originalLength,
      ...(name === undefined ? {} : { interface: name }),
      ...(comments.length === 0 ? {} : { comments }),
      ...dissect(bytes, { ...options, linkType, originalLength }),
    };
  }
}

function readKeyLog(file: string): ReturnType<typeof parseKeyLog> {
  try {
    return parseKeyLog(readFileSync(file === '-' ? 0 : file, 'latin1'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'an error';
    throw new PodwireError('ERR_FILE', `expected a key log, found ${why}`, { source: file });
  }
}

function printFrames(capture: Capture, flags: Flags): void {
  for (const frame of frames(capture, flags)) {
    const cut = frame.originalLength > frame.length ? ` of ${frame.originalLength}` : '';
    const on = frame.interface === undefined ? '' : `, ${printable(frame.interface)}`;
    const said = (frame.comments ?? []).map((text) => `  # ${printable(text, 2000)}\n`).join('');
    print(
      `frame ${frame.frame}, ${frame.time}, ${frame.length}${cut} bytes${on}\n${said}${formatDissection(frame)}\n`,
    );
  }
}

/** One element a line, so that a large capture streams; closed also before an error. */
export function printFramesJson(capture: Capture, flags: Flags, chosen?: Chosen): void {
  let separator = '[\n';
  try {
    for (const frame of frames(capture, flags, chosen)) {
      print(`${separator}${JSON.stringify(frame)}`);
      separator = ',\n';
    }
  } finally {
    print(separator === '[\n' ? '[]\n' : '\n]\n');
  }
}
