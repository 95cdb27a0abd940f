/** podwire/live: emulated nodes and WireGuard devices that talk with real ones. Named exports only. */

export { Drop, type DropInfo, dropInfo } from '../drop.ts';
export type { Moment } from '../packet/moment.ts';
export { CONSUMED, STAGED, WireguardDevice } from '../wireguard/device.ts';
export { PrivateKey, parseKey } from '../wireguard/key.ts';
export { formatKeyLog } from '../wireguard/key-log.ts';
export type { RandomSource } from '../wireguard/random.ts';
export type {
  HandshakeSecrets,
  WireguardDeviceOptions,
  WireguardPeerOptions,
  WireguardSink,
} from '../wireguard/settings.ts';
export { LiveNode, type LiveNodeOptions } from './live-node.ts';
export { LiveTunnel, type LiveTunnelOptions, systemRandom } from './live-tunnel.ts';
