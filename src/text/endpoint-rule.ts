/** The rule of kube-proxy that sends a connection to an endpoint, in words. */
import type { NetfilterRule } from '../plan/netfilter.ts';

/** Port, chain and service behind a changed destination; empty for any other rule. */
export function endpointText({ target, text }: NetfilterRule): string {
  const chain = text.split(' ')[1] ?? '';
  if (target.kind !== 'dnat' || !chain.startsWith('KUBE-SEP-')) return '';
  const port = target.ports === undefined ? '' : `:${target.ports.from}`;
  // kube-proxy always writes the comment; rules by hand may have none.
  const service = /--comment "?([^" ]+)/.exec(text)?.[1];
  return `${port}, ${service === undefined ? 'an endpoint' : `an endpoint of ${service}`} (${chain})`;
}
