/** What `ip -d link` says of a VXLAN device, read and printed again, beside a real kernel. */
import { afterAll, describe, expect, it } from 'vitest';
import { plainListing } from '../../src/text/json-reader.ts';
import { linkDevice, parseIpLink } from '../../src/text/link-reader.ts';
import { batch, ours, prepare, real, removeNamespaces } from './kernel-namespace.ts';
import { namespace } from './namespace.ts';

const ready = prepare();
afterAll(removeNamespaces);

const OPTIONS = [
  'ttl 100 tos 0x10 df set',
  'ttl inherit tos inherit df inherit',
  'ttl auto tos 0xb8 noudpcsum',
  'df unset udpcsum',
] as const;

describe.skipIf(!ready)('VXLAN devices as a kernel lists them', () => {
  if (ready) {
    const common = 'local 192.168.33.55 dev enp1s0 dstport 4789 nolearning';
    batch(OPTIONS.map((words, i) => `link add vx${i} type vxlan id ${i + 1} ${common} ${words}`));
  }
  const kindWords = (text: string): string | undefined =>
    /vxlan id .* noudp6zerocsumrx/.exec(text)?.[0];

  it.each(OPTIONS.map((words, i) => [words, `vx${i}`]))('%s', (_, name) => {
    const shown = real(`ip -d link show ${name}`);
    const [listed] = parseIpLink(shown);
    const ns = namespace({ devices: [linkDevice(listed!)] });
    expect(kindWords(ours(ns, `ip -d link show ${name}`))).toBe(kindWords(shown));
    const json = real(`ip -j -d link show ${name}`);
    const info = (text: string) => JSON.parse(text)[0].linkinfo;
    expect(info(ours(ns, `ip -j -d link show ${name}`))).toEqual(info(json));
    const { text } = plainListing(json, { source: 'json', line: 1 }, 'link')!;
    expect(linkDevice(parseIpLink(text)[0]!).vxlan).toEqual(ns.devices[0]!.vxlan);
  });
});
