/** The kind `Links`: the cables of an imported cluster, so that a reader sees and may change them. */
import type { Field } from '../calico/field.ts';
import type { ClusterPlan, NamespacePlan, SegmentMember, SegmentPlan } from '../plan/plan.ts';
import { connect, type Pair, type Wired } from './wiring.ts';

/** The `spec` of a plan's cables: both ends of every veth, every segment with its members. */
export function linksSpec({ namespaces, segments }: ClusterPlan): object {
  const veths = namespaces.flatMap(({ name, devices }) =>
    devices.flatMap(({ name: device, peer }) => {
      if (peer === undefined) return [];
      const here = `${name}:${device}`;
      const there = `${peer.namespace}:${peer.device}`;
      // Each pair once, the end first that a node holds.
      return device.startsWith('cali') || (!peer.device.startsWith('cali') && here < there)
        ? [{ a: here, b: there }]
        : [];
    }),
  );
  return {
    veths,
    segments: segments.map(({ name, mtu, members }) => ({
      name,
      mtu,
      members: members.map(({ namespace, device }) => `${namespace}:${device}`),
    })),
  };
}

/** Replaces the cables that were derived by those written down. Throws ERR_CONFIG_VALUE. */
export function readLinks(spec: Field, wired: Wired): Wired {
  const { namespaces } = wired;
  const bare = namespaces.map((namespace): NamespacePlan => {
    const devices = namespace.devices.map(({ peer: _, ...device }) => device);
    return { ...namespace, devices };
  });
  const pairs = spec
    .entry('veths')
    .items()
    .map((item): Pair => [end(item.entry('a'), namespaces), end(item.entry('b'), namespaces)]);
  const segments = spec
    .entry('segments')
    .items()
    .map(
      (item): SegmentPlan => ({
        name: item.entry('name').text('a name'),
        mtu: item.entry('mtu').integer(68, 65535),
        members: item
          .entry('members')
          .items()
          .map((member) => end(member, namespaces)),
        srcDstCheck: false,
      }),
    );
  return { namespaces: connect(bare, pairs), segments };
}

/** `NAMESPACE:DEVICE` of the cluster. */
function end(at: Field, namespaces: readonly NamespacePlan[]): SegmentMember {
  const expected = 'NODE:DEVICE of this cluster';
  const text = at.text(expected);
  const colon = text.lastIndexOf(':');
  const namespace = text.slice(0, Math.max(0, colon));
  const device = text.slice(colon + 1);
  const known = namespaces.find(({ name }) => name === namespace);
  if (!known?.devices.some(({ name }) => name === device)) throw at.refuse(expected);
  return { namespace, device };
}
