import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { formatDissection } from '../../src/report/dissection-text.ts';
import { formatIp4, type Ip4 } from '../../src/wire/address.ts';
import { formatKeyLog, parseKeyLog } from '../../src/wireguard/key-log.ts';
import { Transcript } from '../../src/wireguard/transcript.ts';
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

const tshark = (file: string, ...fields: string[]): string[] =>
  execFileSync('tshark', ['-n', '-r', file, '-T', 'fields', ...fields.flatMap((f) => ['-e', f])], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
    .trimEnd()
    .split('\n');

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

  it('is opened by tshark from the pcapng alone, with the same packets', () => {
    const file = join(folder, 'alone.pcapng');
    const writer = new CaptureWriter(file);
    writer.secrets(keys.join(''));
    for (const frame of frames) writer.write(1, 0, frame);
    writer.close();
    const lines = tshark(file, 'wg.type', 'ip.src', 'ip.dst', 'ip.len');
    const capture = openCapture(file);
    const ours: string[] = [];
    const tunnels = new Transcript([]);
    let known = 0;
    for (const { bytes } of capture) {
      for (; known < capture.secrets.length; known++) {
        const text = capture.secrets[known]!.data.toString();
        for (const secrets of parseKeyLog(text)) tunnels.trust(secrets);
      }
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
      ours.push(columns.join('\t'));
    }
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
});
