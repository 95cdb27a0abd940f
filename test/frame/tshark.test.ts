/** Every frame of the oracle as podwire and as tshark see it, field by field. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dissect } from '../../src/frame/dissect.ts';
import type { Dissected, DissectedLayer, Layer } from '../../src/frame/layer.ts';
import { installed, tshark } from '../judge.ts';
import { type CapturedFile, captured, oracleCaptures } from '../wire/captured.ts';

const each = <K extends Layer['layer']>(
  kind: K,
  value: (layer: Dissected<K>) => unknown,
): ((layers: readonly DissectedLayer[]) => string) => {
  return (layers) =>
    layers
      .filter((layer): layer is Dissected<K> => layer.layer === kind)
      .map((layer) => String(value(layer) ?? ''))
      .filter((text) => text !== '')
      .join();
};

const states = { valid: '1', partial: '0', wrong: '0', absent: '3', unverifiable: '2' };

const columns: Readonly<Record<string, (layers: readonly DissectedLayer[]) => string>> = {
  'eth.src': each('ethernet', (l) => l.src),
  'eth.dst': each('ethernet', (l) => l.dst),
  'vlan.id': each('vlan', (l) => l.id),
  'arp.opcode': each('arp', (l) => ({ request: 1, reply: 2 })[l.op as string] ?? l.op),
  'arp.src.hw_mac': each('arp', (l) => l.senderMac),
  'arp.src.proto_ipv4': each('arp', (l) => l.senderIp),
  'arp.dst.proto_ipv4': each('arp', (l) => l.targetIp),
  'ip.src': each('ipv4', (l) => l.src),
  'ip.dst': each('ipv4', (l) => l.dst),
  'ip.ttl': each('ipv4', (l) => l.ttl),
  'ip.id': each('ipv4', (l) => `0x${l.id.toString(16).padStart(4, '0')}`),
  'ip.len': each('ipv4', (l) => l.totalLength),
  'ip.proto': each('ipv4', (l) => l.protocol),
  'ip.dsfield': each('ipv4', (l) => `0x${l.tos.toString(16).padStart(2, '0')}`),
  'ip.flags.df': each('ipv4', (l) => Number(l.df)),
  'ip.flags.mf': each('ipv4', (l) => Number(l.mf)),
  'ip.checksum.status': each('ipv4', (l) => states[l.checksumState]),
  'udp.srcport': each('udp', (l) => l.srcPort),
  'udp.dstport': each('udp', (l) => l.dstPort),
  'udp.length': each('udp', (l) => l.udpLength),
  'udp.checksum.status': each('udp', (l) => states[l.checksumState]),
  'vxlan.vni': each('vxlan', (l) => l.vni),
  'tcp.srcport': each('tcp', (l) => l.srcPort),
  'tcp.dstport': each('tcp', (l) => l.dstPort),
  'tcp.seq_raw': each('tcp', (l) => l.seq),
  'tcp.ack_raw': each('tcp', (l) => l.ack),
  'tcp.window_size_value': each('tcp', (l) => l.window),
  'tcp.hdr_len': each('tcp', (l) => l.headerLength),
  'tcp.checksum.status': each('tcp', (l) => states[l.checksumState]),
  'icmp.checksum.status': each('icmp', (l) => (l.quoted ? '2' : states[l.checksumState])),
  'icmp.code': each('icmp', (l) => l.code),
  'icmp.ident': each('icmp', (l) => l.id),
  'icmp.mtu': each('icmp', (l) => l.mtu),
};
/**
 * Where tshark judges otherwise, and why. It calls the checksum of a cut TCP or
 * ICMP message bad where podwire says that it cannot be known, it prints the last
 * hop of a source route as the destination, and it leaves sequence numbers in
 * quotes out.
 */
function isKnown(
  name: string,
  theirs: string,
  bytes: Buffer,
  layers: readonly DissectedLayer[],
): boolean {
  const quoted = layers.some((layer) => layer.layer === 'tcp' && layer.quoted === true);
  if (name === 'tcp.seq_raw' && quoted && theirs === '') return true;
  const headers = layers.filter((layer): layer is Dissected<'ipv4'> => layer.layer === 'ipv4');
  if (name === 'tcp.checksum.status' || name === 'icmp.checksum.status') {
    return headers.some((ip) => ip.mf || ip.offset + ip.totalLength > bytes.length);
  }
  const sourceRouted = headers.some(({ options }) => /^(83|89)/.test(options));
  return sourceRouted && (name === 'ip.dst' || name === 'udp.checksum.status');
}

const names = Object.keys(columns);

/** One tshark run over all frames of a link type; a row of columns for each. */
function tsharkRows(files: readonly CapturedFile[]): string[][] {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-'));
  try {
    const path = join(folder, 'all.pcap');
    const all = files.map(({ path: from }, i) => readFileSync(from).subarray(i === 0 ? 0 : 24));
    writeFileSync(path, Buffer.concat(all));
    const settings = [
      'ip.check_checksum:TRUE',
      'tcp.check_checksum:TRUE',
      'udp.check_checksum:TRUE',
      'ip.defragment:FALSE',
      'tcp.desegment_tcp_streams:FALSE',
    ].flatMap((setting) => ['-o', setting]);
    return tshark(path, names, ...settings).map((line) => line.split('	'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const seeds = ['vxlan', 'ipip', 'bgp'].flatMap(
  (name) => captured(`captures/calico-${name}.pcap`) ?? [],
);
const there = installed('tshark', 'so nothing was compared with it');
const files = there ? [...seeds, ...oracleCaptures()] : [];
const linkTypes = [...new Set(files.map(({ linkType }) => linkType))];

describe.skipIf(files.length === 0)('dissect and tshark', () => {
  it.each(linkTypes)('agree on every sound frame of link type %i', (linkType) => {
    const mine = files.filter((file) => file.linkType === linkType);
    const rows = tsharkRows(mine);
    const frames = mine.flatMap(({ path, frames: all }) => all.map((frame) => ({ path, frame })));
    expect(rows.length).toBe(frames.length);
    const differences: string[] = [];
    let compared = 0;
    for (const [i, { path, frame }] of frames.entries()) {
      const { originalLength, bytes } = frame;
      const { layers, stopped } = dissect(bytes, { linkType, originalLength });
      if (stopped !== undefined) continue;
      compared++;
      for (const [column, name] of names.entries()) {
        const ours = columns[name]!(layers);
        const theirs = rows[i]![column] ?? '';
        if (ours !== theirs && !isKnown(name, theirs, bytes, layers)) {
          differences.push(`${path} frame ${i} ${name}: podwire ${ours}, tshark ${theirs}`);
        }
      }
    }
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(frames.length * 0.9);
  });
});
