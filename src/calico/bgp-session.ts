/** The two ends of a BGP session, and what each does with routes. */
import type { Ip4 } from '../wire/address.ts';
import type { BgpFilterRules } from './bgp-filter.ts';

export interface Speaker {
  readonly name: string;
  readonly role: 'node' | 'router';
  /** The node address, or a router's first one. */
  readonly address: Ip4;
  readonly asNumber: number;
  /** Present on a route reflector. */
  readonly clusterId: string | undefined;
  readonly multipath: boolean;
}

/** What one end of a session does. */
export interface Policy {
  /** How `calicoctl node status` calls the session here; absent on routers. */
  readonly kind: 'global' | 'node specific' | undefined;
  readonly nextHop: 'auto' | 'self' | 'keep';
  readonly allowedLocalAs: number;
  readonly export: readonly BgpFilterRules[];
  readonly import: readonly BgpFilterRules[];
}

/** A peer about which nothing is said. */
export const PLAIN_POLICY: Policy = {
  kind: undefined,
  nextHop: 'auto',
  allowedLocalAs: 0,
  export: [],
  import: [],
};

export interface Session {
  readonly from: Speaker;
  readonly to: Speaker;
  /** The address that the session is configured with. */
  readonly peer: Ip4;
  /** This end's address. */
  readonly source: Ip4;
  readonly policy: Policy;
  /** The other end's. */
  readonly remote: Policy;
  readonly state: 'up' | 'down' | 'wrong AS';
}

/** Is the other end a client of the reflector? Peers with its own cluster ID are not. */
export const isClient = (reflector: Speaker, peer: Speaker): boolean =>
  reflector.clusterId !== undefined &&
  reflector.asNumber === peer.asNumber &&
  peer.clusterId !== reflector.clusterId;
