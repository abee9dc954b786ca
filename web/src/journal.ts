// What an unfinished put remembers, so that going on never seals two plaintexts under one nonce.
//
// Before the first byte of a part goes out, the tags of its segments are written down; a part
// that is sealed again must give the same tags (spec/format.md, "Resuming"). `commit` resolves
// when its record is durable.

import { type Bytes, equal } from "./bytes.ts";
import { UsageError } from "./errors.ts";

export interface Journal {
  /** The tags of every part that may have been sent. */
  readonly parts: ReadonlyMap<number, Bytes>;
  commit(part: number, tags: Bytes): Promise<void>;
  discard(): Promise<void>;
}

/** Nothing survives the page: for "don't remember", and where a browser keeps nothing. */
export class MemoryJournal implements Journal {
  private readonly known = new Map<number, Bytes>();

  get parts(): ReadonlyMap<number, Bytes> {
    return this.known;
  }

  async commit(part: number, tags: Bytes): Promise<void> {
    judgeTags(this.known.get(part), tags);
    this.known.set(part, tags);
  }

  async discard(): Promise<void> {
    this.known.clear();
  }
}

/** Throws UsageError `file-changed` when a part that was sealed before is another one now. */
export function judgeTags(before: Bytes | undefined, tags: Bytes): void {
  if (before !== undefined && !equal(before, tags)) throw new UsageError("file-changed");
}
