/** A pcapng of one section and one interface, written; see pcapng.ts for the picture. */
import {
  BLOCK_ENHANCED,
  BLOCK_INTERFACE,
  BLOCK_SECRETS,
  BLOCK_SECTION,
  BLOCK_TRAILER_LEN,
  BYTE_ORDER_MAGIC,
  interfaceField,
  OPTION_APPLICATION,
  OPTION_COMMENT,
  OPTION_END,
  OPTION_FCS_LENGTH,
  OPTION_HEADER_LEN,
  OPTION_NAME,
  OPTION_RESOLUTION,
  packetField,
  padded,
  secretsField,
  sectionField,
} from './pcapng.ts';
import type { NewCapture, RecordEncoder } from './record-encoder.ts';
import { MAX_TICK_SECONDS, ticksHigh, ticksLow } from './timestamp.ts';

/** At most three bytes each, so that they fit into an option. */
const MAX_COMMENT = 16_000;
const MAX_NAME = 255;
const NO_OPTIONS = Buffer.alloc(0);

export class PcapngEncoder implements RecordEncoder {
  readonly name = 'pcapng';
  readonly head: Buffer;
  readonly maxSeconds: number = MAX_TICK_SECONDS;
  readonly perSecond = undefined;
  readonly #little: boolean;
  readonly #unit: number;
  readonly #scale: number;
  /** Of the next packet. */
  #options: Buffer = NO_OPTIONS;

  constructor(capture: NewCapture) {
    this.#little = !capture.bigEndian;
    this.#unit = capture.nanosecond ? 1_000_000_000 : 1_000_000;
    this.#scale = capture.nanosecond ? 1 : 1000;
    this.head = Buffer.concat([this.#section(), this.#interface(capture)]);
  }

  prepare(captured: number, comment: string): number {
    this.#options =
      comment === ''
        ? NO_OPTIONS
        : this.#optionList([[OPTION_COMMENT, Buffer.from(comment.slice(0, MAX_COMMENT))]]);
    return packetField.size + padded(captured) + this.#options.length + BLOCK_TRAILER_LEN;
  }

  put(
    view: DataView,
    at: number,
    seconds: number,
    nanoseconds: number,
    captured: number,
    originalLength: number,
  ): number {
    const little = this.#little;
    const packet = at + packetField.size;
    const options = packet + padded(captured);
    const length = options + this.#options.length + BLOCK_TRAILER_LEN - at;
    const fraction = Math.floor(nanoseconds / this.#scale);
    // The packet overwrites all of its last four bytes but the padding.
    if (options > packet) view.setUint32(options - 4, 0, little);
    view.setUint32(at + packetField.type, BLOCK_ENHANCED, little);
    view.setUint32(at + packetField.length, length, little);
    view.setUint32(at + packetField.interface, 0, little);
    view.setUint32(at + packetField.ticksHigh, ticksHigh(seconds, fraction, this.#unit), little);
    view.setUint32(at + packetField.ticksLow, ticksLow(seconds, fraction, this.#unit), little);
    view.setUint32(at + packetField.capturedLength, captured, little);
    view.setUint32(at + packetField.originalLength, originalLength, little);
    for (let i = 0; i < this.#options.length; i++) view.setUint8(options + i, this.#options[i]!);
    view.setUint32(at + length - BLOCK_TRAILER_LEN, length, little);
    return packet;
  }

  secrets(type: number, data: Buffer): Buffer {
    const size = secretsField.size + padded(data.length) + BLOCK_TRAILER_LEN;
    const { bytes, view } = this.#block(BLOCK_SECRETS, size);
    view.setUint32(secretsField.kind, type, this.#little);
    view.setUint32(secretsField.dataLength, data.length, this.#little);
    data.copy(bytes, secretsField.size);
    return bytes;
  }

  after(view: DataView, at: number): number {
    return at + view.getUint32(at + packetField.length, this.#little);
  }

  isPacket(view: DataView, at: number): boolean {
    return view.getUint32(at, this.#little) === BLOCK_ENHANCED;
  }

  #section(): Buffer {
    const options = this.#optionList([[OPTION_APPLICATION, Buffer.from('podwire')]]);
    const size = sectionField.size + options.length + BLOCK_TRAILER_LEN;
    const { bytes, view } = this.#block(BLOCK_SECTION, size);
    view.setUint32(sectionField.magic, BYTE_ORDER_MAGIC, this.#little);
    view.setUint16(sectionField.major, 1, this.#little);
    // A length of -1 is not known yet.
    bytes.fill(0xff, sectionField.sectionLength, sectionField.size);
    options.copy(bytes, sectionField.size);
    return bytes;
  }

  #interface({ linkType, snapLength, fcsLength, nanosecond, interfaceName }: NewCapture): Buffer {
    const list: [number, Buffer][] = [[OPTION_RESOLUTION, Buffer.from([nanosecond ? 9 : 6])]];
    if (interfaceName) {
      list.unshift([OPTION_NAME, Buffer.from(interfaceName.slice(0, MAX_NAME))]);
    }
    if (fcsLength > 0) list.push([OPTION_FCS_LENGTH, Buffer.from([fcsLength])]);
    const options = this.#optionList(list);
    const size = interfaceField.size + options.length + BLOCK_TRAILER_LEN;
    const { bytes, view } = this.#block(BLOCK_INTERFACE, size);
    view.setUint16(interfaceField.linkType, linkType, this.#little);
    view.setUint32(interfaceField.snapLength, snapLength, this.#little);
    options.copy(bytes, interfaceField.size);
    return bytes;
  }

  #block(type: number, size: number): { bytes: Buffer; view: DataView } {
    const bytes = Buffer.alloc(size);
    const view = new DataView(bytes.buffer, bytes.byteOffset, size);
    view.setUint32(0, type, this.#little);
    view.setUint32(packetField.length, size, this.#little);
    view.setUint32(size - BLOCK_TRAILER_LEN, size, this.#little);
    return { bytes, view };
  }

  #optionList(list: readonly (readonly [code: number, value: Buffer])[]): Buffer {
    const sizes = list.map(([, value]) => OPTION_HEADER_LEN + padded(value.length));
    const bytes = Buffer.alloc(sizes.reduce((sum, size) => sum + size, OPTION_HEADER_LEN));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    for (const [code, value] of [...list, [OPTION_END, NO_OPTIONS] as const]) {
      view.setUint16(at, code, this.#little);
      view.setUint16(at + 2, value.length, this.#little);
      value.copy(bytes, at + OPTION_HEADER_LEN);
      at += OPTION_HEADER_LEN + padded(value.length);
    }
    return bytes;
  }
}
