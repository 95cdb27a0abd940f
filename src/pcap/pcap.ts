/**
 * The classic capture file, draft-ietf-opsawg-pcap: a file header, then records
 * back to back without padding. The magic tells the byte order of everything
 * but the packets, and the unit of the fraction.
 *
 *   file     0 | magic                          record    0 | seconds, unsigned
 *            4 | major version | minor version            4 | micro- or nanoseconds
 *            8 | time zone, 0                             8 | captured length
 *           12 | accuracy, 0                             12 | original length
 *           16 | snap length                            (16 | 8 bytes, modified format only)
 *           20 | FCS length and flag | link type            | captured bytes
 */
import { found, PodwireError } from '../errors.ts';
import { layout } from '../wire/layout.ts';

// Offsets only: either byte order occurs, so the values are read through a DataView.
export const fileField = layout({
  magic: 'u32',
  versionMajor: 'u16',
  versionMinor: 'u16',
  zone: 'u32',
  accuracy: 'u32',
  snapLength: 'u32',
  link: 'u32',
});

export const recordField = layout({
  seconds: 'u32',
  fraction: 'u32',
  capturedLength: 'u32',
  originalLength: 'u32',
});

export const FILE_HEADER_LEN: number = fileField.size;
export const RECORD_HEADER_LEN: number = recordField.size;

/** Interface index, protocol and packet type follow the record header (Kuznetzov's patch). */
export const MODIFIED_EXTRA = 8;

export const MAGIC_MICROSECONDS = 0xa1b2c3d4;
export const MAGIC_NANOSECONDS = 0xa1b23c4d;
export const MAGIC_MODIFIED = 0xa1b2cd34;

export const LINKTYPE_ETHERNET = 1;
/** IPv4 or IPv6 without a link header. */
export const LINKTYPE_RAW = 101;
export const LINKTYPE_IPV4 = 228;

/** MAXIMUM_SNAPLEN of libpcap: the snap length written, and the longest record believed. */
export const MAX_RECORD = 262_144;

/** Seconds are unsigned, which lasts to the year 2106. */
export const MAX_U32 = 0xffff_ffff;

/** Where the two length fields of a record stand; see `lengthOrder`. */
export const Lengths = { CapturedFirst: 0, OriginalFirst: 1, SmallerIsCaptured: 2 } as const;
export type Lengths = (typeof Lengths)[keyof typeof Lengths];

/** What the first 24 bytes of a capture say. */
export interface FileHeader {
  /** LINKTYPE_ number of every record: the low 16 bits of the field. */
  readonly linkType: number;
  /** Bytes of frame check sequence at the end of each frame; 0 where the file does not say. */
  readonly fcsLength: number;
  /** The longest record the writer promised, bytes; 0 is no promise. */
  readonly snapLength: number;
  /** Fractions count nanoseconds, not microseconds. */
  readonly nanosecond: boolean;
  readonly bigEndian: boolean;
  /** Records have the longer header. */
  readonly modified: boolean;
  readonly lengths: Lengths;
}

const FCS_PRESENT = 0x0400_0000;

const formatError = (expected: string, what: string, source: string): PodwireError =>
  new PodwireError('ERR_CAPTURE_FORMAT', `expected ${expected}, found ${what}`, { source });

/** One of the magics, in either byte order, begins `view`. */
export const isPcap = (view: DataView): boolean =>
  isMagic(view.getUint32(fileField.magic, true)) || isMagic(view.getUint32(fileField.magic, false));

/**
 * Reads the file header, all 24 bytes of it at `at`, behind one of the magics.
 * Throws ERR_CAPTURE_FORMAT.
 */
export function readFileHeader(b: DataView, at: number, name: string): FileHeader {
  const view = new DataView(b.buffer, b.byteOffset + at, FILE_HEADER_LEN);
  const little = isMagic(view.getUint32(fileField.magic, true));
  const magic = view.getUint32(fileField.magic, little);

  const link = view.getUint32(fileField.link, little);
  const linkType = link & 0xffff;
  // Any other number is kept, known or not. This one libpcap and Wireshark both refuse.
  if (linkType === 0xffff) throw formatError('a link type below 65535', found(linkType), name);
  return {
    linkType,
    fcsLength: link & FCS_PRESENT ? (link >>> 28) * 2 : 0,
    snapLength: view.getUint32(fileField.snapLength, little),
    nanosecond: magic === MAGIC_NANOSECONDS,
    bigEndian: !little,
    modified: magic === MAGIC_MODIFIED,
    lengths: lengthOrder(
      view.getUint16(fileField.versionMajor, little),
      view.getUint16(fileField.versionMinor, little),
      name,
    ),
  };
}

const isMagic = (magic: number): boolean =>
  magic === MAGIC_MICROSECONDS || magic === MAGIC_NANOSECONDS || magic === MAGIC_MODIFIED;

/**
 * Before 2.3 the original length came first, and 2.3 was written both ways;
 * 543.0 is DG/UX's. The rules, and the refusal of the rest, are libpcap's
 * (sf-pcap.c, pcap_check_header).
 */
function lengthOrder(major: number, minor: number, name: string): Lengths {
  if (major === 543 && minor === 0) return Lengths.OriginalFirst;
  if (major !== 2 || minor > 4) {
    throw formatError('pcap version 2.4 or an older 2.x', `${major}.${minor}`, name);
  }
  if (minor === 4) return Lengths.CapturedFirst;
  return minor === 3 ? Lengths.SmallerIsCaptured : Lengths.OriginalFirst;
}

/** What a new capture says of itself; the rest of its header is fixed. */
export type NewHeader = Omit<FileHeader, 'modified' | 'lengths'>;

/** Writes all 24 bytes of a 2.4 file header. */
export function putFileHeader(b: Buffer, at: number, header: NewHeader): void {
  const view = new DataView(b.buffer, b.byteOffset + at, FILE_HEADER_LEN);
  const little = !header.bigEndian;
  const fcs = header.fcsLength === 0 ? 0 : ((header.fcsLength / 2) << 28) | FCS_PRESENT;
  view.setUint32(
    fileField.magic,
    header.nanosecond ? MAGIC_NANOSECONDS : MAGIC_MICROSECONDS,
    little,
  );
  view.setUint16(fileField.versionMajor, 2, little);
  view.setUint16(fileField.versionMinor, 4, little);
  view.setUint32(fileField.zone, 0, little);
  view.setUint32(fileField.accuracy, 0, little);
  view.setUint32(fileField.snapLength, header.snapLength, little);
  view.setUint32(fileField.link, fcs | header.linkType, little);
}
