/**
 * WireGuard's keys by node: published, given, or made up. A private key never leaves
 * its node, so a manifest that has one is podwire's own kind (FreeInputs).
 */
import { deriveKey, formatKey, type PrivateKey } from '../wireguard/key.ts';
import type { CalicoNode } from './calico-node.ts';
import type { GivenKey } from './free-inputs.ts';
import { listNames } from './names.ts';

export interface NodeKeys {
  /** Base64 of 32 bytes. */
  readonly publicKey: string;
  /** Absent where only the public half was published. */
  readonly privateKey?: PrivateKey;
}

/** What the keys of a cluster follow from. */
export interface KeySource {
  /** Keys that nobody states follow from it, and from the names of the nodes. */
  readonly seed: number;
  readonly given: readonly GivenKey[];
}

/** For nodes that encrypt. Throws ERR_CONFIG_CONFLICT for a private key that is not the published one's. */
export function wireguardKeys(
  nodes: readonly CalicoNode[],
  { seed, given }: KeySource,
  assumptions: string[],
): Map<string, NodeKeys> {
  const privateKeys = new Map(given.map((one) => [one.node, one]));
  const madeUp = nodes.some(({ name, wireguardKey }) => !wireguardKey && !privateKeys.has(name));
  if (madeUp) {
    assumptions.push(
      'WireGuard keys that no Node states follow from the names of the nodes; real ones are random',
    );
  }
  const half = nodes.filter(({ name, wireguardKey }) => wireguardKey && !privateKeys.has(name));
  if (half.length > 0) {
    assumptions.push(
      `WireGuard messages are made with other keys than the published ones, whose private halves nobody states: ${listNames(half.map(({ name }) => name))}`,
    );
  }
  return new Map(nodes.map((node) => [node.name, keysOf(node, privateKeys.get(node.name), seed)]));
}

function keysOf(
  { name, wireguardKey }: CalicoNode,
  given: GivenKey | undefined,
  seed: number,
): NodeKeys {
  if (given === undefined && wireguardKey !== undefined) return { publicKey: wireguardKey.value };
  const privateKey = given?.key ?? deriveKey(seed, name);
  const publicKey = formatKey(privateKey.publicKey);
  if (given !== undefined && wireguardKey !== undefined && wireguardKey.value !== publicKey) {
    throw given.at.conflict(`the private key of ${name}'s public one`, 'the key of another');
  }
  return { publicKey, privateKey };
}
