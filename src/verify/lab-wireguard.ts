/**
 * WireGuard in a recorded network: `wireguard` of scenario.json holds, by namespace,
 * keys, endpoint and allowed IPs, and perhaps ephemeral keys of initiators, which
 * open what was recorded.
 */
import type { Field } from '../calico/field.ts';
import type { WireguardPeerPlan, WireguardSettings } from '../plan/plan.ts';
import { formatKey, PrivateKey, parseKey } from '../wireguard/key.ts';
import type { HandshakeSecrets } from '../wireguard/settings.ts';

/** One end of the network's tunnels. */
interface Member {
  readonly name: string;
  readonly privateKey: PrivateKey | undefined;
  readonly peer: WireguardPeerPlan;
}

export interface LabWireguard {
  readonly members: readonly Member[];
  /** What opens recorded handshakes. */
  readonly secrets: readonly HandshakeSecrets[];
}

/** `names` are the namespaces: whatever else stands there is no member. */
export function readWireguard(at: Field, names: ReadonlySet<string>): LabWireguard {
  const members = at
    .entries()
    .filter(([name]) => names.has(name))
    .map(([name, member]) => readMember(name, member));
  const ephemerals = at
    .entry('initiatorEphemeralCandidates')
    .items()
    .flatMap((item) => tryEphemeral(item.text('32 bytes in hex')) ?? []);
  return { members, secrets: secretsOf(members, ephemerals) };
}

function readMember(name: string, at: Field): Member {
  const place = { source: at.where };
  const secret = at.entry('privateKey').optional((f) => PrivateKey.parse(f.text('a key'), place));
  const [address, port] = at.entry('endpoint').items();
  const publicKey = at
    .entry('publicKey')
    .optional((f) => formatKey(parseKey(f.text('a key'), place)));
  if (publicKey === undefined && secret === undefined) throw at.refuse('publicKey or privateKey');
  if (address === undefined || port === undefined) {
    throw at.entry('endpoint').refuse('[ADDRESS, PORT]');
  }
  return {
    name,
    privateKey: secret,
    peer: {
      publicKey: publicKey ?? formatKey(secret!.publicKey),
      endpoint: { address: address.ip4(), port: port.integer(1, 65535) },
      allowedIps: at
        .entry('allowedIps')
        .items()
        .map((f) => f.prefix()),
    },
  };
}

const tryEphemeral = (hex: string): PrivateKey | undefined =>
  /^[0-9a-f]{64}$/i.test(hex) && !/^0+$/.test(hex)
    ? new PrivateKey(Buffer.from(hex, 'hex'))
    : undefined;

/** Nobody wrote down whose an ephemeral key was: any pair may have used it. */
function secretsOf(
  members: readonly Member[],
  ephemerals: readonly PrivateKey[],
): HandshakeSecrets[] {
  return ephemerals.flatMap((localEphemeral) =>
    members.flatMap(({ name, privateKey: localStatic }) =>
      localStatic === undefined
        ? []
        : members
            .filter((other) => other.name !== name)
            .map(({ peer }) => ({
              localStaticPrivate: localStatic.reveal(),
              localEphemeralPrivate: localEphemeral.reveal(),
              remoteStaticPublic: parseKey(peer.publicKey),
              presharedKey: Buffer.alloc(32),
            })),
    ),
  );
}

/** Settings of the device of one namespace: everybody else is a peer. */
export function settingsOf(
  { members }: LabWireguard,
  name: string,
  listenPort: number,
  fwmark: number,
): WireguardSettings | undefined {
  const own = members.find((member) => member.name === name);
  if (own === undefined) return undefined;
  return {
    publicKey: own.peer.publicKey,
    ...(own.privateKey === undefined ? {} : { privateKey: own.privateKey }),
    listenPort,
    fwmark,
    peers: members.filter((member) => member !== own).map(({ peer }) => peer),
  };
}
