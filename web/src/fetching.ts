// The engine of get: ranges of segments fetched, authenticated, handed on.
//
// A segment is handed on when it is authentic, and what is not is handed to nobody. A
// connection that breaks goes on at the segment that it broke in.

import type { Bytes } from "./bytes.ts";
import { HostError, TransientError } from "./errors.ts";
import { checkLength, HEADER_SIZE, Layout, Opener, truncated } from "./format/content.ts";
import type { Manifest } from "./format/manifest.ts";
import type { Patience } from "./patience.ts";
import { SEGMENT_SIZE } from "./protocol.ts";
import type { Remote } from "./remote.ts";
import { piecesOf } from "./streams.ts";

const EMPTY_ANSWERS = 3;

/** One download under way: whose content, by which ticket, opened with what. */
export class Download {
  private constructor(
    private readonly remote: Remote,
    private readonly objectId: Bytes,
    private readonly ticket: Bytes,
    readonly layout: Layout,
    private readonly opener: Opener,
  ) {}

  /**
   * Fetch segment 0: the length is checked first, then the header used. This is what counts
   * the download. Throws AuthenticityError `content-length`, `content-truncated`, `content-tampered`.
   */
  static async begin(
    remote: Remote,
    manifest: Manifest,
    ticket: Bytes,
    patience: Patience,
  ): Promise<Download> {
    const layout = Layout.ofContent(manifest.length);
    const sealed = await first(sealedSegments(remote, manifest.objectId, ticket, layout, [0, 0], patience));
    const opener = await Opener.of(manifest.key, manifest.objectId, sealed.slice(0, HEADER_SIZE));
    await opener.open(0, sealed, layout.isLast(0));
    return new Download(remote, manifest.objectId, ticket, layout, opener);
  }

  /** Plaintext [start, stop) in authentic pieces, in order. */
  async *read(start: number, stop: number, patience: Patience): AsyncGenerator<Bytes, void> {
    if (start >= stop) return;
    const { layout } = this;
    let segment = layout.segmentAt(start);
    const run = [segment, layout.segmentAt(stop - 1)] as const;
    const sealed = sealedSegments(this.remote, this.objectId, this.ticket, layout, run, patience);
    for await (const ciphertext of sealed) {
      const plain = await this.opener.open(segment, ciphertext, layout.isLast(segment));
      const [at] = layout.plainRange(segment);
      patience.moved();
      yield plain.subarray(Math.max(start - at, 0), Math.min(stop - at, plain.length));
      segment++;
    }
  }
}

async function first(sealed: AsyncGenerator<Bytes, void>): Promise<Bytes> {
  for await (const segment of sealed) return segment;
  throw truncated(0);
}

/** The ciphertext of segments [first, last], through as many requests as it takes. */
async function* sealedSegments(
  remote: Remote,
  objectId: Bytes,
  ticket: Bytes,
  layout: Layout,
  [from, last]: readonly [number, number],
  patience: Patience,
): AsyncGenerator<Bytes, void> {
  let segment = from;
  let fruitless = 0;
  while (segment <= last) {
    const before = segment;
    try {
      const [start] = layout.cipherRange(segment);
      const [, stop] = layout.cipherRange(last);
      const answer = await remote.content(objectId, ticket, start, stop, patience.signal);
      checkLength(layout, answer.total);
      for await (const sealed of segmentsOf(answer.pieces, layout, segment)) {
        yield sealed;
        segment++;
      }
      if (segment === before && fruitless >= EMPTY_ANSWERS) throw truncated(segment);
    } catch (error) {
      if (error instanceof HostError && error.code === "range-not-satisfiable") throw truncated(segment);
      if (!(error instanceof TransientError)) throw error;
      await patience.pause(error, fruitless);
    }
    fruitless = segment === before ? fruitless + 1 : 0;
  }
}

/** Whole segments out of pieces as the network cuts them; what is left over at an early end is dropped. */
async function* segmentsOf(
  pieces: ReadableStream<Bytes>,
  layout: Layout,
  from: number,
): AsyncGenerator<Bytes, void> {
  let segment = from;
  let [start, stop] = layout.cipherRange(segment);
  let held = new Uint8Array(stop - start);
  let filled = 0;
  try {
    for await (let piece of piecesOf(pieces)) {
      while (piece.length > 0) {
        if (held.length === 0) return; // more than was asked for
        const count = Math.min(piece.length, held.length - filled);
        held.set(piece.subarray(0, count), filled);
        piece = piece.subarray(count);
        filled += count;
        if (filled < held.length) break;
        yield held;
        [start, stop] = layout.cipherRange(++segment);
        held = new Uint8Array(segment < layout.segments ? Math.min(stop - start, SEGMENT_SIZE) : 0);
        filled = 0;
      }
    }
  } catch (error) {
    if (error instanceof TypeError) throw new TransientError("connection-lost");
    throw error;
  }
}
