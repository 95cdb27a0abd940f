/** WireGuard's own tests (wireguard-go, the kernel's netns.sh): WR01 to WR40, WG01 to WG11. */
import { describe, expect, it } from 'vitest';
import { dissect } from '../../src/frame/dissect.ts';
import { clusterOf, dropsOf, expectAccounted, felix, lab, pool } from './lab.ts';

describe('WireGuard', () => {
  it.todo('WR01–34 the replay window step by step: no counters, tunnels are not modelled yet');
  it.todo('WR35–40 the replay window in bulk: no counters, tunnels are not modelled yet');
  it.todo('WG01 bytes that a peer counts: WireGuard tunnels are not modelled yet');
  it.todo('WG02 padding within the route MTU: WireGuard tunnels are not modelled yet');
  it.todo('WG03 roaming: WireGuard tunnels are not modelled yet');
  it.todo('WG04 crypto routing: WireGuard tunnels are not modelled yet');
  it.todo('WG05 a key that changes: WireGuard tunnels are not modelled yet');
  it.todo('WG06 a tunnel in a tunnel, and a loop: WireGuard tunnels are not modelled yet');
  it.todo('WG07 130,560 allowed IPs: WireGuard tunnels are not modelled yet');
  it.todo('WG08 low-order keys: WireGuard tunnels are not modelled yet');
  it.todo('WG09 a peer with the own key: WireGuard tunnels are not modelled yet');
  it.todo('WG10 keepalives through NAT: WireGuard tunnels are not modelled yet');
  it.todo('WG11 no peer for the destination: WireGuard tunnels are not modelled yet');

  it('until then a packet into the tunnel ends there by name, and nothing leaves in the clear', () => {
    const cluster = clusterOf(lab(pool('vxlanMode: Never'), felix('wireguardEnabled: true')));
    const trace = cluster.send({ from: 'w0', to: 'w1' });
    expect(trace).toMatchObject({ at: 'n0', reason: 'tunnel-unsupported' });
    expect(trace.frames.filter(({ node, device }) => node === 'n0' && device === 'eth0')).toEqual(
      [],
    );
    const last = trace.frames.at(-1)!;
    const [ip] = dissect(Buffer.from(last.hex, 'hex'), { linkType: 101 }).layers;
    expect([last.device, ip?.layer === 'ipv4' && ip.dst]).toEqual(['wireguard.cali', '10.65.1.2']);
    expect(dropsOf(cluster)).toEqual({ 'tunnel-unsupported': 1 });
    expectAccounted(cluster);
  });
});
