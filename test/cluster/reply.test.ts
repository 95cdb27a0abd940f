/** What comes back: answers, and ICMP errors, followed like any packet. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCluster } from '../../src/cluster/load.ts';
import type { SendOptions, Trace } from '../../src/cluster/send.ts';
import { dissect } from '../../src/frame/dissect.ts';
import type { DissectedLayer } from '../../src/frame/layer.ts';

const fixture = (mode: string, options: SendOptions): Trace =>
  loadCluster(join('fixtures', `calico-${mode}`)).send({ ...options, reply: true });

/** Layers of the last frame of the way back; only the BGP fixture's NICs leave checksums to hardware. */
function arrived(trace: Trace, states = ['valid']): readonly DissectedLayer[] {
  const { layers } = dissect(Buffer.from(trace.reply!.frames.at(-1)!.hex, 'hex'));
  for (const layer of layers) {
    if ('checksumState' in layer && !('quoted' in layer && layer.quoted)) {
      expect(states).toContain(layer.checksumState);
    }
  }
  return layers;
}

const modes = ['ipip', 'vxlan', 'bgp'];

describe.each(modes)('%s', (mode) => {
  const states = mode === 'bgp' ? ['valid', 'partial'] : ['valid'];

  it('a SYN is answered by SYN ACK, from port to port', () => {
    const trace = fixture(mode, { from: 'client', to: 'kubia-d278t', protocol: 'tcp' });
    expect(trace.reply).toMatchObject({ outcome: 'delivered', at: 'default/client' });
    const layers = arrived(trace, states);
    expect(layers.at(1)).toMatchObject({ src: '10.2.36.71', dst: '10.2.169.136', ttl: 62 });
    expect(layers.at(2)).toMatchObject({ srcPort: 80, dstPort: 40000, flags: 'S.', ack: 2 });
  });

  it('a datagram comes back with the same bytes', () => {
    const trace = fixture(mode, { from: 'client', to: 'kubia-d278t', protocol: 'udp', size: 99 });
    const sent = trace.frames.at(-1)!.hex.slice(84);
    expect(trace.reply!.frames.at(-1)!.hex.slice(84)).toBe(sent);
    expect(arrived(trace, states).at(2)).toMatchObject({ srcPort: 53, dstPort: 40000 });
  });

  it('a ping that was masqueraded gets its answer under the pod’s own address', () => {
    const trace = fixture(mode, { from: 'client', to: '192.168.33.1' });
    expect(trace.reply).toMatchObject({ outcome: 'delivered', at: 'default/client' });
    expect(arrived(trace).at(1)).toMatchObject({ src: '192.168.33.1', dst: '10.2.169.136' });
    expect(arrived(trace).at(2)).toMatchObject({ type: 'echo-reply', id: 1, seq: 1 });
  });

  it('a TTL that ends on the way is told to the sender, with what it sent', () => {
    const trace = fixture(mode, { from: 'client', to: 'kubia-d278t', ttl: 1 });
    expect(trace.reason).toBe('ttl-expired');
    const layers = arrived(trace);
    expect(layers.at(1)).toMatchObject({ dst: '10.2.169.136', tos: 0xc0 });
    expect(layers.at(2)).toMatchObject({ layer: 'icmp', type: 'time-exceeded', code: 0 });
    expect(layers.at(3)).toMatchObject({ quoted: true, dst: '10.2.36.71', ttl: 1 });
  });
});

it('where nothing comes back there is no reply', () => {
  const trace = fixture('bgp', { from: 'client', to: '10.2.36.99' });
  expect(trace.outcome).toBe('dropped');
  expect(trace).not.toHaveProperty('reply');
});

it('nobody asked: no reply, though the router answers', () => {
  const cluster = loadCluster(join('fixtures', 'calico-bgp'));
  expect(cluster.send({ from: 'client', to: '192.168.33.1' })).not.toHaveProperty('reply');
});
