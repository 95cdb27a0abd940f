import { describe, expect, it } from 'vitest';
import { DROP_COUNT, Drop, dropInfo } from '../src/drop.ts';

describe('drop reasons', () => {
  it('are dense, so that they index counters', () => {
    expect(Object.values(Drop).sort((a, b) => a - b)).toEqual(
      Array.from({ length: DROP_COUNT }, (_, i) => i),
    );
  });

  it('have one name each, in the form of --json', () => {
    const names = Object.values(dropInfo).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  it('say what they mean', () => {
    for (const { meaning } of Object.values(dropInfo)) expect(meaning.length).toBeGreaterThan(10);
  });
});
