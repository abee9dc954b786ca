// Streams as loops: `for await` over a ReadableStream, which not every browser has.

import type { Bytes } from "./bytes.ts";

/** The pieces of a stream; whoever stops early cancels it. */
export async function* piecesOf(stream: ReadableStream<Bytes>): AsyncGenerator<Bytes, void> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {}); // what broke is broken already
  }
}
