/**
 * How often anything changed in the tables of a whole cluster: one number that all of them
 * raise. Whoever finds it as it was need not ask them one by one.
 */
export class Changes {
  count = 0;

  note(): void {
    this.count = (this.count + 1) | 0;
  }
}
