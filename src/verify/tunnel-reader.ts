/** What was sent through a network's WireGuard tunnels, recorded or made, as far as keys are known. */
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import type { HandshakeSecrets } from '../wireguard/settings.ts';
import { Transcript } from '../wireguard/transcript.ts';

export class TunnelReader {
  private readonly transcript: Transcript;
  private readonly ports: readonly number[];

  /** `ports`: where the network's WireGuard devices listen. */
  constructor(secrets: Iterable<HandshakeSecrets>, ports: readonly number[]) {
    this.transcript = new Transcript(secrets);
    this.ports = ports;
  }

  /** Takes the handshakes among Ethernet frames into account, in their order. */
  learn(frames: Iterable<Buffer>): void {
    if (this.ports.length === 0) return;
    for (const frame of frames) {
      const at = ethernet.HEADER_LEN;
      if (ipv4.check(frame, at, frame.length) !== 0 || ipv4.isFragment(frame, at)) continue;
      if (ipv4.protocol(frame, at) !== ipv4.PROTO_UDP) continue;
      const l4 = at + ipv4.headerLength(frame, at);
      const end = at + ipv4.totalLength(frame, at);
      if (udp.check(frame, l4, end) !== 0) continue;
      if (!this.ports.includes(udp.destinationPort(frame, l4))) continue;
      this.transcript.learn(frame, l4 + udp.HEADER_LEN, end);
    }
  }

  /** The packet inside the data message `b[at, end)`, where a key opens it. */
  readonly plain = (b: Buffer, at: number, end: number): Buffer | undefined =>
    this.transcript.plain(b, at, end);
}
