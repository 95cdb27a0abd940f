/**
 * A real WireGuard peer: wireguard-go with its UDP socket here, and its TUN device
 * in a network namespace of its own, so that nothing on this machine changes.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** Why there can be no such peer here, or nothing. */
export function missing(): string | undefined {
  for (const [command, ...args] of [
    ['wireguard-go', '--version'],
    ['wg', '--version'],
    ['ip', '-V'],
    ['ping', '-V'],
  ] as const) {
    if (spawnSync(command, args).error !== undefined) return `${command} is not installed`;
  }
  if (!existsSync('/dev/net/tun')) return '/dev/net/tun is missing';
  return process.getuid?.() === 0 ? undefined : 'not root';
}

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

export interface GoPeerOptions {
  /** Base64. */
  readonly privateKey: string;
  readonly peerKey: string;
  readonly presharedKey?: string;
  readonly peerPort?: number;
  readonly address: string;
  readonly allowedIps: string;
}

export class GoPeer {
  readonly device: string;
  readonly namespace: string;
  private readonly child: ChildProcess;
  private readonly folder = mkdtempSync(join(tmpdir(), 'podwire-wg-'));

  private constructor(device: string, child: ChildProcess) {
    this.device = device;
    this.namespace = `${device}-ns`;
    this.child = child;
  }

  static async start(device: string, options: GoPeerOptions): Promise<GoPeer> {
    const child = spawn('wireguard-go', ['-f', device], {
      env: { ...process.env, WG_PROCESS_FOREGROUND: '1', LOG_LEVEL: 'error' },
      stdio: 'ignore',
    });
    const peer = new GoPeer(device, child);
    try {
      for (let tries = 0; spawnSync('wg', ['show', device]).status !== 0; tries++) {
        if (tries === 100) throw new Error('wireguard-go did not come up');
        await wait(50);
      }
      peer.configure(options);
    } catch (cause) {
      peer.stop();
      throw cause;
    }
    return peer;
  }

  private configure(options: GoPeerOptions): void {
    const { device, namespace } = this;
    const args = ['set', device, 'private-key', this.file('private', options.privateKey)];
    args.push('peer', options.peerKey, 'allowed-ips', options.allowedIps);
    if (options.presharedKey !== undefined) {
      args.push('preshared-key', this.file('preshared', options.presharedKey));
    }
    if (options.peerPort !== undefined) args.push('endpoint', `127.0.0.1:${options.peerPort}`);
    run('wg', ...args);
    run('ip', 'netns', 'add', namespace);
    run('ip', 'link', 'set', device, 'netns', namespace);
    run('ip', '-n', namespace, 'addr', 'add', options.address, 'dev', device);
    run('ip', '-n', namespace, 'link', 'set', device, 'mtu', '1420', 'up');
  }

  get port(): number {
    return Number(run('wg', 'show', this.device, 'listen-port').trim());
  }

  /** Moves its socket to another port. */
  listen(port: number): void {
    run('wg', 'set', this.device, 'listen-port', `${port}`);
  }

  /** What `wg show DEVICE transfer` says: bytes received and sent. */
  transfer(): [number, number] {
    const [, rx, tx] = run('wg', 'show', this.device, 'transfer').trim().split('\t');
    return [Number(rx), Number(tx)];
  }

  latestHandshake(): number {
    return Number(run('wg', 'show', this.device, 'latest-handshakes').trim().split('\t')[1]);
  }

  /** Runs ping in the namespace of the tunnel; packets transmitted and received. */
  async ping(address: string, count: number, size: number): Promise<[number, number]> {
    // Adaptive: the next one goes when the answer is there.
    const args = ['-q', '-n', '-A', '-W', '2', '-c', `${count}`, '-s', `${size}`, address];
    const child = spawn('ip', ['netns', 'exec', this.namespace, 'ping', ...args]);
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    await new Promise((resolve) => child.once('close', resolve));
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(text) ?? [];
    return [Number(sent), Number(received)];
  }

  stop(): void {
    this.child.kill();
    spawnSync('ip', ['netns', 'del', this.namespace]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }
}
