/**
 * The pcapng capture file, draft-ietf-opsawg-pcapng: blocks back to back. A
 * section header tells the byte order of all that follows it, up to the next.
 *
 *   block   0 | type                     enhanced   8 | interface
 *           4 | total length, of 4s      packet    12 | ticks, high half
 *           8 | body                               16 | ticks, low half
 *             | total length again                 20 | captured length
 *                                                  24 | original length
 *   section 8 | 0x1a2b3c4d                         28 | packet, padded to 4s, options
 *   header 12 | major | minor
 *          16 | section length, 8        simple     8 | original length
 *          24 | options                  packet    12 | packet, padded to 4s
 *
 *   interface 8 | link type | 0          secrets    8 | type
 *            12 | snap length                      12 | length
 *            16 | options                          16 | data, padded to 4s, options
 *
 *   option    0 | code | length | value, padded to 4s
 */
import { layout } from '../wire/layout.ts';

export const BLOCK_INTERFACE = 1;
/** The obsolete packet block: the enhanced one with 16 bits each of interface and drop count. */
export const BLOCK_PACKET = 2;
export const BLOCK_SIMPLE = 3;
export const BLOCK_ENHANCED = 6;
export const BLOCK_SECRETS = 10;
/** Reads the same in both byte orders. */
export const BLOCK_SECTION = 0x0a0d0d0a;

export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

/** What nobody writes, and both libpcap and Wireshark refuse. */
export const MAX_BLOCK: number = 16 * 1024 * 1024;

// Offsets only: either byte order occurs, so the values are read through a DataView.
export const sectionField = layout({
  type: 'u32',
  length: 'u32',
  magic: 'u32',
  major: 'u16',
  minor: 'u16',
  sectionLength: 8,
});

export const interfaceField = layout({
  type: 'u32',
  length: 'u32',
  linkType: 'u16',
  reserved: 'u16',
  snapLength: 'u32',
});

export const packetField = layout({
  type: 'u32',
  length: 'u32',
  interface: 'u32',
  ticksHigh: 'u32',
  ticksLow: 'u32',
  capturedLength: 'u32',
  originalLength: 'u32',
});

export const simpleField = layout({ type: 'u32', length: 'u32', originalLength: 'u32' });

export const secretsField = layout({ type: 'u32', length: 'u32', kind: 'u32', dataLength: 'u32' });

/** Type and length in front, length behind. */
export const BLOCK_HEADER_LEN = 8;
export const BLOCK_TRAILER_LEN = 4;
export const MIN_BLOCK: number = BLOCK_HEADER_LEN + BLOCK_TRAILER_LEN;

export const OPTION_HEADER_LEN = 4;
export const OPTION_END = 0;
export const OPTION_COMMENT = 1;
export const OPTION_NAME = 2;
export const OPTION_DESCRIPTION = 3;
/** shb_userappl. */
export const OPTION_APPLICATION = 4;
/** if_tsresol, if_fcslen, if_tsoffset. */
export const OPTION_RESOLUTION = 9;
export const OPTION_FCS_LENGTH = 13;
export const OPTION_OFFSET = 14;

/** Wireshark's key log of WireGuard, as the type of a secrets block. */
export const SECRETS_WIREGUARD = 0x57474b4c;

/** The next multiple of four. */
export const padded = (length: number): number => (length + 3) & ~3;
