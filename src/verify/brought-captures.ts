/**
 * The captures in a folder that somebody brought from a running cluster: by their names,
 * of one interface each or of a whole namespace, in pieces, cut short at their end, with
 * frames among them that nobody can compare.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listNames } from '../calico/names.ts';
import { fileError, PodwireError } from '../errors.ts';
import { type Capture, openCapture } from '../pcap/capture.ts';
import { LINKTYPE_ETHERNET, LINKTYPE_IPV4, LINKTYPE_RAW } from '../pcap/pcap.ts';
import type { ClusterPlan, DevicePlan, NamespacePlan } from '../plan/plan.ts';
import { type CaptureName, capturesNamed, isCaptureName } from './capture-name.ts';
import {
  HEADER_LEN as COOKED_LEN,
  deviceIndex,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_LINUX_SLL2,
  uncooked,
} from './cooked.ts';
import { refuseCut } from './cut-frames.ts';
import { foreignProtocol } from './foreign-frame.ts';
import type { LabCapture } from './lab.ts';
import { byTime, type CapturedFrame } from './recording.ts';

/** DLT_RAW as BSDs and old files number it. */
const RAW_KINDS = [LINKTYPE_RAW, LINKTYPE_IPV4, 12, 14];
const MAX_FILES = 10_000;
const MAX_DEPTH = 4;
/** Frames and bytes that are kept and compared at once. */
const MAX_FRAMES = 500_000;
const MAX_BYTES = 2 ** 28;

export interface Brought {
  readonly captures: readonly LabCapture[];
  /** What of the files was not used, and why. */
  readonly unused: readonly string[];
}

/** Paths of captures below a folder, with `/`. Throws ERR_FILE. */
export function captureFiles(folder: string): string[] {
  const found: string[] = [];
  const collect = (below: string, depth: number): void => {
    for (const name of namesIn(join(folder, below))) {
      const path = below === '' ? name : `${below}/${name}`;
      if (name.startsWith('.')) continue;
      if (statSync(join(folder, path), { throwIfNoEntry: false })?.isDirectory() === true) {
        if (depth < MAX_DEPTH) collect(path, depth + 1);
      } else if (
        /\.(pcap|pcapng|cap)\d{0,6}\.(gz|zst|xz|bz2)$/i.test(name) ||
        isCaptureName(name)
      ) {
        found.push(path);
      }
    }
  };
  collect('', 1);
  if (found.length <= MAX_FILES) return found;
  throw new PodwireError('ERR_FILE', `expected at most ${MAX_FILES} captures, found more`, {
    source: folder,
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (cause) {
    throw fileError('a folder', cause, folder);
  }
}

/** Throws ERR_FILE and ERR_CAPTURE_… with the file, ERR_CONFIG_CONFLICT for a name that says two things. */
export function readBrought(folder: string, paths: readonly string[], plan: ClusterPlan): Brought {
  const reader = new BroughtReader(plan);
  for (const path of paths) reader.take(join(folder, path), path);
  return reader.finish();
}

interface Draft {
  readonly namespace: NamespacePlan;
  readonly device: DevicePlan;
  readonly frames: CapturedFrame[];
  readonly aside: Map<string, number>;
  /** Nobody wrote down to whom its frames were sent. */
  blind: boolean;
}

class BroughtReader {
  private readonly drafts = new Map<string, Draft>();
  private readonly unused: string[] = [];
  private readonly namespaces: ClusterPlan['namespaces'];
  private readonly vxlanPorts: readonly number[];
  private frames = 0;
  private bytes = 0;

  constructor({ namespaces }: ClusterPlan) {
    this.namespaces = namespaces;
    this.vxlanPorts = namespaces.flatMap(({ devices }) =>
      devices.flatMap(({ vxlan }) => vxlan?.port ?? []),
    );
  }

  take(file: string, path: string): void {
    if (!isCaptureName(path)) {
      this.unused.push(`${path}: compressed; unpack it first`);
      return;
    }
    const [name, other] = capturesNamed(path, this.namespaces);
    if (name === undefined) {
      this.unused.push(`${path}: expected NODE.DEVICE.pcap of ${this.known()}`);
      return;
    }
    if (other !== undefined) {
      const both = [name, other].map(({ namespace }) => namespace.name).join(' and ');
      const message = `expected a name that says of whom it is, found one for ${both}; NAMESPACE/POD.DEVICE.pcap tells`;
      throw new PodwireError('ERR_CONFIG_CONFLICT', message, { source: file });
    }
    this.read(openCapture(file, { lenient: true }), name, path);
  }

  finish(): Brought {
    const captures = [...this.drafts.values()].map(
      ({ namespace, device, frames, aside, blind }) => ({
        namespace: namespace.name,
        device: device.name,
        frames: frames.sort(byTime),
        ...(aside.size === 0 ? {} : { aside: Object.fromEntries(aside) }),
        ...(blind ? { blind } : {}),
      }),
    );
    return { captures, unused: this.unused };
  }

  private read(capture: Capture, { namespace, device: named }: CaptureName, path: string): void {
    const unlisted = new Map<string, number>();
    for (const { bytes: b, seconds, nanoseconds, originalLength } of capture) {
      const name = named ?? deviceOf(capture, b, namespace);
      const device = namespace.devices.find((one) => one.name === name);
      if (device === undefined) unlisted.set(name, (unlisted.get(name) ?? 0) + 1);
      else {
        const bytes = this.frameOf(capture, b, device);
        if (bytes === undefined) continue;
        const cut = originalLength - b.length;
        this.keep(this.draft(namespace, device), capture, {
          bytes,
          seconds,
          nanoseconds,
          originalLength: bytes.length + cut,
        });
      }
    }
    for (const [name, count] of unlisted) {
      this.unused.push(
        `${path}: ${count} frames of ${name}, which no table of ${namespace.name} lists`,
      );
    }
    if (capture.truncated !== undefined) {
      this.unused.push(`${path}: ends in the middle of a frame, which is left out`);
    }
  }

  /** As the device saw it; undefined for a frame that was for another host. */
  private frameOf(capture: Capture, b: Buffer, device: DevicePlan): Buffer | undefined {
    const { linkType, name } = capture;
    if (linkType === LINKTYPE_LINUX_SLL2) {
      const peer = this.namespaces
        .find((one) => one.name === device.peer?.namespace)
        ?.devices.find((one) => one.name === device.peer?.device);
      return uncooked(b, device, peer?.mac ?? 0);
    }
    const framed = isFramed(device);
    if (framed ? linkType === LINKTYPE_ETHERNET : RAW_KINDS.includes(linkType)) {
      return Buffer.from(b.subarray(0, Math.max(b.length - capture.fcsLength, 0)));
    }
    const what = framed ? 'Ethernet' : 'raw IP';
    const message = `link type: expected ${what} as of ${device.name}, found ${linkType}`;
    throw new PodwireError('ERR_CAPTURE_FORMAT', message, { source: name });
  }

  private keep(draft: Draft, capture: Capture, frame: CapturedFrame): void {
    const foreign = foreignProtocol(frame.bytes, isFramed(draft.device), this.vxlanPorts);
    if (foreign !== undefined) {
      draft.aside.set(foreign, (draft.aside.get(foreign) ?? 0) + 1);
      return;
    }
    draft.blind ||= capture.linkType === LINKTYPE_LINUX_SLL2 && isFramed(draft.device);
    refuseCut(capture.name, frame, draft.frames.length + 1, draft.device);
    draft.frames.push(frame);
    this.frames++;
    this.bytes += frame.bytes.length;
    if (this.frames <= MAX_FRAMES && this.bytes <= MAX_BYTES) return;
    const most = `${MAX_FRAMES} frames and ${MAX_BYTES / 2 ** 20} MiB`;
    const message = `expected at most ${most} in all captures together, found more (editcap -A and -B cut a capture by time)`;
    throw new PodwireError('ERR_CAPTURE_LENGTH', message, { source: capture.name });
  }

  private draft(namespace: NamespacePlan, device: DevicePlan): Draft {
    const key = `${namespace.name}:${device.name}`;
    const draft = this.drafts.get(key) ?? {
      namespace,
      device,
      frames: [],
      aside: new Map<string, number>(),
      blind: false,
    };
    this.drafts.set(key, draft);
    return draft;
  }

  /** Whom the tables tell of, for who mistyped a name. */
  private known(): string {
    const names = this.namespaces.map(({ name, devices }) => {
      const captured = devices.filter(({ kind }) => kind !== 'loopback').map((one) => one.name);
      return `${name} (${listNames(captured)})`;
    });
    return listNames(names);
  }
}

const isFramed = ({ kind }: DevicePlan): boolean => kind !== 'ipip' && kind !== 'wireguard';

/** Of a capture of a whole namespace: what the frame's header says, or the interface of a pcapng. */
function deviceOf(capture: Capture, b: Buffer, { name, devices }: NamespacePlan): string {
  const { linkType } = capture;
  if (linkType === LINKTYPE_LINUX_SLL2 && b.length >= COOKED_LEN) {
    const index = deviceIndex(b);
    return devices.find((one) => one.index === index)?.name ?? `interface ${index}`;
  }
  const told = linkType === LINKTYPE_LINUX_SLL ? undefined : capture.interface.name;
  if (told !== undefined) return told;
  const found =
    linkType === LINKTYPE_LINUX_SLL
      ? 'LINUX_SLL, which does not tell interfaces apart (tcpdump -y LINUX_SLL2 -i any does)'
      : `link type ${linkType}`;
  const message = `expected ${name}.DEVICE.pcap or a capture that names its interfaces, found ${found}`;
  throw new PodwireError('ERR_CAPTURE_FORMAT', message, { source: capture.name });
}
