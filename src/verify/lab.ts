/**
 * A recorded network: what it was built of, what was done to it, and what its
 * interfaces saw.
 */
import type { KnownNeighbours } from '../cluster/cluster-options.ts';
import type { ClusterPlan } from '../plan/plan.ts';
import type { HandshakeSecrets } from '../wireguard/settings.ts';
import { refuseCut } from './cut-frames.ts';
import { type Recording, readRecording } from './recording.ts';

export interface LabCapture {
  readonly namespace: string;
  readonly device: string;
  /** Of the capture that saw this interface's frames; absent where none was kept. */
  readonly frames?: Recording;
  /** Frames that were captured, and are not compared: how many, by protocol. */
  readonly aside?: Readonly<Record<string, number>>;
  /** Its frames do not tell to which MAC they were sent. */
  readonly blind?: boolean;
}

/** Something done to the network; only what a rerun needs. */
export interface LabEvent {
  readonly kind: string;
  readonly label: string;
  /** Seconds since the start. */
  readonly at: number;
  /** A frame put on an interface by hand. */
  readonly frame?: { readonly namespace: string; readonly device: string; readonly bytes: Buffer };
  /** Identification of its IPv4 packet. */
  readonly identification?: number;
  /** A ping: from whom, to what address, and whether its next hop was never found. */
  readonly ping?: { readonly from: string; readonly to: string; readonly unreachable: boolean };
}

/** What is known of a cluster beside what was brought from it. */
export interface BroughtFacts {
  /** What was taken for granted, as no table tells. */
  readonly assumed: readonly string[];
  /** What frames of the network need and no table tells, with the command that does. */
  readonly missing: readonly string[];
  /** What of the captures was not used, and why. */
  readonly unused: readonly string[];
  /** Namespaces that were dumped and not captured: what they sent counts where it was captured. */
  readonly outside: readonly string[];
}

export interface Lab {
  readonly plan: ClusterPlan;
  /** The tables as they were after the recording, where they were dumped again. */
  readonly after?: ClusterPlan;
  /** Lines of /proc/net/nf_conntrack after the recording, by namespace. */
  readonly tracked?: ReadonlyMap<string, readonly string[]>;
  /** IPv4 packets that a namespace had received after the recording, where its counters tell. */
  readonly received?: ReadonlyMap<string, number>;
  /** What ARP had learned when the recording began. */
  readonly neighbours: KnownNeighbours;
  /** When the recording began, seconds since 1970. */
  readonly started: number;
  readonly captures: readonly LabCapture[];
  readonly events: readonly LabEvent[];
  /** What opens the recorded handshakes of WireGuard, as far as it is known. */
  readonly secrets: readonly HandshakeSecrets[];
  /** Present where tables and captures were brought from a running cluster. */
  readonly brought?: BroughtFacts;
  /** What the captures hold; of two interfaces that saw the same frames, once. */
  readonly recordings: readonly Recording[];
  /** What was seen on an interface, or on the other end of its veth pair, if there is a capture. */
  frames(namespace: string, device: string): Recording | undefined;
}

/** UDP ports of the network's VXLAN devices. */
export const vxlanPorts = ({ plan }: Lab): number[] => [
  ...new Set(
    plan.namespaces.flatMap(({ devices }) => devices.flatMap(({ vxlan }) => vxlan?.port ?? [])),
  ),
];

/** UDP ports that the network's WireGuard devices listen on. */
export const wireguardPorts = ({ plan }: Lab): number[] => [
  ...new Set(
    plan.namespaces.flatMap(({ devices }) =>
      devices.flatMap(({ wireguard }) => wireguard?.listenPort ?? []),
    ),
  ),
];

/** A capture that is to be read, and where it was taken. */
export interface CaptureFile {
  readonly namespace: string;
  readonly device: string;
  readonly file?: string;
}

/** The captures read. Throws ERR_FILE and ERR_CAPTURE_…, also for frames that were cut. */
export function readCaptures({ namespaces }: ClusterPlan, files: readonly CaptureFile[]) {
  const read = new Map<string, Recording>();
  const captures = files.map(({ namespace, device, file }): LabCapture => {
    if (file === undefined) return { namespace, device };
    const frames = read.get(file) ?? readRecording(file);
    read.set(file, frames);
    const { devices } = namespaces.find(({ name }) => name === namespace) ?? { devices: [] };
    const plan = devices.find(({ name }) => name === device);
    for (const [i, frame] of frames.entries()) refuseCut(file, frame, i + 1, plan);
    return { namespace, device, frames };
  });
  return heard(namespaces, captures);
}

/** The part of a lab that tells what its interfaces saw. */
export function heard(
  namespaces: ClusterPlan['namespaces'],
  captures: readonly LabCapture[],
): Pick<Lab, 'captures' | 'recordings' | 'frames'> {
  const seen = new Map(captures.map((c) => [`${c.namespace}:${c.device}`, c.frames]));
  const peers = new Map(
    namespaces.flatMap(({ name: namespace, devices }) =>
      devices.flatMap(({ name, peer }) =>
        peer === undefined ? [] : [[`${namespace}:${name}`, `${peer.namespace}:${peer.device}`]],
      ),
    ) as [string, string][],
  );
  return {
    captures,
    recordings: [...new Set(captures.flatMap(({ frames }) => (frames ? [frames] : [])))],
    frames: (namespace, device) => {
      const own = `${namespace}:${device}`;
      return seen.get(own) ?? seen.get(peers.get(own) ?? '');
    },
  };
}
