// The engine of put: parts read, sealed and sent, two at a time.
//
// A part is sealed segment by segment into one buffer; its tags are in the journal before the
// first byte goes out, and the buffer whose tags were compared is the buffer that is sent.

import type { Bytes } from "./bytes.ts";
import { type Layout, type Sealer, TAG_SIZE } from "./format/content.ts";
import type { Journal } from "./journal.ts";
import type { Patience } from "./patience.ts";
import { partCount, SEGMENT_SIZE } from "./protocol.ts";
import type { Remote } from "./remote.ts";
import type { Source } from "./source.ts";

const IN_FLIGHT = 2;

/** What goes where. */
export interface Upload {
  readonly remote: Remote;
  readonly objectId: Bytes;
  readonly ownerToken: Bytes;
  readonly sealer: Sealer;
  readonly layout: Layout;
  readonly partSize: number;
  readonly source: Source;
  readonly journal: Journal;
}

/** Send every part that is not in `durable`; `onSent` hears of each one's bytes. */
export async function send(
  upload: Upload,
  durable: ReadonlySet<number>,
  patience: Patience,
  onSent: (bytes: number) => void,
): Promise<void> {
  const parts = partCount(upload.layout.ciphertextLength, upload.partSize);
  let next = 0;
  let failed = false;
  const work = async (): Promise<void> => {
    while (next < parts && !failed) {
      const part = next++;
      if (durable.has(part)) continue;
      const body = await seal(upload, part);
      await upload.remote.putPart(upload.objectId, upload.ownerToken, part, body, patience);
      onSent(body.length);
    }
  };
  const lanes = Array.from({ length: IN_FLIGHT }, () =>
    work().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const outcomes = await Promise.allSettled(lanes);
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (failure) throw failure.reason;
}

/** The ciphertext of one part, its tags written down. */
async function seal(upload: Upload, part: number): Promise<Bytes> {
  const { layout, partSize, sealer } = upload;
  const first = (part * partSize) / SEGMENT_SIZE;
  const after = Math.min(first + partSize / SEGMENT_SIZE, layout.segments);
  const [start] = layout.plainRange(first);
  const [, stop] = layout.plainRange(after - 1);
  const plain = await upload.source.read(start, stop);
  const body = new Uint8Array(layout.cipherRange(after - 1)[1] - part * partSize);
  const tags = new Uint8Array((after - first) * TAG_SIZE);
  let at = 0;
  for (let segment = first; segment < after; segment++) {
    const [from, to] = layout.plainRange(segment);
    const sealed = await sealer.seal(
      segment,
      plain.subarray(from - start, to - start),
      layout.isLast(segment),
    );
    body.set(sealed, at);
    at += sealed.length;
    tags.set(sealed.subarray(sealed.length - TAG_SIZE), (segment - first) * TAG_SIZE);
  }
  await upload.journal.commit(part, tags);
  return body;
}
