/**
 * Host endpoints decided slowly, straight from the resources and Calico's documents of
 * their semantics, for the first packet of a connection; no code is shared with the chains.
 */

export type Protocol = 'TCP' | 'UDP';

export interface HostRule {
  readonly action: 'Allow' | 'Deny' | 'Pass';
  readonly protocol?: Protocol;
  /** Of the far end. */
  readonly net?: string;
  /** Of the receiver. */
  readonly ports?: readonly number[];
}

export interface HostPolicy {
  readonly name: string;
  readonly order: number;
  readonly stage: 'normal' | 'forward' | 'preDNAT' | 'doNotTrack';
  readonly ingress?: readonly HostRule[];
  readonly egress?: readonly HostRule[];
}

/** The one host endpoint: of all devices or of the NIC, with a profile that allows all or none. */
export interface Host {
  readonly whole: boolean;
  readonly open: boolean;
}

/** Where a packet comes from and goes to, as its node sees it. */
export interface Question {
  readonly from: 'nic' | 'pod' | 'self';
  readonly to: 'nic' | 'pod' | 'self';
  readonly source: string;
  readonly destination: string;
  readonly protocol: Protocol;
  readonly port: number;
}

const FAILSAFE_IN = ['TCP 22', 'UDP 68', 'TCP 179', 'TCP 6443'];
const FAILSAFE_OUT = ['UDP 53', 'UDP 67', 'TCP 179', 'TCP 6443'];

const number = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

function inside(address: string, net: string): boolean {
  const [base = '', length = '32'] = net.split('/');
  const size = 2 ** (32 - Number(length));
  return Math.floor(number(address) / size) === Math.floor(number(base) / size);
}

type Verdict = 'allow' | 'deny' | 'pass' | 'silent' | 'nobody';

/** What the policies of one stage say in one direction; `nobody` if none speaks of it. */
function ask(
  policies: readonly HostPolicy[],
  stages: readonly HostPolicy['stage'][],
  direction: 'ingress' | 'egress',
  q: Question,
): Verdict {
  const asked = policies
    .filter((policy) => stages.includes(policy.stage) && policy[direction] !== undefined)
    .sort((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1));
  if (asked.length === 0) return 'nobody';
  const far = direction === 'ingress' ? q.source : q.destination;
  const rule = asked
    .flatMap((policy) => policy[direction] ?? [])
    .find(
      ({ protocol, net, ports }) =>
        (protocol === undefined || protocol === q.protocol) &&
        (net === undefined || inside(far, net)) &&
        (ports === undefined || ports.includes(q.port)),
    );
  if (rule === undefined) return 'silent';
  return rule.action === 'Allow' ? 'allow' : rule.action === 'Deny' ? 'deny' : 'pass';
}

export function hostAllows(host: Host, policies: readonly HostPolicy[], q: Question): boolean {
  const safe = (list: readonly string[]): boolean => list.includes(`${q.protocol} ${q.port}`);
  const governs = (end: 'nic' | 'pod'): boolean => end === 'nic' || host.whole;
  let accepted = false;

  // Untracked policy: of a named device only, and never of a pod's.
  if (q.from === 'nic' && !host.whole && !safe(FAILSAFE_IN)) {
    const said = ask(policies, ['doNotTrack'], 'ingress', q);
    if (said === 'deny') return false;
    accepted = said === 'allow';
  }
  if (q.from === 'self' && q.to === 'nic' && !host.whole && !safe(FAILSAFE_OUT)) {
    const said = ask(policies, ['doNotTrack'], 'egress', q);
    if (said === 'deny') return false;
    if (said === 'allow') return true;
  }
  // Before NAT, whatever comes in.
  if (q.from !== 'self' && governs(q.from) && !accepted && !safe(FAILSAFE_IN)) {
    const said = ask(policies, ['preDNAT'], 'ingress', q);
    if (said === 'deny') return false;
    accepted = said === 'allow';
  }
  if (q.from === 'nic' && q.to === 'self') {
    return (
      accepted ||
      normal(host, ask(policies, ['normal', 'forward'], 'ingress', q), safe(FAILSAFE_IN))
    );
  }
  if (q.from === 'self' && q.to === 'nic') {
    return normal(host, ask(policies, ['normal', 'forward'], 'egress', q), safe(FAILSAFE_OUT));
  }
  // Between a node and its own pods.
  if (q.from === 'self' || q.to === 'self') return true;
  if (governs(q.from) && !accepted && refuses(ask(policies, ['forward'], 'ingress', q)))
    return false;
  return !(governs(q.to) && refuses(ask(policies, ['forward'], 'egress', q)));
}

const refuses = (said: Verdict): boolean => said === 'deny' || said === 'silent';

function normal({ open }: Host, said: Verdict, failsafe: boolean): boolean {
  if (failsafe || said === 'allow') return true;
  return refuses(said) ? false : open;
}
