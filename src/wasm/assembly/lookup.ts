/**
 * AssemblyScript. Lookups in cells of 16 bits, laid out as tables/flat-table.ts has them: a
 * cell is a value from 0 on, -1 for nothing, else the number of a block with the sign bit set.
 */

function cellOf(top: usize, address: u32): i32 {
  return <i32>load<i16>(top + ((<usize>(address >>> 8)) << 1));
}

/** What a cell of /24 stands for. */
function below(rest: usize, cell: i32, address: u32): i32 {
  if (cell >= -1) return cell;
  return <i32>load<i16>(rest + ((<usize>(((cell & 0x7fff) << 8) | (address & 255))) << 1));
}

/**
 * 24-8 bits: the values of `count` addresses at `from`, to `to`, both of 32 bits each. Eight
 * at a time, all loads first: the processor waits for them at the same time.
 */
export function flat(top: usize, rest: usize, from: usize, to: usize, count: u32): void {
  const end = from + ((<usize>count) << 2);
  const whole = from + ((<usize>(count & ~7)) << 2);
  while (from < whole) {
    const a = cellOf(top, load<u32>(from));
    const b = cellOf(top, load<u32>(from, 4));
    const c = cellOf(top, load<u32>(from, 8));
    const d = cellOf(top, load<u32>(from, 12));
    const e = cellOf(top, load<u32>(from, 16));
    const f = cellOf(top, load<u32>(from, 20));
    const g = cellOf(top, load<u32>(from, 24));
    const h = cellOf(top, load<u32>(from, 28));
    store<i32>(to, a);
    store<i32>(to, b, 4);
    store<i32>(to, c, 8);
    store<i32>(to, d, 12);
    store<i32>(to, e, 16);
    store<i32>(to, f, 20);
    store<i32>(to, g, 24);
    store<i32>(to, h, 28);
    if ((a | b | c | d | e | f | g | h) < 0) {
      for (let i: usize = 0; i < 32; i += 4) {
        store<i32>(to + i, below(rest, load<i32>(to + i), load<u32>(from + i)));
      }
    }
    from += 32;
    to += 32;
  }
  for (; from < end; from += 4, to += 4) {
    const address = load<u32>(from);
    store<i32>(to, below(rest, cellOf(top, address), address));
  }
}

/** The value of a bit, in the layout of tables/compact-table.ts. */
function leafOf(words: usize, leaves: usize, group: u32, bit: u32): i32 {
  const at = words + <usize>group * 12;
  const down = ((bit >>> 5) & 1) - 1;
  const word = load<u32>(at + ((<usize>(down + 1)) << 2));
  const count = <u32>popcnt<i32>(word & (((<u32>-2) << (bit & 31)) ^ ~down));
  return <i32>load<i16>(leaves + ((<usize>(load<u32>(at, 8) + ((count ^ down) - down))) << 1));
}

/** The same for a table of runs: `words` and `leaves` as tables/compact-table.ts has them. */
export function compact(words: usize, leaves: usize, from: usize, to: usize, count: u32): void {
  for (const end = from + ((<usize>count) << 2); from < end; from += 4, to += 4) {
    const address = load<u32>(from);
    let cell = leafOf(words, leaves, address >>> 14, address >>> 8);
    if (cell < -1) {
      const group = 0x40000 + ((cell & 0x7fff) << 2) + ((address >>> 6) & 3);
      cell = leafOf(words, leaves, group, address);
    }
    store<i32>(to, cell);
  }
}
