import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fileError, PodwireError } from '../src/errors.ts';

describe('file errors', () => {
  it('name the file, keep the cause, and cannot write to a terminal', () => {
    const cause = Object.assign(new Error('EIO: \u001b[2Jbroken'), { code: 'EIO' });
    const error = fileError('to read', cause, 'a\u0007.pcap');
    expect(error).toBeInstanceOf(PodwireError);
    expect(error.message).toBe('a\\x07.pcap: expected to read, found EIO: \\x1b[2Jbroken');
    expect(error.cause).toBe(cause);
  });

  it.each([
    ['it’s, not here', 'ENOENT: no such file or directory'],
    ['/', 'EISDIR: illegal operation on a directory'],
  ])('name the file %s once, and no call', (file, why) => {
    const failing = (): unknown => {
      try {
        return readFileSync(file);
      } catch (cause) {
        return cause;
      }
    };
    expect(fileError('to read', failing(), file).message).toBe(
      `${file}: expected to read, found ${why}`,
    );
  });
});
