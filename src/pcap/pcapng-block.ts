/** Blocks of a pcapng by name and size. */
import { type ErrorCode, type Place, PodwireError } from '../errors.ts';
import {
  BLOCK_ENHANCED,
  BLOCK_INTERFACE,
  BLOCK_PACKET,
  BLOCK_SECRETS,
  BLOCK_SECTION,
  BLOCK_SIMPLE,
  BLOCK_TRAILER_LEN,
  interfaceField,
  MIN_BLOCK,
  packetField,
  sectionField,
  simpleField,
} from './pcapng.ts';

const blockNames: { readonly [type: number]: string } = {
  [BLOCK_SECTION]: 'section header',
  [BLOCK_INTERFACE]: 'interface description',
  [BLOCK_PACKET]: 'packet',
  [BLOCK_SIMPLE]: 'simple packet',
  [BLOCK_ENHANCED]: 'enhanced packet',
  [BLOCK_SECRETS]: 'secrets',
};

const sizes: { readonly [type: number]: number } = {
  [BLOCK_SECTION]: sectionField.size + BLOCK_TRAILER_LEN,
  [BLOCK_INTERFACE]: interfaceField.size + BLOCK_TRAILER_LEN,
  [BLOCK_PACKET]: packetField.size + BLOCK_TRAILER_LEN,
  [BLOCK_SIMPLE]: simpleField.size + BLOCK_TRAILER_LEN,
  [BLOCK_ENHANCED]: packetField.size + BLOCK_TRAILER_LEN,
};

/** Bytes that a block of this type has at least. */
export const smallestBlock = (type: number): number => sizes[type] ?? MIN_BLOCK;

/** A fault of a block of this type; -1 where the type is not known yet. */
export function blockError(
  type: number,
  what: string,
  place: Place,
  code: ErrorCode = 'ERR_CAPTURE_FORMAT',
): PodwireError {
  const name = blockNames[type] ?? (type < 0 ? 'next' : `type ${type}`);
  return new PodwireError(code, `${name} block: ${what}`, place);
}
