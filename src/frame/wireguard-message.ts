/** The four WireGuard messages by name, and the bytes of each that are plain numbers. */
import * as wireguard from '../wire/wireguard.ts';
import { integer, type Spot, wrong } from './field-value.ts';
import type { WireguardLayer, WireguardName } from './layer.ts';

interface Message {
  readonly type: number;
  /** Bytes of type, indices and counter. */
  readonly size: number;
  readonly sender?: number;
  readonly receiver?: number;
  readonly counter?: number;
}

const messages: { readonly [N in WireguardName]: Message } = {
  initiation: {
    type: wireguard.INITIATION,
    size: wireguard.initiation.ephemeral,
    sender: wireguard.initiation.sender,
  },
  response: {
    type: wireguard.RESPONSE,
    size: wireguard.response.ephemeral,
    sender: wireguard.response.sender,
    receiver: wireguard.response.receiver,
  },
  'cookie-reply': {
    type: wireguard.COOKIE_REPLY,
    size: wireguard.cookieReply.nonce,
    receiver: wireguard.cookieReply.receiver,
  },
  data: {
    type: wireguard.DATA,
    size: wireguard.data.size,
    receiver: wireguard.data.receiver,
    counter: wireguard.data.counterLow,
  },
};

function messageOf(layer: WireguardLayer, spot: Spot): Message {
  if (typeof layer.type !== 'string' || !Object.hasOwn(messages, layer.type)) {
    throw wrong(spot, 'type', `one of ${Object.keys(messages).join(', ')}`, layer.type);
  }
  return messages[layer.type];
}

/** Bytes that `putWireguard` writes. */
export const wireguardSize = (layer: WireguardLayer, spot: Spot): number =>
  messageOf(layer, spot).size;

export function putWireguard(b: Buffer, at: number, layer: WireguardLayer, spot: Spot): void {
  const { type, sender, receiver, counter } = messageOf(layer, spot);
  b.writeUInt32LE(type, at);
  if (sender !== undefined) {
    b.writeUInt32LE(integer(spot, 'sender', layer.sender, 0xffffffff, 0), at + sender);
  }
  if (receiver !== undefined) {
    b.writeUInt32LE(integer(spot, 'receiver', layer.receiver, 0xffffffff, 0), at + receiver);
  }
  if (counter !== undefined) b.writeBigUInt64LE(counterOf(layer, spot), at + counter);
}

function counterOf({ counter = 0 }: WireguardLayer, spot: Spot): bigint {
  const sound =
    typeof counter === 'number'
      ? Number.isSafeInteger(counter) && counter >= 0
      : typeof counter === 'string' && /^\d{1,20}$/.test(counter);
  const value = sound ? BigInt(counter) : -1n;
  if (value < 0n || value >= 1n << 64n) {
    throw wrong(spot, 'counter', 'a 64-bit unsigned integer, as text beyond 2^53', counter);
  }
  return value;
}

/** The fields of a message that `wireguard.check` has passed, and the bytes they take. */
export function readWireguard(b: Buffer, at: number): { fields: WireguardLayer; size: number } {
  const number = wireguard.type(b, at);
  const [name, message] = (Object.entries(messages) as [WireguardName, Message][])[number - 1]!;
  const counter = message.counter === undefined ? 0n : wireguard.counter(b, at);
  const fields: WireguardLayer = {
    layer: 'wireguard',
    type: name,
    ...(message.sender === undefined ? {} : { sender: wireguard.sender(b, at) }),
    ...(message.receiver === undefined ? {} : { receiver: wireguard.receiver(b, at) }),
    ...(message.counter === undefined
      ? {}
      : { counter: counter <= Number.MAX_SAFE_INTEGER ? Number(counter) : counter.toString() }),
  };
  return { fields, size: message.size };
}
