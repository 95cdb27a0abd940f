/**
 * Fields that a what-if edit may add where the file does not have them yet. Names are
 * those of Calico's and Kubernetes' API; a kind without a list takes only what is there.
 */

type Fields = ReadonlyMap<string, readonly string[]>;

const METADATA: readonly string[] = ['annotations', 'labels', 'namespace'];

const SPECS: Fields = new Map([
  [
    'IPPool',
    ['allowedUses', 'assignmentMode', 'blockSize', 'cidr', 'disableBGPExport', 'disabled'].concat([
      'ipipMode',
      'namespaceSelector',
      'natOutgoing',
      'nodeSelector',
      'vxlanMode',
    ]),
  ],
  ['Node', ['addresses', 'bgp', 'ipv4VXLANTunnelAddr', 'vxlanTunnelMACAddr', 'wireguard']],
  [
    'FelixConfiguration',
    [
      'allowIPIPPacketsFromWorkloads',
      'allowVXLANPacketsFromWorkloads',
      'deviceRouteProtocol',
    ].concat(
      ['deviceRouteSourceAddress', 'ipForwarding', 'ipipEnabled', 'ipipMTU', 'mtuIfacePattern'],
      [
        'natOutgoingExclusions',
        'natOutgoingAddress',
        'natPortRange',
        'iptablesNATOutgoingInterfaceFilter',
        'externalNodesList',
        'serviceLoopPrevention',
        'programClusterRoutes',
        'routeSource',
        'vxlanEnabled',
      ],
      ['vxlanMTU', 'vxlanPort', 'vxlanVNI', 'wireguardEnabled', 'wireguardHostEncryptionEnabled'],
      [
        'wireguardInterfaceName',
        'wireguardListeningPort',
        'wireguardKeepAlive',
        'wireguardMTU',
        'removeExternalRoutes',
      ],
    ),
  ],
  [
    'BGPConfiguration',
    ['asNumber', 'listenPort', 'nodeToNodeMeshEnabled', 'programClusterRoutes'].concat([
      'serviceClusterIPs',
      'serviceExternalIPs',
      'serviceLoadBalancerIPs',
    ]),
  ],
  [
    'BGPPeer',
    ['asNumber', 'keepOriginalNextHop', 'nextHopMode', 'node', 'nodeSelector', 'peerIP'].concat([
      'peerSelector',
      'reachableBy',
      'sourceAddress',
      'filters',
      'numAllowedLocalASNumbers',
    ]),
  ],
  ['IPAMConfiguration', ['autoAllocateBlocks', 'maxBlocksPerHost', 'strictAffinity']],
  ['IPAMConfig', ['autoAllocateBlocks', 'maxBlocksPerHost', 'strictAffinity']],
  ['IPReservation', ['reservedCIDRs']],
  ['Pod', ['nodeName', 'hostNetwork']],
  ['Service', ['clusterIP', 'clusterIPs', 'externalIPs', 'externalTrafficPolicy', 'type', 'ports']],
  ['Underlay', ['segments', 'routers', 'hosts', 'defaultGateway', 'srcDstCheck']],
  [
    'FreeInputs',
    ['identifications', 'vxlanSourcePorts', 'checksumOffload', 'ifindex', 'wireguardPrivateKeys'],
  ],
]);

const INNER: Fields = new Map([
  ['Node spec bgp', ['asNumber', 'ipv4Address', 'ipv4IPIPTunnelAddr', 'routeReflectorClusterID']],
  ['Node spec wireguard', ['interfaceIPv4Address']],
  ['Node status', ['wireguardPublicKey', 'podCIDRs']],
  ['Underlay spec segments #', ['members', 'mtu', 'name']],
  ['Underlay spec segments # members #', ['address', 'interface', 'mac', 'name']],
  ['Pod status', ['podIP', 'podIPs', 'phase']],
]);

/** Kinds of which `default` is there without anybody having made it, by lower-case name. */
export const singletons: ReadonlyMap<string, string> = new Map([
  ['felixconfiguration', 'FelixConfiguration'],
  ['bgpconfiguration', 'BGPConfiguration'],
  ['ipamconfiguration', 'IPAMConfiguration'],
]);

/** What may stand at a place of a resource: names, `any`, or nothing known. */
export function knownFields(
  kind: string,
  path: readonly string[],
): readonly string[] | 'any' | undefined {
  const [top, second] = path;
  if (top === undefined) return ['metadata', 'spec', 'status'];
  if (top === 'metadata') {
    if (second === undefined) return METADATA;
    return second === 'labels' || second === 'annotations' ? 'any' : undefined;
  }
  if (top === 'spec' && second === undefined) return SPECS.get(kind);
  return INNER.get([kind, ...path.map((step) => step.replace(/^\d+$/, '#'))].join(' '));
}
