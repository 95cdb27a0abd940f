/**
 * A WireGuard message with what its keys randomise zeroed: indices, ephemeral keys,
 * everything encrypted, MACs. Of a data message the packet inside stands in place of
 * its ciphertext, where the keys are known. Types, lengths and counters stay.
 */
import * as wireguard from '../wire/wireguard.ts';

const { initiation, response, cookieReply, data, TAG_LEN } = wireguard;

interface Reader {
  plain(b: Buffer, at: number, end: number): Buffer | undefined;
}

/**
 * Masks `b[at, end)` in place, also a message cut short by fragmentation. Gives the
 * offset of the packet inside, or -1 where none is to be seen.
 */
export function maskMessage(b: Buffer, at: number, end: number, { plain }: Reader): number {
  if (end - at < 4) return -1;
  const zero = (from: number, to: number): void => {
    b.fill(0, Math.min(at + from, end), Math.min(at + to, end));
  };
  switch (wireguard.type(b, at)) {
    case wireguard.INITIATION:
      zero(initiation.sender, initiation.mac2);
      return maskCookie(b, at + initiation.mac2, end);
    case wireguard.RESPONSE:
      zero(response.sender, response.mac2);
      return maskCookie(b, at + response.mac2, end);
    case wireguard.COOKIE_REPLY:
      zero(cookieReply.receiver, end - at);
      return -1;
    case wireguard.DATA: {
      const inner = plain(b, at, end);
      zero(data.receiver, data.counterLow);
      zero(data.size, end - at);
      if (inner === undefined) return -1;
      inner.copy(b, at + data.size);
      return inner.length > 0 ? at + data.size : -1;
    }
    default:
      return -1;
  }
}

/** MAC2 is all zero, or random where a cookie is held: which of the two is no accident. */
function maskCookie(b: Buffer, at: number, end: number): number {
  const mac2 = b.subarray(Math.min(at, end), Math.min(at + TAG_LEN, end));
  if (mac2.some((byte) => byte !== 0)) mac2.fill(0xff);
  return -1;
}
