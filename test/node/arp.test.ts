/** What kinds of ARP messages a kernel answers (arp_process), beside the usual ones. */
import '../accounts.ts';
import { expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import { watch } from '../behaviour/lab.ts';
import { IN, LAN, SmallNetwork } from './small-network.ts';

const MAC = '02:00:00:00:00:02';
const REQUEST = buildFrame([
  { layer: 'ethernet', src: MAC, dst: 'ff:ff:ff:ff:ff:ff' },
  {
    layer: 'arp',
    op: 'request',
    senderMac: MAC,
    senderIp: IN,
    targetMac: '00:00:00:00:00:00',
    targetIp: LAN,
  },
]);

it('a request of the hardware type of IEEE 802 is answered as Ethernet', () => {
  const { cluster } = new SmallNetwork();
  const seen = watch(cluster, 'in:eth0');
  const askedWith = (hardware: number): Buffer[] => {
    const request = Buffer.from(REQUEST);
    request.writeUInt16BE(hardware, 14);
    seen.length = 0;
    cluster.depart(cluster.names.port('in:eth0'), request);
    return seen.filter((frame) => !frame.equals(request));
  };
  const [answer] = askedWith(1);
  expect(dissect(answer!).layers[1]).toMatchObject({ layer: 'arp', op: 'reply', senderIp: LAN });
  expect(askedWith(6)).toEqual([answer]);
  expect(askedWith(2)).toEqual([]);
});
