/**
 * Captures of devices while a cluster runs, with the reason beside each frame
 * whose packet was dropped. That is known only after the frame was seen, so the
 * last frame of all is held back until another is seen or its packet ends, where
 * the file has comments.
 */
import { type RecordTap, tapAt } from '../cluster/capture-tap.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Port } from '../cluster/names.ts';
import { dropInfo } from '../drop.ts';
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { MAX_FRAME } from '../packet/slab.ts';
import { formatKeyLog } from '../wireguard/key-log.ts';

/** What opens the tunnels of a cluster: texts for `CaptureWriter.secrets`, in order, growing. */
export type KeyLog = () => readonly string[];

const NO_KEYS: KeyLog = () => [];

/** The key log of a cluster's own tunnels, each text made once. */
export function keyLogOf(cluster: Cluster): KeyLog {
  const texts: string[] = [];
  return () => {
    const { handshakes } = cluster.keys;
    while (texts.length < handshakes.length) texts.push(formatKeyLog(handshakes[texts.length]!));
    return texts;
  };
}

/** Takes frames with their comments; `CaptureWriter` is one. */
export interface RecordSink {
  readonly format: 'pcap' | 'pcapng';
  write(
    seconds: number,
    nanoseconds: number,
    bytes: Buffer,
    start: number,
    end: number,
    originalLength?: number,
    comment?: string,
  ): void;
  secrets(text: string): void;
}

/** One capture, and how much of the key log it holds. */
interface Target {
  readonly writer: RecordSink;
  keys: number;
}

export class Recording {
  readonly #cluster: Cluster;
  readonly #keyLog: KeyLog;
  readonly #stops: (() => void)[] = [];
  readonly #held: Buffer = Buffer.allocUnsafeSlow(MAX_FRAME);
  #length = 0;
  #seconds = 0;
  #nanoseconds = 0;
  /** Where the held frame goes; `undefined` when none is held. */
  #target: Target | undefined = undefined;
  #packet: Packet | null = null;
  #device: Device | null = null;
  #outgoing = false;

  /** From here on, ends of packets are watched; frames once a device is added. */
  constructor(cluster: Cluster, keyLog: KeyLog = NO_KEYS) {
    this.#cluster = cluster;
    this.#keyLog = keyLog;
    const before = cluster.witness;
    const isAsked = before !== null && before.deliveredUnseen === undefined;
    cluster.witness = {
      delivered: (node, p) => {
        this.#packet = null;
        before?.delivered(node, p);
      },
      ...(isAsked
        ? {}
        : {
            deliveredUnseen: () => {
              this.#packet = null;
              before?.deliveredUnseen?.();
            },
          }),
      dropped: (node, p) => {
        if (this.#isHeld(p)) this.#write(reasonOf(p));
        before?.dropped(node, p);
      },
    };
    this.#stops.push(() => {
      cluster.witness = before;
    });
  }

  /** Records a device; `open` is called at its first frame. Keys go into a pcapng where asked. */
  add(port: Port, open: () => RecordSink, withKeys = false): void {
    let target: Target | undefined;
    const tap: RecordTap = {
      get sink() {
        return target?.writer.format === 'pcap' ? target.writer : undefined;
      },
      see: (_node: Node, device: Device, p: Packet, outgoing: boolean) => {
        target ??= { writer: open(), keys: 0 };
        this.#write('');
        if (target.writer.format === 'pcap') this.#writeAtOnce(target, p);
        else {
          if (withKeys) this.#writeKeys(target);
          this.#hold(target, device, p, outgoing);
        }
      },
    };
    this.#stops.push(tapAt(port, tap));
  }

  /** Writes what is held back: its packet has ended. */
  flush(): void {
    this.#write('');
  }

  /** Writes what is held back and takes all taps off. The writers stay open. */
  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#write('');
  }

  /** A pcap has no place for a reason. */
  #writeAtOnce({ writer }: Target, p: Packet): void {
    const { seconds, nanoseconds } = this.#cluster.now;
    writer.write(seconds, nanoseconds, bytes, p.data, p.tail);
  }

  #hold(target: Target, device: Device, p: Packet, outgoing: boolean): void {
    const { seconds, nanoseconds } = this.#cluster.now;
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
    this.#length = bytes.copy(this.#held, 0, p.data, p.tail);
    this.#target = target;
    this.#packet = p;
    this.#device = device;
    this.#outgoing = outgoing;
  }

  /** Slots are used again: a packet born since has no device yet, or another. */
  #isHeld(p: Packet): boolean {
    const position = this.#device?.position;
    return this.#packet === p && (this.#outgoing ? p.output : p.input) === position;
  }

  #write(comment: string): void {
    const target = this.#target;
    if (target === undefined) return;
    this.#target = undefined;
    this.#packet = null;
    const length = this.#length;
    target.writer.write(this.#seconds, this.#nanoseconds, this.#held, 0, length, length, comment);
  }

  /** Before the frame: a reader in one pass needs them first. */
  #writeKeys(target: Target): void {
    const keys = this.#keyLog();
    for (; target.keys < keys.length; target.keys++) {
      target.writer.secrets(keys[target.keys]!);
    }
  }
}

const reasonOf = ({ drop }: Packet): string =>
  `dropped: ${dropInfo[drop].name} (${dropInfo[drop].meaning})`;
