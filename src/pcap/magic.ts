/** Which format a capture is of: the first four bytes say. */
import { PodwireError } from '../errors.ts';
import { isPcap } from './pcap.ts';
import { PcapRecords } from './pcap-records.ts';
import { BLOCK_SECTION } from './pcapng.ts';
import { PcapngRecords } from './pcapng-records.ts';
import type { RecordFormat, RecordTable } from './record-format.ts';

export const MAGIC_LEN = 4;

/** Signatures of files that people hand over instead of a capture; hexadecimal. */
const otherFormats: readonly (readonly [signature: string, what: string])[] = [
  ['1f8b', 'a file that is gzip-compressed; decompress first'],
  ['28b52ffd', 'a file that is zstd-compressed; decompress first'],
  ['fd377a58', 'a file that is xz-compressed; decompress first'],
];

const formatError = (what: string, source: string): PodwireError =>
  new PodwireError('ERR_CAPTURE_FORMAT', `expected a pcap or pcapng file, found ${what}`, {
    source,
  });

function otherFormat(signature: string): string | undefined {
  return otherFormats.find(([start]) => signature.startsWith(start))?.[1];
}

/** The reader for a file that begins as `view`, 4 bytes at least. Throws ERR_CAPTURE_FORMAT. */
export function formatOf(
  view: DataView,
  source: string,
  maxRecord: number,
  table: RecordTable,
): RecordFormat {
  if (isPcap(view)) return new PcapRecords(source, maxRecord, table);
  const magic = view.getUint32(0);
  if (magic === BLOCK_SECTION) return new PcapngRecords(source, maxRecord, table);
  const signature = magic.toString(16).padStart(2 * MAGIC_LEN, '0');
  throw formatError(otherFormat(signature) ?? `one that begins ${signature}`, source);
}

/** What is wrong with a file of `length` bytes, less than 4. */
export function refuseShort(b: Buffer, length: number, source: string): PodwireError {
  const other = otherFormat(b.toString('hex', 0, length));
  return formatError(other ?? (length === 0 ? 'an empty one' : `one of ${length} bytes`), source);
}
