/**
 * What the kernel of a pod or host counted of the packets it received, for the last ones on
 * their way: nothing comes of a bare acknowledgement, so no capture shows that it arrived.
 */
import * as ethernet from '../wire/ethernet.ts';
import type { InterfaceComparison, JudgedFrame } from './compare.ts';
import type { Lab } from './lab.ts';

export class ReceivedCounts {
  /** Of namespaces with one interface: whatever was counted came by it. */
  private readonly counted: ReadonlyMap<string, number>;

  constructor({ plan, received }: Pick<Lab, 'plan' | 'received'>) {
    this.counted = new Map(
      plan.namespaces.flatMap(({ name, silent, devices }) => {
        const count = received?.get(name);
        const links = devices.filter(({ kind }) => kind !== 'loopback');
        return silent !== true || links.length !== 1 || count === undefined ? [] : [[name, count]];
      }),
    );
  }

  /** The frames that an interface's capture may have lost, where the kernel counted so many more than were recorded. */
  of(one: InterfaceComparison): readonly JudgedFrame[] {
    const counted = this.counted.get(one.namespace);
    if (counted === undefined || one.missing > 0 || one.different > 0) return [];
    const recorded = one.agreed.filter(isReceived).length;
    const made = one.unexpected.filter(isReceived).length;
    return recorded + made <= counted ? one.losable.filter(isReceived) : [];
  }
}

const isReceived = ({ bytes, outgoing }: JudgedFrame): boolean =>
  !outgoing &&
  bytes.length >= ethernet.HEADER_LEN &&
  ethernet.type(bytes, 0) === ethernet.TYPE_IPV4;
