/**
 * When a node sent what its device shows only after an ARP answer: the packet waited for
 * the answer, and it was the packet that asked. The request stands before it.
 */
import { isBefore, later, type Moment } from '../packet/moment.ts';
import * as arp from '../wire/arp.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { Recording } from './recording.ts';

/** Within so many milliseconds of the answer everything that waited has left (neigh_update). */
const RELEASE_MS = 2;
/** A request is repeated after a second and what a timer wheel is late; a later one is another. */
const AGAIN_MS = 1300;

interface Answer {
  readonly asked: Moment;
  readonly at: Moment;
}

export class AwaitedAnswers {
  /** The answers to the device's requests, by the MAC that gave them. */
  private readonly answers = new Map<number, Answer[]>();

  /** `recording` is of a device with this MAC. */
  constructor(recording: Recording, mac: number) {
    const asked = new Map<number, { first: Moment; last: Moment }>();
    for (const { bytes: b, seconds, nanoseconds } of recording) {
      if (b.length < ethernet.HEADER_LEN + arp.LEN) continue;
      if (ethernet.type(b, 0) !== ethernet.TYPE_ARP) continue;
      const at = { seconds, nanoseconds };
      const isRequest = arp.operation(b, ethernet.HEADER_LEN) === arp.REQUEST;
      const target = arp.targetIp(b, ethernet.HEADER_LEN);
      const from = b.readUIntBE(6, 6);
      if (isRequest && from === mac) {
        // Asked again: the packet may wait since the first time.
        const before = asked.get(target);
        const goesOn = before !== undefined && isBefore(at, later(before.last, AGAIN_MS));
        asked.set(target, { first: goesOn ? before.first : at, last: at });
      }
      if (isRequest || b.readUIntBE(0, 6) !== mac) continue;
      const sender = arp.senderIp(b, ethernet.HEADER_LEN);
      const question = asked.get(sender);
      asked.delete(sender);
      if (question === undefined) continue;
      this.answers.set(from, [...(this.answers.get(from) ?? []), { asked: question.first, at }]);
    }
  }

  /** When a packet was sent that left at this time in a frame to `mac`. */
  sentAt(mac: number, left: Moment): Moment {
    const awaited = this.answers
      .get(mac)
      ?.find(({ at }) => isBefore(at, left) && isBefore(left, later(at, RELEASE_MS)));
    return awaited?.asked ?? left;
  }
}
