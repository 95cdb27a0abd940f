/** Pasted output of `wg`: what it gives, and what is never written down again. */
import { describe, expect, it } from 'vitest';
import { importDumps } from '../../src/import/import-dumps.ts';
import { formatImport, importTables } from '../../src/import/tables-resource.ts';

const SECRET = 'IPCZhEPEHZa3nzWw1c59OCNq9Kv670ALbokrsXoNTFk=';
const SHARED = 'WNWONg3R1FGp4GXBBU5JwLQkD9zJUdXU2zY5cim21Fs=';
/** Of SECRET, by `wg pubkey`. */
const OWN = 'cIYxk1hquSjUeEvoxDDFN5GaLqG56VBoFM7bIAmqHAk=';
const PEER = 'aPxGwq8zERHQ3Q1cOZFdJ+cvJX5Ka4mLN38AyYKYF10=';
const many = Array.from({ length: 60 }, (_, i) => `10.9.${i}.0/26`);

const links = `root@n1:~# ip -d addr
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    inet 192.0.2.1/24 brd 192.0.2.255 scope global eth0
9: wireguard.cali: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1440 qdisc noqueue state UNKNOWN group default qlen 1000
    link/none  promiscuity 0
    wireguard
root@n1:~# ip route
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1
`;
const dumped = {
  one: `root@n1:~# wg show wireguard.cali dump
${SECRET}\t${OWN}\t51820\t0x100000
${PEER}\t${SHARED}\t192.0.2.2:51820\t${many.join(',')}\t0\t0\t0\t25
`,
  all: `root@n1:~# wg show all dump
wireguard.cali ${SECRET} ${OWN} 51820 0x100000
wireguard.cali ${PEER} ${SHARED} 192.0.2.2:51820 ${many.join(',')} 0 0 0 25
`,
  told: `root@n1:~# wg
interface: wireguard.cali
  public key: ${OWN}
  private key: ${SECRET}
  listening port: 51820
  fwmark: 0x100000

peer: ${PEER}
  preshared key: ${SHARED}
  endpoint: 192.0.2.2:51820
  allowed ips: ${many.join(', ')}
  persistent keepalive: every 25 seconds
`,
};
const config = `root@n1:~# wg showconf wireguard.cali
[Interface]
ListenPort = 51820
FwMark = 0x100000
PrivateKey = ${SECRET}

[Peer]
PublicKey = ${PEER}
PresharedKey = ${SHARED}
AllowedIPs = ${many.join(', ')}
Endpoint = 192.0.2.2:51820
PersistentKeepalive = 25
`;
const all = { ...dumped, conf: config };

describe.each(Object.entries(all))('pasted %s', (_, text) => {
  const made = importDumps([
    { path: 'a.txt', text: links + text + (text === config ? '' : config), source: 'a.txt' },
  ]);

  it('gives the device its port, mark and peers', () => {
    const [settings] = made.plan.namespaces.flatMap(({ devices }) =>
      devices.flatMap(({ wireguard }) => wireguard ?? []),
    );
    expect(settings).toMatchObject({ publicKey: OWN, listenPort: 51820, fwmark: 0x100000 });
    expect(settings!.peers).toHaveLength(1);
    expect(settings!.peers[0]).toMatchObject({ publicKey: PEER, persistentKeepalive: 25 });
    expect(settings!.peers[0]!.allowedIps).toHaveLength(60);
  });

  it('no key that is secret is in anything that comes out', () => {
    const written = formatImport(made);
    for (const one of [written, JSON.stringify(made), JSON.stringify(made.plan)]) {
      expect(one).not.toContain(SECRET);
      expect(one).not.toContain(SHARED);
    }
    expect(written).toContain(OWN);
    const again = importTables([{ text: written, source: 'b.yaml' }]);
    expect(again.plan.namespaces.map(({ devices }) => devices)).toEqual(
      made.plan.namespaces.map(({ devices }) => devices),
    );
  });
});
