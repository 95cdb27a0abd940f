/** What the tests use of pcap-parser 0.2.1, which ships no types. */
declare module 'pcap-parser' {
  import type { EventEmitter } from 'node:events';
  import type { Readable } from 'node:stream';

  export interface GlobalHeader {
    snapshotLength: number;
    linkLayerType: number;
  }
  export interface Packet {
    header: {
      timestampSeconds: number;
      timestampMicroseconds: number;
      capturedLength: number;
      originalLength: number;
    };
    data: Buffer;
  }
  interface PcapParser {
    parse(input: string | Readable): EventEmitter;
  }
  const parser: PcapParser;
  export default parser;
}
