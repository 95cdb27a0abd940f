/**
 * Encrypted packets from pod to pod, and through two wireguard-go on the same machine.
 * Each packet is sealed by one end and opened by the other; processor time of both ends
 * counts, user and system.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildFrame, Cluster, editManifests, planCluster, readManifests } from '../dist/index.js';
import { absent, figure, ratios } from './figures.mjs';
import { median, progress } from './tool.mjs';

const ROUND_MS = 400;
/** Bytes of the Ethernet frame at the pod, as in the other tables; the tunnel carries 14 less. */
const SIZES = [64, 1400];
const ETHERNET = 14;
const UDP_IP = 28;
/** Packets on their way at once, each way's answer to all of them is one more. */
const BURST = 32;
const PORT = 5001;
const SELF = fileURLToPath(import.meta.url);

/** Two nodes that encrypt, as one contestant. */
function ours(size) {
  const set = ['felixconfiguration/default.wireguardEnabled=true'];
  const manifests = editManifests(readManifests('fixtures/calico-vxlan'), set);
  const cluster = Cluster.fromPlan(planCluster(manifests));
  const port = cluster.names.port('k8s-node1:calid2918f95dae');
  const frame = buildFrame([
    { layer: 'ethernet', src: '02:00:00:00:00:01', dst: 'ee:ee:ee:ee:ee:ee' },
    { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136' },
    { layer: 'udp', srcPort: 1, dstPort: 2 },
    { layer: 'payload', bytes: new Uint8Array(size - ETHERNET - UDP_IP) },
  ]);
  const send = (count) => {
    const before = cluster.counts.delivered;
    for (let i = 0; i < count; i++) cluster.arrive(port, frame);
    cluster.run();
    return cluster.counts.delivered - before;
  };
  send(1);
  if (cluster.keys.handshakes.length === 0) throw new Error('nothing is encrypted');
  send(2000);
  return async (ms) => {
    const end = performance.now() + ms;
    const start = process.cpuUsage();
    let packets = 0;
    while (performance.now() < end) {
      const delivered = send(256);
      if (delivered !== 256) throw new Error(`${delivered} of 256 packets arrived`);
      packets += delivered;
    }
    const { user, system } = process.cpuUsage(start);
    return { packets, seconds: (user + system) / 1e6 };
  };
}

/** Why wireguard-go cannot be had here, or nothing. */
function missing() {
  for (const [tool, ...args] of [
    ['wireguard-go', '--version'],
    ['wg', '--version'],
    ['ip', '-V'],
  ]) {
    if (spawnSync(tool, args).error !== undefined) return `${tool} is not installed`;
  }
  if (!existsSync('/dev/net/tun')) return '/dev/net/tun is missing';
  return process.getuid?.() === 0 ? undefined : 'not root';
}

const run = (command, args, input) =>
  execFileSync(command, args, { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] }).trim();

/** A wireguard-go whose socket is here and whose TUN device is in a namespace of its own. */
class Peer {
  constructor(mark, address) {
    this.device = `pwb${process.pid}${mark}`;
    this.address = address;
    this.privateKey = run('wg', ['genkey']);
    this.publicKey = run('wg', ['pubkey'], this.privateKey);
    this.child = spawn('wireguard-go', ['-f', this.device], {
      env: { ...process.env, WG_PROCESS_FOREGROUND: '1', LOG_LEVEL: 'silent' },
      stdio: 'ignore',
    });
  }

  async up() {
    const { device } = this;
    for (let tries = 0; spawnSync('wg', ['show', device]).status !== 0; tries++) {
      if (tries === 100) throw new Error('wireguard-go did not come up');
      await wait(50);
    }
    const folder = mkdtempSync(join(tmpdir(), 'podwire-bench-'));
    try {
      // The tool reads a key from a file only.
      const file = join(folder, 'key');
      writeFileSync(file, this.privateKey, { mode: 0o600 });
      run('wg', ['set', device, 'private-key', file]);
    } finally {
      rmSync(folder, { recursive: true });
    }
    run('ip', ['netns', 'add', device]);
    run('ip', ['link', 'set', device, 'netns', device]);
    run('ip', ['-n', device, 'addr', 'add', `${this.address}/24`, 'dev', device]);
    run('ip', ['-n', device, 'link', 'set', device, 'mtu', '1420', 'up']);
    this.port = run('wg', ['show', device, 'listen-port']);
  }

  meet({ publicKey, address, port }) {
    const peer = ['peer', publicKey, 'allowed-ips', `${address}/32`];
    run('wg', ['set', this.device, ...peer, 'endpoint', `127.0.0.1:${port}`]);
  }

  /** Packets that came out of the tunnel. */
  get opened() {
    const [link] = JSON.parse(
      run('ip', ['-n', this.device, '-j', '-s', 'link', 'show', this.device]),
    );
    return link.stats64.rx.packets;
  }

  get seconds() {
    const text = readFileSync(`/proc/${this.child.pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // USER_HZ is 100 on every architecture of Node.
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  inside(...args) {
    const line = ['netns', 'exec', this.device, process.execPath, SELF, ...args];
    return spawn('ip', line, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  down() {
    this.child.kill();
    spawnSync('ip', ['netns', 'del', this.device]);
  }
}

/** Sends bursts; the next goes when the one before was answered, so that nothing is lost. */
function flood(address, length, ms) {
  const socket = createSocket('udp4');
  const payload = Buffer.alloc(length);
  let due;
  const burst = () => {
    clearTimeout(due);
    for (let i = 0; i < BURST; i++) {
      payload[0] = i === BURST - 1 ? 1 : 0;
      socket.send(Buffer.from(payload), PORT, address);
    }
    due = setTimeout(burst, 200);
  };
  socket.on('message', burst);
  burst();
  setTimeout(() => process.exit(), ms);
}

function answer() {
  const socket = createSocket('udp4');
  socket.on('message', (payload, from) => {
    if (payload[0] === 1) socket.send(Buffer.alloc(1), from.port, from.address);
  });
  socket.bind(PORT);
}

async function theirs(peers, size, ms) {
  const [a, b] = peers;
  const child = a.inside('--flood', b.address, String(size - ETHERNET - UDP_IP), String(ms + 300));
  const ended = new Promise((done) => child.once('close', done));
  // The sender's start costs the two nothing, but it takes its time.
  await wait(150);
  const count = () => ({
    packets: a.opened + b.opened,
    seconds: a.seconds + b.seconds,
  });
  const before = count();
  await ended;
  const after = count();
  return { packets: after.packets - before.packets, seconds: after.seconds - before.seconds };
}

export async function bench({ rounds }) {
  const why = missing();
  const contestants = SIZES.flatMap((size) => [
    { name: `podwire, ${size} B`, size, measure: ours(size) },
    ...(why === undefined ? [{ name: `wireguard-go, ${size} B`, size }] : []),
  ]);
  const peers = [];
  let echo;
  const rates = contestants.map(() => []);
  try {
    if (why === undefined) {
      peers.push(new Peer('a', '10.99.0.1'), new Peer('b', '10.99.0.2'));
      for (const peer of peers) await peer.up();
      peers[0].meet(peers[1]);
      peers[1].meet(peers[0]);
      echo = peers[1].inside('--answer');
      await theirs(peers, SIZES[0], 1000);
    }
    for (let round = 0; round < rounds; round++) {
      for (const [n, { size, measure }] of contestants.entries()) {
        // Their clock counts hundredths of a second.
        const taken = await (measure?.(ROUND_MS) ?? theirs(peers, size, ROUND_MS * 3));
        if (taken.packets < 1000) throw new Error('the tunnel carries next to nothing');
        rates[n].push(taken.packets / taken.seconds);
      }
      progress(`wireguard: round ${round + 1} of ${rounds}`);
    }
  } finally {
    echo?.kill();
    for (const peer of peers) peer.down();
  }
  const rows = contestants.map(({ name, size }, n) => {
    const sorted = [...rates[n]].sort((x, y) => x - y);
    const kilo = (value) => (value / 1e3).toFixed(1);
    const megabits = (median(sorted) * (size - ETHERNET) * 8) / 1e6;
    const spread = `${kilo(sorted[0])} k to ${kilo(sorted.at(-1))} k`;
    return `| ${name} | ${kilo(median(sorted))} k | ${spread} | ${megabits.toFixed(0)} |`;
  });
  const note = why === undefined ? '' : `\n**wireguard-go could not be measured here: ${why}.**\n`;
  const figures =
    why === undefined
      ? SIZES.map((size, i) =>
          figure(
            `encrypted, pod to pod, ${size} B, vs wireguard-go`,
            ratios(rates[2 * i], rates[2 * i + 1]),
          ),
        )
      : [absent('encrypted, pod to pod, vs wireguard-go', why)];
  const markdown = `## Encrypted, pod to pod

Packets that one end sealed and the other opened, by the processor time of both, user and system; ${rounds}
interleaved rounds. podwire's has in it all of the way through both nodes' tables and rules; that of two wireguard-go,
whose answers count as packets (one in ${BURST + 1}), the system calls of their sockets and TUN devices.

| what | packets per CPU second, median | least to most | Mbit/s |
| --- | --- | --- | --- |
${rows.join('\n')}
${note}`;
  return { markdown, figures };
}

const [, , role, ...args] = process.argv;
if (role === '--flood') flood(args[0], Number(args[1]), Number(args[2]));
else if (role === '--answer') answer();
