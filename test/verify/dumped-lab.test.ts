/** What an engineer brings from a running cluster: dumps and captures, with parts missing. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { openLab } from '../../src/verify/open-lab.ts';
import { verifyWithChanges } from '../../src/verify/placement.ts';
import { agrees, comparedFrames, formatVerify, verifyReport } from '../../src/verify/report.ts';

const OUT = join('..', 'shared', 'oracle', 'out');
const folder = mkdtempSync(join(tmpdir(), 'podwire-dumped-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let bag = '';
beforeEach(() => {
  bag = mkdtempSync(join(folder, 'bag-'));
});

function put(path: string, content: string | Buffer): void {
  const at = join(bag, path);
  mkdirSync(join(at, '..'), { recursive: true });
  writeFileSync(at, content);
}

/** The tables of a recorded lab by namespace and command, as they were before. */
function listings(lab: string): { node: string; command: string; text: string }[] {
  let node = '';
  const found: { node: string; command: string; text: string }[] = [];
  for (const line of readFileSync(join(OUT, lab, 'tables.before.txt'), 'utf8').split('\n')) {
    if (line.startsWith('##### namespace ')) node = line.slice(16);
    else if (/^# (?!Generated|Completed)/.test(line)) {
      found.push({ node, command: line.slice(2), text: '' });
    } else if (found.length > 0) found.at(-1)!.text += `${line}\n`;
  }
  return found;
}

const captured = (lab: string): string[] =>
  readdirSync(join(OUT, lab)).filter((name) => name.endsWith('.pcap'));

/** The folder of a lab without its scenario, and with the captures and listings that are wanted. */
function bring(
  lab: string,
  wanted: (capture: string) => boolean = () => true,
  listed: (command: string) => boolean = () => true,
): void {
  for (const name of captured(lab).filter(wanted)) put(name, readFileSync(join(OUT, lab, name)));
  let text = '';
  for (const one of listings(lab).filter(({ command }) => listed(command))) {
    text += `##### namespace ${one.node}\n# ${one.command}\n${one.text}`;
  }
  put('tables.txt', text);
}

function verified() {
  const lab = openLab(bag);
  return verifyReport(verifyWithChanges(lab), lab);
}

/** The frame as `tcpdump -i any` has it: who sent it, and whether that was this very device. */
function cooked(frame: Buffer, index: number, mac: string): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(frame.readUInt16BE(12), 0);
  header.writeUInt32BE(index, 4);
  header.writeUInt16BE(1, 8);
  const isOwn = frame.toString('hex', 6, 12) === mac;
  header[10] = isOwn ? 4 : (frame[0]! & 1) === 1 ? 1 : 0;
  header[11] = 6;
  frame.copy(header, 12, 6, 12);
  return Buffer.concat([header, frame.subarray(14)]);
}

const macOf = (links: string, device: string): string =>
  links
    .slice(links.indexOf(`: ${device}`))
    .match(/link\/ether (\S+)/)![1]!
    .replaceAll(':', '');

const isNic = (name: string): boolean => name.includes('.enp1s0.');
const isPod = (name: string): boolean => /^[abc]\d\./.test(name);

if (!existsSync(OUT)) {
  console.warn('SKIPPED: no recorded labs here');
  it.skip('are not here', () => {});
} else {
  describe('a lab of which nobody wrote down the topology', () => {
    it.each([
      '01-direct',
      '02-same-node',
      '03-ipip',
      '04-vxlan',
      '04-vxlan-offload',
      '05-ipip-cross',
      '07-host-vxlan',
      '10-mtu-vxlan',
      '13-nat',
      '14-service',
    ])('%s is rebuilt from its tables, and agrees', (lab) => {
      bring(lab);
      const report = verified();
      expect(formatVerify(report)).toMatch(/ equal/);
      expect(agrees(report)).toBe(true);
      expect(comparedFrames(report)).toBeGreaterThan(50);
      // What a pod sent is put in where its own capture has it: that proves nothing.
      expect(report.brought?.given.length).toBeGreaterThan(0);
    });

    it.each(['01-direct', '03-ipip', '04-vxlan', '05-ipip-cross', '13-nat', '14-service'])(
      '%s agrees where only wires of nodes were captured',
      (lab) => {
        bring(lab, isNic);
        const report = verified();
        expect(agrees(report)).toBe(true);
        expect(comparedFrames(report)).toBeGreaterThan(30);
        expect(report.unheard).toContainEqual({
          namespace: 'a1',
          interface: 'eth0',
          heardBy: 'node1',
        });
      },
    );

    it.each(['04-vxlan', '07-host-vxlan', '10-mtu-vxlan', '14-service'])(
      '%s agrees where only one node was captured',
      (lab) => {
        bring(lab, (name) => name.startsWith('node1.'));
        const report = verified();
        expect(agrees(report)).toBe(true);
        expect(report.unheard).toContainEqual({ namespace: 'node2', heardBy: 'others' });
      },
    );

    it.each(['02-same-node', '03-ipip', '04-vxlan'])(
      '%s agrees where only pods were captured',
      (lab) => {
        bring(lab, isPod);
        expect(agrees(verified())).toBe(true);
      },
    );

    it('is told from a folder of its own for each node, a file for each command', () => {
      for (const name of captured('04-vxlan')) {
        const [node = '', ...device] = name.split('.');
        put(`${node}/${device.join('.')}`, readFileSync(join(OUT, '04-vxlan', name)));
      }
      for (const { node, command, text } of listings('04-vxlan')) {
        if (/^(ip|bridge|sysctl|iptables)/.test(command)) {
          const words = command.replace(/ \(.*/, '').replaceAll(' ', '-');
          put(`${node}/${words}.txt`, text);
        }
      }
      expect(agrees(verified())).toBe(true);
    });

    it('disagrees where a table is not what the frames met, and says by which route', () => {
      bring('04-vxlan');
      const at = join(bag, 'tables.txt');
      const wrong = readFileSync(at, 'utf8').replaceAll('dst 192.168.33.57', 'dst 192.168.33.1');
      writeFileSync(at, wrong);
      const report = verified();
      expect(agrees(report)).toBe(false);
      expect(report.differences.some(({ decision }) => decision !== '')).toBe(true);
    });

    it('names the table that is missing, and its command', () => {
      bring('04-vxlan', undefined, (command) => !command.startsWith('bridge'));
      const report = verified();
      expect(agrees(report)).toBe(false);
      expect(formatVerify(report)).toMatch(/missing: node1’?'?s FDB entry .*bridge fdb show/);
    });
  });

  it.each([
    ['ip -d link', /^ip -d link/],
    ['iptables-save', /^(iptables|ipset)/],
    ['sysctl -a', /^sysctl/],
    ['ip neigh', /^(ip neigh|arp)/],
    ['ip rule', /^ip rule/],
  ])('a listing that nobody made is named by its command: %s', (command, pattern) => {
    bring('13-nat', undefined, (listed) => !pattern.test(listed));
    const told = verified().brought?.missing ?? [];
    expect(told.join('\n')).toContain(`node1: no output of \`${command}\``);
    expect(told.join('\n')).not.toContain('no output of `ip route');
  });

  describe('captures', () => {
    it('count in pcapng and in nanoseconds', () => {
      bring('03-ipip', (name) => !isNic(name));
      for (const name of captured('03-ipip').filter(isNic)) {
        const writer = new CaptureWriter(join(bag, name.replace('pcap', 'pcapng')), {
          format: 'pcapng',
          nanosecond: true,
        });
        for (const { seconds, nanoseconds, bytes } of openCapture(join(OUT, '03-ipip', name))) {
          writer.write(seconds, nanoseconds, bytes);
        }
        writer.close();
      }
      const report = verified();
      expect(agrees(report)).toBe(true);
      expect(report.interfaces.some((one) => one.interface === 'enp1s0')).toBe(true);
    });

    it('count of a whole node, from any interface and in one file', () => {
      bring('04-vxlan', (name) => !name.startsWith('node1.'));
      const links = listings('04-vxlan').find(
        (l) => l.node === 'node1' && /-d link/.test(l.command),
      );
      const indexOf = (device: string): number =>
        Number(new RegExp(`^(\\d+): ${device.replace('.', '\\.')}[@:]`, 'm').exec(links!.text)![1]);
      const own = captured('04-vxlan').filter((name) => name.startsWith('node1.'));
      const frames = own.flatMap((name) => {
        const device = name.slice('node1.'.length, -'.pcap'.length);
        return [...openCapture(join(OUT, '04-vxlan', name))].map((r) => ({
          ...r,
          bytes: cooked(r.bytes, indexOf(device), macOf(links!.text, device)),
        }));
      });
      const writer = new CaptureWriter(join(bag, 'node1.any.pcap'), { linkType: 276 });
      const inOrder = frames.sort((a, b) => a.seconds - b.seconds || a.nanoseconds - b.nanoseconds);
      for (const { seconds, nanoseconds, bytes } of inOrder) {
        writer.write(seconds, nanoseconds, bytes);
      }
      writer.close();
      const report = verified();
      expect(agrees(report)).toBe(true);
      const there = report.interfaces.filter(({ namespace }) => namespace === 'node1');
      expect(there.map((one) => one.interface).sort()).toEqual(['enp1s0', 'vxlan.calico']);
    });

    it('that tell no interfaces apart are refused, with what does', () => {
      bring('04-vxlan');
      const writer = new CaptureWriter(join(bag, 'node1.any.pcap'), { linkType: 113 });
      writer.write(0, 0, Buffer.alloc(60));
      writer.close();
      expect(verified).toThrow(/node1\.any\.pcap: expected .*LINUX_SLL2 -i any/);
    });

    it('have IPv6, VLANs and frames of switches set aside', () => {
      bring('03-ipip');
      const at = join(bag, 'node1.enp1s0.pcap');
      const frames = [...openCapture(at)].map((r) => ({ ...r, bytes: Buffer.from(r.bytes) }));
      const writer = new CaptureWriter(at);
      for (const { seconds, nanoseconds, bytes } of frames)
        writer.write(seconds, nanoseconds, bytes);
      const { seconds, nanoseconds } = frames[0]!;
      for (const tail of ['86dd6000', '81000064080045', '88cc0207', '0026424203']) {
        const head = '0180c2000000525400aabbcc';
        writer.write(seconds, nanoseconds, Buffer.from(`${head}${tail}${'00'.repeat(46)}`, 'hex'));
      }
      writer.close();
      const report = verified();
      expect(agrees(report)).toBe(true);
      expect(report.brought?.aside.map(({ protocol }) => protocol)).toEqual([
        'IPv6',
        'VLAN 100',
        'LLDP',
        '802.3 LLC',
      ]);
    });

    it('count as far as they go where the last frame was not written in full', () => {
      bring('03-ipip');
      const whole = readFileSync(join(OUT, '03-ipip', 'b1.eth0.pcap'));
      put('b1.eth0.pcap', whole.subarray(0, whole.length - 5));
      const report = verified();
      expect(report.brought?.unused.join()).toContain(
        'b1.eth0.pcap: ends in the middle of a frame',
      );
      expect(report.totals.extra).toBe(1);
    });

    it('that were cut by a snapshot length are refused with what keeps all', () => {
      bring('03-ipip');
      const cut = readFileSync(join(OUT, '03-ipip', 'b1.eth0.pcap'));
      cut.writeUInt32LE(cut.readUInt32LE(24 + 8) + 100, 24 + 12);
      put('b1.eth0.pcap', cut);
      expect(verified).toThrow(/b1\.eth0\.pcap: expected whole frames, .*tcpdump -s 0 keeps all/);
    });

    it('of nobody the tables tell of are named, not used', () => {
      bring('03-ipip');
      put('node9.eth0.pcap', readFileSync(join(bag, 'b1.eth0.pcap')));
      put('node1.eth7.pcap', readFileSync(join(bag, 'b1.eth0.pcap')));
      put('node1.enp1s0.pcap.gz', Buffer.from([31, 139]));
      const unused = verified().brought?.unused ?? [];
      expect(unused.join('\n')).toMatch(
        /node9\.eth0\.pcap: expected NODE\.DEVICE\.pcap of .*node1 \(/,
      );
      expect(unused.join('\n')).toContain('node1.eth7.pcap');
      expect(unused.join('\n')).toContain('node1.enp1s0.pcap.gz: compressed');
    });

    it('of a pod alone, in which nothing came, prove nothing', () => {
      bring('03-ipip', () => false);
      const writer = new CaptureWriter(join(bag, 'a1.eth0.pcap'));
      const [first] = openCapture(join(OUT, '03-ipip', 'a1.eth0.pcap'));
      writer.write(first!.seconds, first!.nanoseconds, first!.bytes);
      writer.close();
      const report = verified();
      expect(report.totals).toMatchObject({ frames: 1, equal: 1, missing: 0 });
      expect(comparedFrames(report)).toBe(0);
      expect(agrees(report)).toBe(false);
    });
  });

  describe('a folder that lacks a side', () => {
    it('of captures says how to take them', () => {
      bring('03-ipip', () => false);
      expect(verified).toThrow(/expected captures named NODE\.DEVICE\.pcap .*tcpdump -i DEVICE/);
    });

    it('of tables says which', () => {
      bring('03-ipip');
      rmSync(join(bag, 'tables.txt'));
      expect(verified).toThrow(/expected files of pasted output|ip route/);
    });

    it('of a node says what a node’s tables are', () => {
      bring('03-ipip', isPod);
      const pods = listings('03-ipip').filter(({ node }) => /^[abc]\d$/.test(node));
      let text = '';
      for (const { node, command, text: lines } of pods) {
        text += `##### namespace ${node}\n# ${command}\n${lines}`;
      }
      put('tables.txt', text);
      expect(verified).toThrow(/expected tables of a node .*ip route show table all/);
    });
  });
}
