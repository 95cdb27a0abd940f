import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { SECRETS_WIREGUARD } from '../../src/pcap/pcapng.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { formatDissection } from '../../src/report/dissection-text.ts';
import { formatIp4, type Ip4 } from '../../src/wire/address.ts';
import { formatKeyLog, parseKeyLog } from '../../src/wireguard/key-log.ts';
import { Transcript } from '../../src/wireguard/transcript.ts';
import { installed, tshark } from '../judge.ts';
import { BlockMaker } from '../pcap/blocks.ts';
import { packet, pair, settle } from '../wireguard/end.ts';

const folder = mkdtempSync(join(tmpdir(), 'podwire-tunnel-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A handshake and packets both ways, as frames on the wire, with what opens them. */
function conversation() {
  const keys: string[] = [];
  const [a, b] = pair({}, { keyLog: (secrets) => keys.push(formatKeyLog(secrets)) });
  a.send(packet('10.0.0.1', '10.0.0.2'));
  const sent = settle(a, b);
  b.send(packet('10.0.0.2', '10.0.0.1'));
  sent.push(...settle(a, b));
  const name = (address: number) => formatIp4(address as Ip4);
  const frames = sent.map(({ bytes, address }) =>
    buildFrame([
      { layer: 'ethernet', src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' },
      {
        layer: 'ipv4',
        src: name(address === a.address ? b.address : a.address),
        dst: name(address),
      },
      { layer: 'udp', srcPort: 51820, dstPort: 51820 },
      { layer: 'payload', bytes },
    ]),
  );
  return { frames, keys };
}

const FIELDS = ['wg.type', 'ip.src', 'ip.dst', 'ip.len'];
const judged = installed('tshark', 'so it opened no tunnel');

/** The fields by our own reader, from the file alone. */
function opened(file: string): string[] {
  const capture = openCapture(file);
  const lines: string[] = [];
  const tunnels = new Transcript([]);
  let known = 0;
  for (const { bytes } of capture) {
    const fresh = capture.secrets.slice(known).filter(({ type }) => type === SECRETS_WIREGUARD);
    known = capture.secrets.length;
    const text = fresh.map(({ data }) => data.toString('latin1')).join('\n');
    for (const secrets of parseKeyLog(text)) tunnels.trust(secrets);
    const { layers, inner } = dissect(bytes, { tunnels });
    const headers = [...layers, ...(inner?.layers ?? [])].flatMap((l) =>
      l.layer === 'ipv4' ? [l] : [],
    );
    const type = ['', 'initiation', 'response', 'cookie-reply', 'data'];
    const message = layers.find((l) => l.layer === 'wireguard')!;
    const columns = [
      String(type.indexOf(message.type)),
      headers.map((h) => h.src).join(','),
      headers.map((h) => h.dst).join(','),
      headers.map((h) => h.totalLength).join(','),
    ];
    lines.push(columns.join('\t'));
  }
  return lines;
}

describe('a tunnel with its keys', () => {
  const { frames, keys } = conversation();

  it('shows its packets, and nothing without keys', () => {
    const tunnels = new Transcript(parseKeyLog(keys.join('')));
    const inner = frames.map((frame) => dissect(frame, { tunnels }).inner);
    expect(inner.filter((one) => one !== undefined).length).toBeGreaterThan(1);
    const first = inner.find((one) => one !== undefined && one.layers.length > 0);
    expect(first!.layers[0]).toMatchObject({ layer: 'ipv4', src: '10.0.0.1', dst: '10.0.0.2' });
    const strangers = new Transcript([]);
    for (const frame of frames) {
      const { inner: none, ...rest } = dissect(frame, { tunnels: strangers });
      expect(none).toBeUndefined();
      expect(rest).toEqual(dissect(frame));
    }
  });

  it.skipIf(!judged)('is opened by tshark from the pcapng alone, with the same packets', () => {
    const file = join(folder, 'alone.pcapng');
    const writer = new CaptureWriter(file);
    writer.secrets(keys.join(''));
    for (const frame of frames) writer.write(1, 0, frame);
    writer.close();
    const [ours, lines] = [opened(file), tshark(file, FIELDS)];
    expect(ours).toEqual(lines);
    expect(ours.filter((line) => line.includes('10.0.0.')).length).toBeGreaterThan(1);
  });

  it('is printed below the message', () => {
    const tunnels = new Transcript(parseKeyLog(keys.join('')));
    const texts = frames.map((frame) => formatDissection(dissect(frame, { tunnels })));
    const text = texts.join('\n');
    expect(text).toMatch(
      /wireguard +data, receiver .*\n.*\n {2}inside +a packet that the key opened\n {4}ipv4 +10\.0\.0\.1 > 10\.0\.0\.2/,
    );
  });

  const make = new BlockMaker(true);
  const all = keys.join('');
  const zeros = `${'A'.repeat(43)}=`;
  const other = Buffer.alloc(32, 9).toString('base64');
  const secrets = (text: string): Buffer => make.secrets(SECRETS_WIREGUARD, Buffer.from(text));
  const start = (): Buffer[] => [make.section(), make.interface()];
  const packets = (from = 0, to = frames.length): Buffer[] =>
    frames.slice(from, to).map((frame) => make.packet(frame));
  const noise = 'no key = at all\nLOCAL_STATIC_PRIVATE_KEY\n = \nPRESHARED_KEY = short\n\0\xff\n';
  const wrong = (key: string): string =>
    `LOCAL_STATIC_PRIVATE_KEY = ${key}\nREMOTE_STATIC_PUBLIC_KEY = ${key}\n` +
    `LOCAL_EPHEMERAL_PRIVATE_KEY = ${key}\nPRESHARED_KEY = ${key}\n`;

  it.each<[string, boolean, () => Buffer[]]>([
    [
      'before the interface',
      true,
      () => [make.section(), secrets(all), make.interface(), ...packets()],
    ],
    [
      'after the handshake',
      false,
      () => [...start(), ...packets(0, 2), secrets(all), ...packets(2)],
    ],
    ['behind everything', false, () => [...start(), ...packets(), secrets(all)]],
    [
      'between the messages of the handshake',
      false,
      () => [...start(), ...packets(0, 1), secrets(all), ...packets(1)],
    ],
    ['in a section before', true, () => [...start(), secrets(all), ...start(), ...packets()]],
    [
      'in the second of three sections',
      true,
      () => [
        ...start(),
        ...packets(),
        ...start(),
        secrets(all),
        ...packets(),
        ...start(),
        ...packets(),
      ],
    ],
    [
      'one line to a block',
      true,
      () => [...start(), ...all.split('\n').map((line) => secrets(`${line}\n`)), ...packets()],
    ],
    [
      'among lines that are none',
      true,
      () => [...start(), secrets(noise + all + noise), ...packets()],
    ],
    [
      'behind those of others',
      true,
      () => [...start(), secrets(wrong(other)), secrets(all), ...packets()],
    ],
    ['of others only', false, () => [...start(), secrets(wrong(other)), ...packets()]],
    ['of zeros', false, () => [...start(), secrets(wrong(zeros)), ...packets()]],
    [
      'of zeros, then the right ones',
      true,
      () => [...start(), secrets(wrong(zeros)), secrets(all), ...packets()],
    ],
    [
      'of another kind',
      false,
      () => [...start(), make.secrets(0x544c534b, Buffer.from(all)), ...packets()],
    ],
    [
      'twenty times',
      true,
      () => [...start(), ...Array.from({ length: 20 }, () => secrets(all)), ...packets()],
    ],
  ])('secrets %s: as tshark', (_, opens, blocks) => {
    const file = join(folder, 'odd.pcapng');
    writeFileSync(file, Buffer.concat(blocks()));
    const ours = opened(file);
    if (judged) expect(ours).toEqual(tshark(file, FIELDS));
    expect(ours.some((line) => line.includes('10.0.0.'))).toBe(opens);
  });

  it('secrets that a file repeats do not multiply the work', () => {
    const tunnels = new Transcript(parseKeyLog(all.repeat(500)));
    const before = process.cpuUsage();
    for (let round = 0; round < 20; round++) {
      for (const frame of frames) tunnels.learn(frame, 42, frame.length);
    }
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(5);
    const { inner } = dissect(frames.at(-1)!, { tunnels });
    expect(inner).toBeDefined();
  });
});
