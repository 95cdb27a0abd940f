/** A dissected frame as people read it: one line a layer, checksums labelled. */
import type { Dissection } from '../frame/dissect.ts';
import type { Dissected, DissectedLayer } from '../frame/layer.ts';
import * as ipv4 from '../wire/ipv4.ts';

const NAME_WIDTH = 10;

/** Lines without a final newline; inner layers stand below the outer ones. */
export function formatDissection({ layers, stopped, inner }: Dissection): string {
  const lines = layers.map((layer) => {
    const name = layer.quoted === true ? `(${layer.layer})` : layer.layer;
    return `  ${name.padEnd(NAME_WIDTH)} ${layerText(layer)}`;
  });
  if (stopped !== undefined) {
    lines.push(
      `  ${'stopped'.padEnd(NAME_WIDTH)} at byte ${stopped.at}: ${stopped.drop}: ${stopped.meaning}`,
    );
  }
  if (inner !== undefined) lines.push(`  ${'inside'.padEnd(NAME_WIDTH)} ${innerText(inner)}`);
  return lines.join('\n');
}

function innerText(inner: Dissection): string {
  if (inner.layers.length === 0) return 'nothing: a keepalive';
  return `a packet that the key opened\n${formatDissection(inner).replace(/^/gm, '  ')}`;
}

const hex16 = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`;

const sum = ({ checksum, checksumState }: { checksum: number; checksumState: string }): string =>
  `checksum ${hex16(checksum)} ${checksumState}`;

function layerText(layer: DissectedLayer): string {
  switch (layer.layer) {
    case 'ethernet':
      return `${layer.src} > ${layer.dst}, type ${hex16(layer.type)}`;
    case 'vlan':
      return `id ${layer.id}, priority ${layer.priority}, type ${hex16(layer.type)}`;
    case 'arp':
      return layer.op === 'request'
        ? `who has ${layer.targetIp}? tell ${layer.senderIp} (${layer.senderMac})`
        : `${layer.op}: ${layer.senderIp} is at ${layer.senderMac}`;
    case 'ipv4':
      return ipv4Text(layer);
    case 'udp':
      return `${layer.srcPort} > ${layer.dstPort}, length ${layer.udpLength}, ${sum(layer)}`;
    case 'tcp':
      return tcpText(layer);
    case 'tcp-start':
      return `${layer.srcPort} > ${layer.dstPort}, seq ${layer.seq}`;
    case 'icmp':
      return icmpText(layer);
    case 'vxlan':
      return `VNI ${layer.vni}, flags 0x${layer.flags.toString(16).padStart(2, '0')}`;
    case 'wireguard':
      return wireguardText(layer);
    case 'payload':
      return `${layer.length} bytes`;
    case 'trailer':
      return `${layer.length} bytes of padding`;
  }
}

function ipv4Text(layer: Dissected<'ipv4'>): string {
  const flags = [layer.df ? 'DF' : '', layer.mf ? 'MF' : ''].filter((f) => f !== '').join(' ');
  const fragment = layer.fragmentOffset > 0 ? `, offset ${layer.fragmentOffset * 8}` : '';
  return [
    `${layer.src} > ${layer.dst}`,
    `protocol ${layer.protocol}${layer.protocol === ipv4.PROTO_IPIP ? ' (IPIP)' : ''}`,
    `ttl ${layer.ttl}`,
    `tos 0x${layer.tos.toString(16)}`,
    `id ${layer.id}`,
    flags === '' ? 'no flags' : flags,
    `length ${layer.totalLength}${fragment}`,
    sum(layer),
  ].join(', ');
}

function tcpText(layer: Dissected<'tcp'>): string {
  const options = layer.options.map((option) => {
    if (option.option === 'mss') return `mss ${option.value}`;
    if (option.option === 'windowScale') return `wscale ${option.shift}`;
    if (option.option === 'sackPermitted') return 'sackOK';
    if (option.option === 'timestamps') return `TS ${option.value} ${option.echo}`;
    return option.option;
  });
  const tail = options.length === 0 ? '' : `, options [${options.join(', ')}]`;
  return `${layer.srcPort} > ${layer.dstPort}, flags [${layer.flags}], seq ${layer.seq}, ack ${layer.ack}, win ${layer.window}, ${sum(layer)}${tail}`;
}

function icmpText(layer: Dissected<'icmp'>): string {
  const echo = layer.id === undefined ? '' : `, id ${layer.id}, seq ${layer.seq ?? 0}`;
  const mtu = layer.mtu === undefined ? '' : `, next-hop MTU ${layer.mtu}`;
  return `${layer.type}, code ${layer.code}${echo}${mtu}, ${sum(layer)}`;
}

function wireguardText(layer: Dissected<'wireguard'>): string {
  const parts = [
    layer.sender === undefined ? '' : `sender ${layer.sender}`,
    layer.receiver === undefined ? '' : `receiver ${layer.receiver}`,
    layer.counter === undefined ? '' : `counter ${layer.counter}`,
  ];
  return [layer.type, ...parts.filter((p) => p !== '')].join(', ');
}
