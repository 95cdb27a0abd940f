/** A route as `ip route` prints it, without the trailing space: enough to compare with real output. */
import type { ClusterPlan, NamespacePlan, RoutePlan } from '../../src/plan/plan.ts';
import { formatIp4, formatPrefix } from '../../src/wire/address.ts';

function routeLine(route: RoutePlan): string {
  const { destination, type, via, device, protocol, scope, source } = route;
  const to =
    destination.length === 0
      ? 'default'
      : destination.length === 32
        ? formatIp4(destination.address)
        : formatPrefix(destination);
  const words = [type === 'unicast' ? '' : type, to];
  if (via !== undefined) words.push('via', formatIp4(via));
  if (device !== undefined) words.push('dev', device);
  if (protocol !== 'boot') words.push('proto', protocol);
  if (scope !== 'global') words.push('scope', scope);
  if (source !== undefined) words.push('src', formatIp4(source));
  if (route.metric !== 0) words.push('metric', String(route.metric));
  if (route.onlink) words.push('onlink');
  if (route.mtu !== undefined) words.push('mtu', String(route.mtu));
  return words.filter((word) => word !== '').join(' ');
}

export function namespaceOf(plan: ClusterPlan, name: string): NamespacePlan {
  const namespace = plan.namespaces.find((n) => n.name === name);
  if (namespace === undefined) throw new Error(`no namespace ${name} in the plan`);
  return namespace;
}

/** Of the main table, or of another one. */
export const routeLines = (
  plan: ClusterPlan,
  name: string,
  table: RoutePlan['table'] = 'main',
): string[] =>
  namespaceOf(plan, name)
    .routes.filter((route) => route.table === table)
    .map(routeLine)
    .sort();

/** Only what Calico adds: neither the kernel's nor the administrator's routes. */
export const calicoLines = (plan: ClusterPlan, name: string): string[] =>
  namespaceOf(plan, name)
    .routes.filter(({ origin }) => origin !== 'kernel' && origin !== 'admin')
    .map(routeLine)
    .sort();
