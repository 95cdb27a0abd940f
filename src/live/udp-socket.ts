/** UDP sockets of the machine. */
import { createSocket, type Socket } from 'node:dgram';
import { PodwireError } from '../errors.ts';
import { parseIp4 } from '../wire/address.ts';

/** Where a socket is bound. */
export interface SocketOptions {
  /** IPv4 address to bind; the loopback address by default. */
  readonly address?: string;
  /** UDP port to bind; any free one by default. */
  readonly port?: number;
}

/** Binds a socket. Rejects with ERR_USAGE where the address or port cannot be had. */
export async function bindSocket(options: SocketOptions): Promise<Socket> {
  const { address = '127.0.0.1', port = 0 } = options;
  parseIp4(address);
  const socket = createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: Error): void => {
      socket.close();
      const expected = `expected to bind UDP ${address}:${port}`;
      reject(new PodwireError('ERR_USAGE', `${expected}, found ${cause.message}`));
    };
    socket.once('error', fail);
    socket.bind(port, address, () => {
      socket.off('error', fail);
      resolve();
    });
  });
  // Such as ECONNREFUSED of a peer that is not there yet: the handshake is retried.
  socket.on('error', () => {});
  return socket;
}
