// Trouble that may pass, and how long a caller waits for it to.

import { TransientError } from "./errors.ts";

const FIRST_DELAY = 100; // ms
const LONGEST_DELAY = 3000;

/**
 * How long a caller waits while nothing moves: `seconds`, then the trouble is final.
 * A person who watches a page has more patience than a script: Infinity is allowed.
 */
export class Patience {
  private since = performance.now();

  constructor(
    private readonly seconds: number,
    readonly signal: AbortSignal | undefined = undefined,
    private readonly onWait: (trouble: TransientError | undefined) => void = () => {},
  ) {}

  /** Something went well: start counting anew. */
  moved(): void {
    this.since = performance.now();
  }

  /** Do `attempt` until it is done, fails for good, or patience ends. */
  async through<T>(attempt: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      this.signal?.throwIfAborted();
      try {
        const value = await attempt();
        this.moved();
        return value;
      } catch (trouble) {
        if (!(trouble instanceof TransientError)) throw trouble;
        await this.pause(trouble, tries);
      }
    }
  }

  /** Wait before the next try, or throw `trouble` when it has been too long. */
  async pause(trouble: TransientError, tries: number): Promise<void> {
    if (performance.now() - this.since > this.seconds * 1000) throw trouble;
    const backoff = Math.min(FIRST_DELAY * 2 ** tries, LONGEST_DELAY);
    const asked = trouble.retryAfter === undefined ? backoff : trouble.retryAfter * 1000;
    this.onWait(trouble);
    try {
      await sleep(Math.min(asked, this.seconds * 1000), this.signal);
    } finally {
      this.onWait(undefined);
    }
  }
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
