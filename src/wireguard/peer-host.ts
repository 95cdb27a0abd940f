/** What a device offers its peers, so that neither file needs the whole of the other. */
import type { Drop } from '../drop.ts';
import type { Moment } from '../packet/moment.ts';
import type { Bytes } from '../wire/bytes.ts';
import type { IndexTable } from './index-table.ts';
import type { PrivateKey } from './key.ts';
import type { Peer } from './peer.ts';
import type { RandomSource } from './random.ts';

export interface PeerHost<P> {
  readonly privateKey: PrivateKey;
  readonly random: RandomSource;
  /** Time of the call being served: as it came, and in microseconds. */
  readonly now: Moment;
  readonly micros: number;
  readonly indices: IndexTable<P>;
  transmit(message: Bytes, start: number, end: number, peer: Peer<P>, tos: number): void;
  resume(packet: P): void;
  lose(packet: P, why: Drop): void;
  /** An ephemeral key was made; a key log may want it. */
  ephemeral(peer: Peer<P>, key: PrivateKey): void;
  wake(micros: number): void;
}
