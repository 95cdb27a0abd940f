/**
 * Policy decided slowly, straight from the resources: for each packet every policy is
 * looked at anew. It shares no code with the chains; selectors are kept as trees.
 */

export type Tree =
  | { readonly is: 'all' }
  | { readonly is: 'has'; readonly key: string }
  | { readonly is: 'equal' | 'differ'; readonly key: string; readonly value: string }
  | { readonly is: 'in' | 'out'; readonly key: string; readonly values: readonly string[] }
  | { readonly is: 'not'; readonly inner: Tree }
  | { readonly is: 'and' | 'or'; readonly left: Tree; readonly right: Tree };

type Tags = Readonly<Record<string, string>>;

export function selectorText(tree: Tree): string {
  switch (tree.is) {
    case 'all':
      return 'all()';
    case 'has':
      return `has(${tree.key})`;
    case 'equal':
      return `${tree.key} == '${tree.value}'`;
    case 'differ':
      return `${tree.key} != "${tree.value}"`;
    case 'in':
    case 'out':
      return `${tree.key} ${tree.is === 'in' ? 'in' : 'not in'} {${tree.values.map((v) => `'${v}'`).join(', ')}}`;
    case 'not':
      return `!(${selectorText(tree.inner)})`;
    default:
      return `(${selectorText(tree.left)}) ${tree.is === 'and' ? '&&' : '||'} (${selectorText(tree.right)})`;
  }
}

function selects(tree: Tree, tags: Tags): boolean {
  switch (tree.is) {
    case 'all':
      return true;
    case 'has':
      return tree.key in tags;
    case 'equal':
      return tags[tree.key] === tree.value;
    case 'differ':
      return tags[tree.key] !== tree.value;
    case 'in':
      return tree.key in tags && tree.values.includes(tags[tree.key]!);
    case 'out':
      return !(tree.key in tags && tree.values.includes(tags[tree.key]!));
    case 'not':
      return !selects(tree.inner, tags);
    case 'and':
      return selects(tree.left, tags) && selects(tree.right, tags);
    default:
      return selects(tree.left, tags) || selects(tree.right, tags);
  }
}

/** A pod, or anything else with an address (then without a namespace). */
export interface TwinPod {
  readonly name: string;
  readonly namespace: string;
  readonly tags: Tags;
  readonly namespaceTags: Tags;
  readonly address: string;
}

export interface TwinEnd {
  readonly nets?: readonly string[];
  readonly notNets?: readonly string[];
  readonly selector?: Tree;
  readonly namespaceSelector?: Tree;
  readonly notSelector?: Tree;
  readonly ports?: readonly (readonly [number, number])[];
  readonly notPorts?: readonly (readonly [number, number])[];
}

export interface TwinRule {
  readonly action: 'Allow' | 'Deny' | 'Log' | 'Pass';
  readonly protocol?: 'TCP' | 'UDP' | 'ICMP';
  readonly notProtocol?: 'TCP' | 'UDP' | 'ICMP';
  readonly icmp?: number;
  readonly source: TwinEnd;
  readonly destination: TwinEnd;
}

export interface TwinPolicy {
  readonly name: string;
  /** Absent: global. */
  readonly namespace?: string;
  readonly tier: string;
  readonly order?: number;
  readonly selector: Tree;
  readonly types?: readonly ('Ingress' | 'Egress')[];
  readonly ingress: readonly TwinRule[];
  readonly egress: readonly TwinRule[];
}

export interface TwinTier {
  readonly name: string;
  readonly order?: number;
  readonly pass: boolean;
}

export interface TwinPacket {
  readonly from: TwinPod;
  readonly to: TwinPod;
  readonly protocol: 'TCP' | 'UDP' | 'ICMP';
  readonly sourcePort: number;
  readonly destinationPort: number;
}

const addressNumber = (text: string): number =>
  text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

function inNet(address: string, net: string): boolean {
  const [base = '', length = '32'] = net.split('/');
  const size = 2 ** (32 - Number(length));
  return Math.floor(addressNumber(address) / size) === Math.floor(addressNumber(base) / size);
}

function endHolds(end: TwinEnd, pod: TwinPod, port: number, own: string | undefined): boolean {
  if (end.nets !== undefined && !end.nets.some((net) => inNet(pod.address, net))) return false;
  if (end.notNets?.some((net) => inNet(pod.address, net))) return false;
  const { selector, namespaceSelector, notSelector } = end;
  if (selector !== undefined && !selects(selector, pod.tags)) return false;
  if (namespaceSelector !== undefined && !selects(namespaceSelector, pod.namespaceTags)) {
    return false;
  }
  const speaks = selector !== undefined || notSelector !== undefined;
  if (namespaceSelector === undefined && own !== undefined && speaks && pod.namespace !== own) {
    return false;
  }
  if (notSelector !== undefined && selects(notSelector, pod.tags)) return false;
  const inside = (list: readonly (readonly [number, number])[]): boolean =>
    list.some(([from, to]) => from <= port && port <= to);
  if (end.ports !== undefined && !inside(end.ports)) return false;
  return end.notPorts === undefined || !inside(end.notPorts);
}

function ruleHolds(rule: TwinRule, packet: TwinPacket, own: string | undefined): boolean {
  if (rule.protocol !== undefined && rule.protocol !== packet.protocol) return false;
  if (rule.notProtocol !== undefined && rule.notProtocol === packet.protocol) return false;
  // All ICMP here are echo requests.
  if (rule.icmp !== undefined && rule.icmp !== 8) return false;
  return (
    endHolds(rule.source, packet.from, packet.sourcePort, own) &&
    endHolds(rule.destination, packet.to, packet.destinationPort, own)
  );
}

type Direction = 'ingress' | 'egress';

function speaksOf(policy: TwinPolicy, direction: Direction): boolean {
  if (policy.types !== undefined) {
    return policy.types.includes(direction === 'ingress' ? 'Ingress' : 'Egress');
  }
  if (direction === 'egress') return policy.egress.length > 0;
  return policy.ingress.length > 0 || policy.egress.length === 0;
}

/** Undefined orders come last; then names, then namespaces. */
function before(a: TwinPolicy, b: TwinPolicy): number {
  const [x, y] = [a.order ?? 1e300, b.order ?? 1e300];
  if (x !== y) return x - y;
  const [p, q] = [`${a.name}\0${a.namespace ?? ''}`, `${b.name}\0${b.namespace ?? ''}`];
  return p < q ? -1 : p > q ? 1 : 0;
}

function passes(
  direction: Direction,
  pod: TwinPod,
  packet: TwinPacket,
  tiers: readonly TwinTier[],
  policies: readonly TwinPolicy[],
): boolean {
  const sorted = [...tiers].sort(
    (a, b) => (a.order ?? 1e300) - (b.order ?? 1e300) || (a.name < b.name ? -1 : 1),
  );
  for (const tier of sorted) {
    const asked = policies
      .filter((policy) => policy.tier === tier.name && speaksOf(policy, direction))
      .filter(({ namespace }) => namespace === undefined || namespace === pod.namespace)
      .filter(({ selector }) => selects(selector, pod.tags))
      .sort(before);
    if (asked.length === 0) continue;
    const rule = asked
      .flatMap((policy) => policy[direction].map((one) => ({ one, own: policy.namespace })))
      .filter(({ one }) => one.action !== 'Log')
      .find(({ one, own }) => ruleHolds(one, packet, own))?.one;
    if (rule?.action === 'Allow') return true;
    if (rule?.action === 'Deny') return false;
    if (rule === undefined && !tier.pass) return false;
  }
  return true;
}

/** Whether the sender may send it and the receiver may have it. */
export const twinAllows = (
  packet: TwinPacket,
  tiers: readonly TwinTier[],
  policies: readonly TwinPolicy[],
): boolean =>
  passes('egress', packet.from, packet, tiers, policies) &&
  passes('ingress', packet.to, packet, tiers, policies);
