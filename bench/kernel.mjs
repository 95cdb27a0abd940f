/**
 * The way of a packet from pod to pod through this machine's own kernel: veth, both nodes,
 * VXLAN, and a bridge as the wire, in network namespaces that are made from what podwire
 * prints for the same cluster. trafgen sends; what arrives at the other pod counts.
 * Needs root, ip, bridge, trafgen and tcpdump; `missing` says what is not there.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const WIRE = 'podwire-wire';
const TOOLS = ['ip', 'bridge', 'sysctl', 'trafgen', 'tcpdump', 'taskset'];
/** Of trafgen and of the kernel's work for what it sends. */
const CORE = '0';

const run = (command, args, input) =>
  execFileSync(command, args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });

/** Why the kernel cannot take part here, or null. */
export function missing() {
  if (process.getuid?.() !== 0) return 'needs root';
  const absent = TOOLS.filter((tool) => spawnSync('which', [tool]).status !== 0);
  if (absent.length > 0) return `${absent.join(', ')} not installed`;
  const probe = `${WIRE}-probe`;
  if (spawnSync('ip', ['netns', 'add', probe]).status !== 0) return 'no network namespaces';
  const vxlan = ['-n', probe, 'link', 'add', 'v', 'type', 'vxlan', 'id', '1', 'dstport', '4789'];
  const { status } = spawnSync('ip', vxlan);
  spawnSync('ip', ['netns', 'del', probe]);
  return status === 0 ? null : 'the kernel has no vxlan devices';
}

const inside = (name, ...args) => run('ip', ['netns', 'exec', name, ...args]);
/** Commands of ip(8), one a line, in a namespace. */
const batch = (name, lines) => run('ip', ['-n', name, '-batch', '-'], `${lines.join('\n')}\n`);

/** `dev NAME` of a line of ip(8) or bridge(8). */
const deviceOf = (line) => / dev (\S+)/.exec(line)?.[1];

/**
 * Namespaces for two pods and their nodes. `exec(namespace, words)` prints podwire's tables;
 * `ends` are `{pod, node, veth, nic}` by podwire's names, the sender first.
 */
export function openKernel(exec, ends) {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-kernel-'));
  const names = [WIRE, ...ends.flatMap((_, i) => [pod(i), node(i)])];
  const removeNamespaces = () => {
    for (const name of names) spawnSync('ip', ['netns', 'del', name]);
  };
  const close = () => {
    removeNamespaces();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    removeNamespaces();
    for (const name of names) addNamespace(name);
    batch(WIRE, ['link add br0 type bridge', 'link set br0 up']);
    ends.forEach((end, i) => {
      batch(node(i), [
        `link add ${end.veth} type veth peer name eth0 netns ${pod(i)}`,
        `link add ${end.nic} type veth peer name port${i} netns ${WIRE}`,
      ]);
      batch(WIRE, [`link set port${i} master br0`, `link set port${i} up`]);
      copyTables(pod(i), end.pod, ['eth0'], exec);
      copyTables(node(i), end.node, [end.nic, end.veth], exec);
    });
  } catch (error) {
    close();
    throw error;
  }
  return { send: (frame, count) => send(folder, frame, count), captured, close };

  /** The frames that one run of trafgen made at a device of the last pod. */
  async function captured(frame) {
    const file = join(folder, 'arrived.pcap');
    const args = ['netns', 'exec', pod(ends.length - 1), 'tcpdump', '-U', '-c1', '-w', file];
    const tcpdump = spawn('ip', [...args, '-Z', 'root', '-i', 'eth0', 'udp'], { stdio: 'pipe' });
    await new Promise((ready) => tcpdump.stderr.once('data', ready));
    send(folder, frame, 1);
    await new Promise((done) => tcpdump.once('exit', done));
    return readFileSync(file);
  }
}

const pod = (i) => `podwire-pod${i}`;
const node = (i) => `podwire-node${i}`;

function addNamespace(name) {
  run('ip', ['netns', 'add', name]);
  const settings = ['all', 'default'].flatMap((which) => [
    `net.ipv6.conf.${which}.disable_ipv6=1`,
    `net.ipv4.conf.${which}.rp_filter=0`,
  ]);
  inside(name, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', ...settings);
  batch(name, ['link set lo up']);
}

/** Devices that exist here, or are VXLAN's, with their addresses and all that podwire lists for them. */
function copyTables(name, namespace, devices, exec) {
  const links = JSON.parse(exec(namespace, ['ip', '-d', '-j', 'addr']));
  const tunnels = links.filter(({ linkinfo }) => linkinfo?.info_kind === 'vxlan');
  const kept = [...devices, ...tunnels.map(({ ifname }) => ifname)];
  const ours = (line) => kept.includes(deviceOf(line));
  const lines = (words) => exec(namespace, words).split('\n').filter(ours);
  const setUp = ({ ifname, address, mtu, addr_info: addresses }) => [
    `link set ${ifname} address ${address} mtu ${mtu} up`,
    ...addresses
      .filter(({ family }) => family === 'inet')
      .map(({ local, prefixlen }) => `addr add ${local}/${prefixlen} dev ${ifname}`),
  ];
  const physical = links.filter(({ ifname }) => devices.includes(ifname));
  batch(name, physical.flatMap(setUp));
  const add = ({ ifname, linkinfo: { info_data: vxlan } }) =>
    `link add ${ifname} type vxlan id ${vxlan.id} local ${vxlan.local} dev ${vxlan.link} dstport ${vxlan.port} nolearning`;
  batch(
    name,
    tunnels.flatMap((tunnel) => [add(tunnel), ...setUp(tunnel)]),
  );
  const routes = lines(['ip', 'route']).filter((line) => !line.includes('proto kernel'));
  // A gateway needs the route to it first.
  routes.sort((a, b) => Number(a.includes(' via ')) - Number(b.includes(' via ')));
  batch(
    name,
    routes.map((line) => `route add ${line}`),
  );
  const neighbours = lines(['ip', 'neigh']).map((line) => line.split(' '));
  batch(
    name,
    neighbours.map(([ip, , device, , mac]) => `neigh replace ${ip} dev ${device} lladdr ${mac}`),
  );
  for (const line of lines(['bridge', 'fdb', 'show'])) {
    if (line.includes(' dst ')) inside(name, 'bridge', 'fdb', 'replace', ...line.split(' '));
  }
}

const arrivedAt = (name) =>
  Number(inside(name, 'cat', '/sys/class/net/eth0/statistics/rx_packets'));

/** Sends a frame `count` times from the first pod; all of it runs on one core. */
function send(folder, frame, count) {
  const config = join(folder, 'frame.cfg');
  writeFileSync(config, `{ ${[...frame].join(', ')} }\n`);
  const before = arrivedAt(pod(1));
  const start = process.hrtime.bigint();
  const sender = ['taskset', '-c', CORE, 'trafgen', '-i', config, '-o', 'eth0', '-P1', '-q'];
  inside(pod(0), ...sender, '--no-sock-mem', '-n', String(count));
  let arrived = 0;
  let end = start;
  // What is still on its way when trafgen ends arrives in less than a millisecond.
  for (let tries = 0; tries < 3 && arrived < count; tries++) {
    arrived = arrivedAt(pod(1)) - before;
    end = process.hrtime.bigint();
  }
  return { arrived, seconds: Number(end - start) / 1e9 };
}
