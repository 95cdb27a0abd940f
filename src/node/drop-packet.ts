/** The one way out for a packet that goes no further: the reason stays on it. */
import type { Drop } from '../drop.ts';
import type { Packet } from '../packet/packet.ts';
import { End } from './room.ts';

export function dropped(packet: Packet, why: Drop): typeof End.Dropped {
  packet.drop = why;
  return End.Dropped;
}
