/**
 * What a pod or its namespace asks of IPAM in annotations (cni-plugin k8s.go). Each
 * holds a JSON list, so that a mistake in it is found here and not by the YAML reader.
 */
import type { Ip4 } from '../wire/address.ts';
import { tryIp4 } from '../wire/address.ts';
import type { Field, Given } from './field.ts';

/** Names or CIDRs in `ipv4pools`, in the order of preference. */
export function readPoolRequest(annotations: Field): Given<readonly string[]> | undefined {
  const at = annotations.entry('cni.projectcalico.org/ipv4pools');
  const value = at.optional((f) => jsonTexts(f, 'a JSON list of names or CIDRs of pools'));
  return value === undefined || value.length === 0 ? undefined : { value, at };
}

/** The IPv4 address in `ipAddrs`, or in `ipAddrsNoIpam`, which no pool need contain. */
export function readAddressRequest(
  annotations: Field,
): { address: Given<Ip4>; addressing: 'requested' | 'outside IPAM' } | undefined {
  const inside = annotations.entry('cni.projectcalico.org/ipAddrs');
  const outside = annotations.entry('cni.projectcalico.org/ipAddrsNoIpam');
  if (!inside.absent && !outside.absent) {
    throw outside.conflict('ipAddrs or ipAddrsNoIpam', 'both');
  }
  const at = inside.absent ? outside : inside;
  const address = at.optional(firstAddress);
  if (address === undefined) return undefined;
  return {
    address: { value: address, at },
    addressing: inside.absent ? 'outside IPAM' : 'requested',
  };
}

function firstAddress(at: Field): Ip4 | undefined {
  const expected = 'a JSON list of at most one IPv4 and one IPv6 address';
  const texts = jsonTexts(at, expected).filter((text) => !text.includes(':'));
  const address = texts.map(tryIp4)[0];
  if (texts.length > 1 || (texts.length === 1 && address === undefined)) throw at.refuse(expected);
  return address;
}

/** Longer ones are nobody's request for a pod. */
const MAX_LENGTH = 4096;

function jsonTexts(at: Field, expected: string): string[] {
  const text = at.text(expected);
  if (text === '') return [];
  let parsed: unknown;
  try {
    parsed = text.length > MAX_LENGTH ? undefined : JSON.parse(text);
  } catch {
    throw at.refuse(expected);
  }
  if (!Array.isArray(parsed)) throw at.refuse(expected);
  return parsed.map((item: unknown) => {
    if (typeof item !== 'string') throw at.refuse(expected);
    return item;
  });
}
