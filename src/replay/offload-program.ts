/** An offloaded flow as the words that the kernel reads; offload-memory.ts has the picture. */
import { RECORD_HEADER_LEN } from '../pcap/pcap.ts';
import { bswap16 } from '../wire/bytes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import {
  FLOW_LEN,
  flowField,
  type OffloadMemory,
  STAGE_LEN,
  TEMPLATE_AT,
} from './offload-memory.ts';
import type { OffloadedFlow, Shell, Stage } from './offloaded-flow.ts';

const FORMS = { whole: 0, 'as it came': 1, changed: 2 } as const;
const SHELLS = { vxlan: 1, 'vxlan, complete': 2, ipip: 3 } as const;

/** Where what a flow uses stands in the memory. */
export interface Places {
  output(stage: Stage): number;
  counter(shell: Shell): number;
}

/** Writes the key to where it is looked for: words of flow-key.ts, as they stand in a frame. */
export function putKey(key: Buffer, { key: words, protocol }: OffloadedFlow): void {
  const isTcp = protocol === ipv4.PROTO_TCP;
  key.fill(0);
  key.writeInt32LE(words[1]!, 0);
  key.writeInt32BE(words[2]!, 4);
  key.writeUInt16BE(words[3]!, 8);
  key.writeInt32BE(words[4]!, 12);
  key.writeInt32BE(words[5]!, 16);
  key.writeInt32BE(words[6]!, 20);
  key.writeInt32BE(words[isTcp ? 8 : 7]!, 24);
  if (isTcp) key.writeInt32LE(words[7]!, 28);
}

/** Adds the flow to the memory; where it stands, 0 where there is no room for something. */
export function putFlow(memory: OffloadMemory, flow: OffloadedFlow, places: Places): number {
  const { stages, shells, tape, protocol } = flow;
  const outputs = stages.map((stage) => places.output(stage));
  const counters = shells.map((shell) => places.counter(shell));
  if (counters.includes(0)) return 0;
  putKey(memory.key, flow);
  const at = memory.addFlow(stages.length);
  if (at === 0) return 0;
  const { view } = memory;
  view.setUint32(at + flowField.longest, tape.longest, true);
  for (const [n, counter] of counters.entries()) {
    view.setUint32(at + flowField.counters + 4 * n, counter, true);
  }
  const isComplete = stages.some(({ shell }) => shell?.form === 'vxlan, complete');
  view.setUint32(at + flowField.needsSum, isComplete && protocol === ipv4.PROTO_UDP ? 1 : 0, true);
  for (const [n, stage] of stages.entries()) {
    const to = at + FLOW_LEN + n * STAGE_LEN;
    view.setUint32(to, outputs[n]!, true);
    putStage(memory, to, stage, protocol);
    if (stage.shell !== null) putShell(view, to, stage, stage.shell, places.counter(stage.shell));
  }
  return at;
}

function putStage(
  { view, bytes }: OffloadMemory,
  at: number,
  stage: Stage,
  protocol: number,
): void {
  const { template, form, ttl, source, destination, ports } = stage;
  const field = protocol === ipv4.PROTO_TCP ? tcp.field.checksum : udp.field.checksum;
  view.setUint32(at + 4, RECORD_HEADER_LEN + template.length, true);
  view.setUint32(at + 8, FORMS[form] | (ttl << 8) | (protocol << 16), true);
  view.setUint32(at + 12, bswap16(stage.headerDelta), true);
  view.setInt32(at + 16, source);
  view.setInt32(at + 20, destination);
  view.setInt32(at + 24, ports);
  view.setUint32(at + 28, bswap16(stage.l4Delta), true);
  view.setUint32(at + 32, field, true);
  template.copy(bytes, at + TEMPLATE_AT + RECORD_HEADER_LEN);
}

function putShell(view: DataView, at: number, stage: Stage, shell: Shell, counter: number): void {
  view.setUint32(at + 36, SHELLS[shell.form], true);
  const offset = RECORD_HEADER_LEN + stage.template.length - shell.bytes.length;
  view.setUint32(at + 40, offset, true);
  view.setUint32(at + 44, bswap16(shell.sum), true);
  view.setUint32(at + 48, bswap16(shell.udpSum), true);
  view.setUint32(at + 52, bswap16(shell.innerSum), true);
  view.setUint32(at + 56, counter, true);
  view.setUint32(at + 60, shell.length, true);
}
