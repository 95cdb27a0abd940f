/** The list of what an import takes for granted. */
import { printable } from '../errors.ts';

/** What an import takes for granted, said once each, in the order it came up. */
export class Notes {
  private readonly assumptions = new Set<string>();

  assume(text: string): void {
    // Names of files and lines of dumps are in it.
    this.assumptions.add(printable(text, 500));
  }

  get assumed(): string[] {
    return [...this.assumptions];
  }
}
