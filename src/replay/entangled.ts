/** Flows of one replay met, so that it cannot be put together from several: `what` names where. */
export class Entangled extends Error {
  readonly what: string;

  constructor(what: string) {
    super(`flows share ${what}`);
    this.what = what;
  }
}
