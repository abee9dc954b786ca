// What is put, as one plaintext: files one after the other, then zero bytes.
//
// Files stay where they are: a range is read when it is needed. What a file said of itself
// when it was chosen (size, time) must be so to the end, or the put fails by name.

import type { Bytes } from "./bytes.ts";
import { UsageError } from "./errors.ts";
import type { FileEntry } from "./format/manifest.ts";

/** One file and what it is called in the share. `blob` is missing for a folder without files. */
export interface SourceFile {
  readonly entry: FileEntry;
  readonly blob?: Blob;
}

export class Source {
  readonly length: number;
  private readonly starts: number[] = [];

  constructor(readonly files: readonly SourceFile[]) {
    let length = 0;
    for (const file of files) {
      this.starts.push(length);
      length += file.entry.size;
    }
    this.length = length;
  }

  /** Plaintext [start, stop). Throws UsageError `file-changed` where a file cannot give what it promised. */
  async read(start: number, stop: number): Promise<Bytes> {
    const plain = new Uint8Array(stop - start);
    for (let index = this.fileAt(start); index < this.files.length; index++) {
      const { entry, blob } = this.files[index] as SourceFile;
      const at = this.starts[index] as number;
      if (at >= stop) break;
      const from = Math.max(start - at, 0);
      const to = Math.min(stop - at, entry.size);
      if (blob && to > from) plain.set(await readBlob(blob, from, to), at + from - start);
    }
    return plain;
  }

  /** The last file that begins at or before `offset`. */
  private fileAt(offset: number): number {
    let low = 0;
    let high = this.starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.starts[middle] as number) <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}

async function readBlob(blob: Blob, from: number, to: number): Promise<Bytes> {
  let data: ArrayBuffer;
  try {
    data = await blob.slice(from, to).arrayBuffer();
  } catch {
    throw new UsageError("file-changed"); // NotReadableError: it was written to, moved or removed
  }
  if (data.byteLength !== to - from) throw new UsageError("file-changed");
  return new Uint8Array(data);
}
