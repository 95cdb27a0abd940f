/** What `ip -d link` says of bridges and their ports (ip/iplink_bridge.c and iplink_bridge_slave.c). */
import type { DevicePlan, NamespacePlan } from '../plan/plan.ts';
import { formatMac } from '../wire/address.ts';

/** Seconds of ageing_time where nobody set another. */
export const AGEING = 300;

/** Words of a bridge without spanning tree and with the kernel's defaults. */
export function bridgeWords(device: DevicePlan): string {
  const ageing = 100 * (device.bridge?.ageing ?? AGEING);
  const id = bridgeId(device);
  return (
    `bridge forward_delay 1500 hello_time 200 max_age 2000 ageing_time ${ageing} stp_state 0 ` +
    `priority 32768 vlan_filtering 0 vlan_protocol 802.1Q bridge_id ${id} designated_root ${id} ` +
    'root_port 0 root_path_cost 0 topology_change 0 topology_change_detected 0'
  );
}

/** Words of a port; '' for another device. */
export function slaveWords(
  { devices }: Pick<NamespacePlan, 'devices'>,
  { name, master }: DevicePlan,
): string {
  const bridge = devices.find((device) => device.name === master);
  if (bridge === undefined) return '';
  const ports = devices.filter((device) => device.master === master);
  const number = 1 + ports.findIndex((port) => port.name === name);
  const state = portState(ports[number - 1]!);
  const id = bridgeId(bridge);
  return (
    `bridge_slave state ${state} priority 32 cost 2 hairpin off guard off root_block off ` +
    `fastleave off learning on flood on port_id 0x80${number.toString(16).padStart(2, '0')} ` +
    `port_no 0x${number.toString(16)} designated_port ${32768 + number} designated_cost 0 ` +
    `designated_bridge ${id} designated_root ${id}`
  );
}

/** Without spanning tree a port forwards as soon as it runs. */
export const portState = ({ up, carrier = true }: DevicePlan): string =>
  up && carrier ? 'forwarding' : 'disabled';

/** Priority and MAC, whose bytes have no zeros in front. */
const bridgeId = ({ mac }: DevicePlan): string =>
  `8000.${formatMac(mac ?? 0).replace(/(^|:)0/g, '$1')}`;
