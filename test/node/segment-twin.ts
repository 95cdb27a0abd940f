/** Segmentation once more, slowly: from the fields of RFC 791 and RFC 9293 alone. */

/** RFC 1071, word by word. */
function sum16(data: Buffer): number {
  let sum = 0;
  for (let i = 0; i < data.length; i += 2) {
    sum += data[i]! * 256 + (data[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

/** The folded sum of the pseudo-header for `length` bytes of TCP: what offload leaves in the field. */
export function pseudoSum(packet: Buffer, length: number): number {
  const pseudo = Buffer.concat([packet.subarray(12, 20), Buffer.from([0, 6, 0, 0])]);
  pseudo.writeUInt16BE(length, 10);
  return sum16(pseudo);
}

/** The packet with a valid TCP checksum, and a valid header checksum. */
export function completed(packet: Buffer): Buffer {
  const b = Buffer.from(packet);
  const l4 = (b[0]! & 15) * 4;
  b.writeUInt16BE(0, 10);
  b.writeUInt16BE(0xffff - sum16(b.subarray(0, l4)), 10);
  b.writeUInt16BE(0, l4 + 16);
  const total = pseudoSum(b, b.length - l4) + sum16(b.subarray(l4));
  b.writeUInt16BE(0xffff - (total > 0xffff ? total - 0xffff : total), l4 + 16);
  return b;
}

/** The train cut into packets of at most `mtu` bytes. */
export function cut(packet: Buffer, mtu: number): Buffer[] {
  const l4 = (packet[0]! & 15) * 4;
  const from = l4 + (packet[l4 + 12]! >> 4) * 4;
  const room = mtu - from;
  const chunks: Buffer[] = [];
  for (let at = from; at < packet.length; at += room) chunks.push(packet.subarray(at, at + room));
  return chunks.map((data, n) => {
    const b = Buffer.concat([packet.subarray(0, from), data]);
    b.writeUInt16BE(b.length, 2);
    b.writeUInt16BE((packet.readUInt16BE(4) + n) % 65536, 4);
    b.writeUInt32BE((packet.readUInt32BE(l4 + 4) + n * room) % 2 ** 32, l4 + 4);
    let flags = packet[l4 + 13]!;
    if (n > 0) flags &= 0b0111_1111; // CWR
    if (n < chunks.length - 1) flags &= 0b1111_0110; // PSH, FIN
    b[l4 + 13] = flags;
    return completed(b);
  });
}
