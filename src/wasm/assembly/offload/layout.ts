/** AssemblyScript. Where the words stand that src/replay/offload-memory.ts lays out, as byte offsets. */

export const RECORD: usize = 16;
export const ETHERNET: usize = 14;
export const IPV4: usize = 20;
/** Both in front of the message. */
export const HEADERS: usize = ETHERNET + IPV4;
export const UDP: u32 = 17;
export const TCP: u32 = 6;
/** ACK alone of ACK, URG, SYN, FIN and RST: flow-key.ts. */
export const TCP_WATCHED: u32 = 0x37;
export const TCP_ACK: u32 = 0x10;

// What ended a run.
export const OVER: u32 = 0;
export const STRANGE: u32 = 1;
export const UNCHECKED: u32 = 2;
export const FULL: u32 = 3;

// The head: words of 32 bits.
export const FROM: usize = 0;
export const END: usize = 4;
/** Seconds and nanoseconds. */
export const NOW: usize = 8;
export const LAST: usize = 16;
export const BATCH: usize = 24;
export const TAKEN: usize = 28;
export const ASKED: usize = 32;
export const ASKED_TIME: usize = 36;
export const SCALE: usize = 44;
export const PER_SECOND: usize = 48;
export const MOST: usize = 52;
export const OWN_MAC: usize = 56;
export const OWN_ROOM: usize = 64;
export const OTHER_ROOM: usize = 68;
export const MTU: usize = 72;
export const OFFLOADS: usize = 76;
export const OUTPUTS: usize = 80;
export const TABLE_MASK: usize = 84;
export const KEY: usize = 96;
export const FIRST_OUTPUT: usize = 128;
export const OUTPUT_LENGTH: usize = 16;
export const TABLE: usize = 384;

// A flow.
export const SHAPE: usize = 0;
export const CAPTURED: usize = 40;
export const LENGTH: usize = 44;
export const STAMP: usize = 48;
export const HEADER_SUM: usize = 52;
export const PSEUDO_SUM: usize = 56;
export const GROWTH: usize = 60;
export const FLOW_KEY: usize = 64;
export const FLOW_TIME: usize = 96;
export const LONGEST: usize = 104;
export const STAGES: usize = 108;
export const COUNTER: usize = 112;
export const NEEDS_SUM: usize = 120;
export const OWN_WORD_AT: usize = 124;
export const FIRST_STAGE: usize = 128;

// A stage.
export const OUTPUT: usize = 0;
/** Of the template: a record's header, and what stands in front of the packet. */
export const PREFIX: usize = 4;
export const CHANGE: usize = 8;
export const HEADER_DELTA: usize = 12;
export const ADDRESSES: usize = 16;
export const PORTS: usize = 24;
export const L4_DELTA: usize = 28;
export const L4_FIELD: usize = 32;
export const SHELL: usize = 36;
export const SHELL_AT: usize = 40;
export const SHELL_SUM: usize = 44;
export const SHELL_UDP: usize = 48;
export const SHELL_INNER: usize = 52;
export const SHELL_COUNTER: usize = 56;
export const SHELL_LENGTH: usize = 60;
/** Of the outer header as it is in the template. */
export const TEMPLATE_SUM: usize = 64;
export const BYTES: usize = 68;
export const TEMPLATE: usize = 80;
export const STAGE: usize = 192;

/** Values of CHANGE: the frame as it came; its packet as it came; its packet with changed headers. */
export const WHOLE: u32 = 0;
export const CHANGED: u32 = 2;

/** Values of SHELL; a VXLAN checksum is that of a pseudo-header, or of all. */
export const VXLAN_PARTIAL: u32 = 1;
export const VXLAN_COMPLETE: u32 = 2;

// An output.
export const FILL: usize = 0;
export const LIMIT: usize = 4;
export const RECORDS: usize = 8;
export const MICROSECONDS: usize = 12;

/** What a record may be longer by than the frame that came in: a template. */
export const MOST_GROWTH: u32 = 128;
