/**
 * Frames that real wires carry and no emulated network has: of IPv6, of VLANs, of switches
 * among themselves. They are counted by their protocol, and not compared.
 */
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';

const TYPE_IPV6 = 0x86dd;
const TYPE_LLDP = 0x88cc;
/** Below it the field is a length: spanning tree and other LLC. */
const LEAST_TYPE = 0x600;
/** 6in4. */
const PROTO_IPV6 = 41;

/** The protocol of such a frame; undefined for one that is compared. `vxlanPorts`: of the network's tunnels. */
export function foreignProtocol(
  b: Buffer,
  framed: boolean,
  vxlanPorts: readonly number[],
): string | undefined {
  if (!framed) {
    return b.length > 0 && b[0]! >> 4 === 6 ? 'IPv6' : inTunnel(b, 0, vxlanPorts);
  }
  if (b.length < ethernet.HEADER_LEN) return undefined;
  const type = ethernet.type(b, 0);
  if (type === ethernet.TYPE_IPV4) return inTunnel(b, ethernet.HEADER_LEN, vxlanPorts);
  if (type === ethernet.TYPE_ARP) return undefined;
  if (ethernet.isTag(type)) {
    return b.length < ethernet.HEADER_LEN + ethernet.TAG_LEN
      ? 'VLAN'
      : `VLAN ${ethernet.vlan(b, 0)}`;
  }
  return nameOf(type);
}

function nameOf(type: number): string {
  if (type === TYPE_IPV6) return 'IPv6';
  if (type === TYPE_LLDP) return 'LLDP';
  if (type < LEAST_TYPE) return '802.3 LLC';
  return `EtherType 0x${type.toString(16).padStart(4, '0')}`;
}

function inTunnel(b: Buffer, at: number, vxlanPorts: readonly number[]): string | undefined {
  if (ipv4.check(b, at, b.length) !== 0 || ipv4.fragmentOffset(b, at) !== 0) return undefined;
  if (ipv4.protocol(b, at) === PROTO_IPV6) return 'IPv6';
  const l4 = at + ipv4.headerLength(b, at);
  const inner = l4 + udp.HEADER_LEN + vxlan.HEADER_LEN;
  const isTunnel =
    ipv4.protocol(b, at) === ipv4.PROTO_UDP &&
    inner + ethernet.HEADER_LEN <= b.length &&
    vxlanPorts.includes(udp.destinationPort(b, l4));
  return isTunnel && ethernet.type(b, inner) === TYPE_IPV6 ? 'IPv6' : undefined;
}
