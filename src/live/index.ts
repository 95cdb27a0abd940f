/** podwire/live: an emulated WireGuard device that talks with real ones. Named exports only. */

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
export { LiveTunnel, type LiveTunnelOptions, systemRandom } from './live-tunnel.ts';
