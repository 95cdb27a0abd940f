/** What comes back: answers, and ICMP errors, followed like any packet. */
import '../accounts.ts';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listen } from '../../src/cluster/listen.ts';
import { loadCluster } from '../../src/cluster/load.ts';
import type { SendOptions, Trace } from '../../src/cluster/send.ts';
import { PodwireError } from '../../src/errors.ts';
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

describe('ports that nobody listens on', () => {
  const to = 'kubia-d278t';
  const knock = (options: Partial<SendOptions>, mode = 'vxlan'): Trace => {
    const cluster = loadCluster(join('fixtures', `calico-${mode}`));
    listen(cluster, to, { tcp: [8080], udp: [5353] });
    return cluster.send({ from: 'client', to, protocol: 'tcp', ...options });
  };

  it.each(modes)(
    '%s: a SYN is reset, and the trace says so, asked for the reply or not',
    (mode) => {
      for (const reply of [true, false]) {
        const trace = knock({ reply, destinationPort: 80 }, mode);
        expect(trace).toMatchObject({ outcome: 'dropped', reason: 'port-closed' });
        expect(trace.steps.at(-1)).toMatchObject({
          node: 'default/kubia-d278t',
          note: 'dropped: port-closed: nobody listens on the port; TCP reset sent to 10.2.169.136',
        });
        expect(trace.reply !== undefined).toBe(reply);
      }
      const states = mode === 'bgp' ? ['valid', 'partial'] : ['valid'];
      const layers = arrived(knock({ reply: true, destinationPort: 80 }, mode), states);
      expect(layers.at(1)).toMatchObject({ src: '10.2.36.71', ttl: 62, id: 0, df: true });
      expect(layers.at(2)).toMatchObject({ flags: 'R.', seq: 0, ack: 2, window: 0 });
    },
  );

  it('a datagram is told port unreachable', () => {
    const trace = knock({ protocol: 'udp', reply: true, dontFragment: true });
    expect(trace.steps.at(-1)!.note).toBe(
      'dropped: port-closed: nobody listens on the port; ICMP port unreachable sent to 10.2.169.136',
    );
    const layers = arrived(trace);
    expect(layers.at(1)).toMatchObject({ src: '10.2.36.71', tos: 0xc0, df: false });
    expect(layers.at(2)).toMatchObject({ layer: 'icmp', type: 'unreachable', code: 3 });
    expect(layers.at(3)).toMatchObject({ quoted: true, dst: '10.2.36.71', ttl: 62 });
  });

  it('those that listen answer', () => {
    const tcp = knock({ reply: true, destinationPort: 8080 });
    expect([tcp.outcome, arrived(tcp).at(2)]).toMatchObject(['delivered', { flags: 'S.' }]);
    const udp = knock({ protocol: 'udp', reply: true, destinationPort: 5353 });
    expect([udp.outcome, arrived(udp).at(2)]).toMatchObject(['delivered', { srcPort: 5353 }]);
  });

  it('are for existing namespaces', () => {
    const cluster = loadCluster(join('fixtures', 'calico-vxlan'));
    expect(() => listen(cluster, 'nobody', {})).toThrow(PodwireError);
  });
});

describe('a handshake', () => {
  it('announces what fits the device, and a window of whole segments', () => {
    for (const [mode, mss, asked, answered] of [
      ['vxlan', 1410, 64860, 64308],
      ['ipip', 1440, 64800, 64260],
      ['bgp', 1460, 64240, 65160],
    ] as const) {
      const trace = fixture(mode, { from: 'client', to: 'kubia-d278t', protocol: 'tcp' });
      const [syn] = dissect(Buffer.from(trace.frames[0]!.hex, 'hex')).layers.slice(2);
      expect(syn).toMatchObject({
        window: asked,
        options: [{ option: 'mss', value: mss }, {}, {}, {}, {}],
      });
      const [synAck] = dissect(Buffer.from(trace.reply!.frames[0]!.hex, 'hex')).layers.slice(2);
      expect(synAck).toMatchObject({
        window: answered,
        options: [
          { option: 'mss', value: mss },
          { option: 'sackPermitted' },
          { option: 'timestamps', echo: 1 },
          { option: 'nop' },
          { option: 'windowScale', shift: 7 },
        ],
      });
    }
  });

  it('a node answers as well', () => {
    const trace = fixture('vxlan', { from: 'client', to: 'k8s-node1', protocol: 'tcp' });
    expect(trace.reply).toMatchObject({ outcome: 'delivered', at: 'default/client' });
  });
});
