/** A recorded tunnel, read with the recorded keys, against what an independent program read. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { wireguardPorts } from '../../src/verify/lab.ts';
import { openLab } from '../../src/verify/open-lab.ts';
import { TunnelReader } from '../../src/verify/tunnel-reader.ts';

const folder = join('..', 'shared', 'oracle', 'out', '18-wireguard');
const UDP_DATA = 42;

interface Message {
  readonly frame: number;
  readonly type: number;
  readonly plain?: string;
}

const here = existsSync(folder);
if (!here) console.warn('SKIPPED: no recording of 18-wireguard here');

it.skipIf(!here)('every data message opens to the recorded plain text', () => {
  const lab = openLab(folder);
  expect(wireguardPorts(lab)).toEqual([51820]);
  const reader = new TunnelReader(lab.secrets, wireguardPorts(lab));
  const frames = lab.frames('node1', 'enp1s0')!.map(({ bytes }) => bytes);
  reader.learn(frames);
  const known: Message[] = JSON.parse(readFileSync(join(folder, 'wireguard.json'), 'utf8'));
  let opened = 0;
  for (const { frame, type, plain } of known) {
    if (type !== 4 || plain === undefined) continue;
    const bytes = frames[frame - 1]!;
    expect(reader.plain(bytes, UDP_DATA, bytes.length)?.toString('hex')).toBe(plain);
    opened++;
  }
  expect(opened).toBeGreaterThan(40);
});

it.skipIf(!here)('keys are nowhere in what the lab shows of itself', () => {
  const text = JSON.stringify(openLab(folder).plan);
  const { wireguard } = JSON.parse(readFileSync(join(folder, 'scenario.json'), 'utf8'));
  for (const name of ['node1', 'node2']) {
    const key = Buffer.from(wireguard[name].privateKey, 'base64');
    expect(text).toContain(wireguard[name].publicKey);
    expect(text).not.toContain(wireguard[name].privateKey);
    expect(text).not.toContain(key.toString('hex'));
    expect(text).not.toContain([...key].join(','));
  }
});
