/** pcapng put together and taken apart by Buffer's own methods, slowly, apart from the code under test. */
import { Maker, type Plain } from './samples.ts';

type Option = readonly [code: number, value: Buffer];

export class BlockMaker extends Maker {
  block(type: number, body: Buffer, length = body.length + 12, again = length): Buffer {
    return Buffer.concat([this.u32(type), this.u32(length), body, this.u32(again)]);
  }

  options(list: readonly Option[], closed = true): Buffer {
    const parts = list.map(([code, value]) =>
      Buffer.concat([this.u16(code), this.u16(value.length), pad(value)]),
    );
    return Buffer.concat([...parts, closed && list.length > 0 ? this.u32(0) : Buffer.alloc(0)]);
  }

  section(options: readonly Option[] = [], major = 1, minor = 0): Buffer {
    const version = [this.u32(0x1a2b3c4d), this.u16(major), this.u16(minor)];
    return this.block(
      0x0a0d0d0a,
      Buffer.concat([...version, Buffer.alloc(8, 0xff), this.options(options)]),
    );
  }

  interface(link = 1, snapLength = 262144, options: readonly Option[] = []): Buffer {
    const head = [this.u16(link), this.u16(0), this.u32(snapLength)];
    return this.block(1, Buffer.concat([...head, this.options(options)]));
  }

  packet(
    data: Buffer,
    {
      on = 0,
      ticks = 1_000_000n,
      captured = data.length,
      original = data.length,
      options = [] as readonly Option[],
      obsolete = false,
    } = {},
  ): Buffer {
    const head = [
      ...(obsolete ? [this.u16(on), this.u16(7)] : [this.u32(on)]),
      this.u32(Number(ticks >> 32n)),
      this.u32(Number(ticks & 0xffffffffn)),
      this.u32(captured),
      this.u32(original),
    ];
    const body = Buffer.concat([...head, pad(data), this.options(options)]);
    return this.block(obsolete ? 2 : 6, body);
  }

  simple(data: Buffer, original = data.length): Buffer {
    return this.block(3, Buffer.concat([this.u32(original), pad(data)]));
  }

  secrets(type: number, data: Buffer): Buffer {
    return this.block(10, Buffer.concat([this.u32(type), this.u32(data.length), pad(data)]));
  }
}

const pad = (b: Buffer): Buffer => Buffer.concat([b, Buffer.alloc(-b.length & 3)]);

export interface PlainPacket extends Plain {
  link: number;
  name: string | undefined;
  comments: string[];
}

/** Every packet of a sound file, and where the first block begins that is not whole. */
export function slowBlocks(file: Buffer): { records: PlainPacket[]; cut: number | undefined } {
  const records: PlainPacket[] = [];
  let interfaces: { link: number; snap: number; units: bigint; from: bigint; name?: string }[] = [];
  let big = false;
  const u16 = (at: number) => (big ? file.readUInt16BE(at) : file.readUInt16LE(at));
  const u32 = (at: number) => (big ? file.readUInt32BE(at) : file.readUInt32LE(at));
  const options = (at: number, end: number): [number, Buffer][] => {
    const list: [number, Buffer][] = [];
    for (let from = at; from < end && u16(from) !== 0; from += 4 + ((u16(from + 2) + 3) & ~3)) {
      list.push([u16(from), file.subarray(from + 4, from + 4 + u16(from + 2))]);
    }
    return list;
  };
  let at = 0;
  while (at < file.length) {
    if (file.length - at < 12) return { records, cut: at };
    if (file.readUInt32BE(at) === 0x0a0d0d0a) {
      big = file.readUInt32BE(at + 8) === 0x1a2b3c4d;
      interfaces = [];
    }
    const type = u32(at);
    const end = at + u32(at + 4);
    if (end > file.length) return { records, cut: at };
    if (type === 1) {
      let units = 1_000_000n;
      let from = 0n;
      let name: string | undefined;
      for (const [code, value] of options(at + 16, end - 4)) {
        const n = BigInt(value[0] ?? 0);
        if (code === 9) units = n >= 128n ? 2n ** (n - 128n) : 10n ** n;
        if (code === 14) from = big ? value.readBigInt64BE() : value.readBigInt64LE();
        if (code === 2) name = value.toString();
      }
      interfaces.push({
        link: u16(at + 8),
        snap: u32(at + 12),
        units,
        from,
        ...(name && { name }),
      });
    }
    if (type === 6 || type === 2 || type === 3) {
      const on = interfaces[type === 6 ? u32(at + 8) : type === 2 ? u16(at + 8) : 0]!;
      const start = at + (type === 3 ? 12 : 28);
      const original = u32(start - 4);
      const captured = type === 3 ? Math.min(original, on.snap || original) : u32(start - 8);
      const ticks = type === 3 ? 0n : (BigInt(u32(at + 12)) << 32n) | BigInt(u32(at + 16));
      const comments = type === 3 ? [] : options(start + ((captured + 3) & ~3), end - 4);
      records.push({
        seconds: type === 3 ? 0 : Number(ticks / on.units + on.from),
        nanoseconds: Number(((ticks % on.units) * 1_000_000_000n) / on.units),
        data: file.toString('hex', start, start + captured),
        originalLength: original,
        offset: at,
        link: on.link,
        name: on.name,
        comments: comments.filter(([code]) => code === 1).map(([, value]) => value.toString()),
      });
    }
    at = end;
  }
  return { records, cut: undefined };
}
