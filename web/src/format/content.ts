// The content: Tink streaming AEAD, AES-256-GCM-HKDF, segments of 256 KiB.
//
// Ciphertext segment i is bytes [i·2^18, (i+1)·2^18), so whoever reads a range needs only
// its segments, and segments are sealed and opened in any order, in parallel. `Layout` is
// the arithmetic, `Sealer` and `Opener` the two directions; they hold no state that changes.
//
// Source: Tink, "AES-GCM-HKDF Streaming AEAD"; format 1 fixes its parameters.

import { type Bytes, concat, utf8 } from "../bytes.ts";
import { AuthenticityError, UsageError } from "../errors.ts";
import { MAX_CONTENT, SEGMENT_SIZE } from "../protocol.ts";
import type { ContentKeys } from "./keys.ts";
import * as labels from "./labels.ts";
import { padded } from "./padding.ts";

export const HEADER_SIZE = 40;
export const TAG_SIZE = 16;
const SALT_SIZE = 32;
export const FIRST_CAPACITY = SEGMENT_SIZE - HEADER_SIZE - TAG_SIZE;
export const CAPACITY = SEGMENT_SIZE - TAG_SIZE;
const MAX_SEGMENTS = MAX_CONTENT / SEGMENT_SIZE;

export type Span = readonly [start: number, stop: number];

/** Where everything lies in a stream of `streamLength` plaintext bytes. */
export class Layout {
  readonly streamLength: number;

  constructor(streamLength: number) {
    this.streamLength = streamLength;
  }

  /** The layout of a content of `length` bytes before padding. Throws UsageError `content-too-large`. */
  static ofContent(length: number): Layout {
    const layout = new Layout(padded(length));
    if (layout.segments > MAX_SEGMENTS) throw new UsageError("content-too-large");
    return layout;
  }

  /** How many segments; at least one, which may be empty. */
  get segments(): number {
    return 1 + Math.max(0, Math.ceil((this.streamLength - FIRST_CAPACITY) / CAPACITY));
  }

  /** Bytes that the host keeps. */
  get ciphertextLength(): number {
    return HEADER_SIZE + this.streamLength + TAG_SIZE * this.segments;
  }

  /** Whether this segment's nonce says that the stream ends here. */
  isLast(segment: number): boolean {
    return segment === this.segments - 1;
  }

  /** Plaintext bytes [start, stop) that a segment holds. */
  plainRange(segment: number): Span {
    const start = segment === 0 ? 0 : FIRST_CAPACITY + (segment - 1) * CAPACITY;
    return [start, Math.min(this.streamLength, FIRST_CAPACITY + segment * CAPACITY)];
  }

  /** Ciphertext bytes [start, stop) of a segment, the header within the first. */
  cipherRange(segment: number): Span {
    const start = segment * SEGMENT_SIZE;
    return [start, Math.min(this.ciphertextLength, start + SEGMENT_SIZE)];
  }

  /** The segment that holds a byte of plaintext. */
  segmentAt(offset: number): number {
    return offset < FIRST_CAPACITY ? 0 : 1 + Math.floor((offset - FIRST_CAPACITY) / CAPACITY);
  }
}

class Cipher {
  protected constructor(
    protected readonly key: CryptoKey,
    private readonly noncePrefix: Bytes,
  ) {}

  protected static async segmentKey(key: Bytes, salt: Bytes, objectId: Bytes): Promise<CryptoKey> {
    const base = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveKey"]);
    const info = concat(utf8(labels.CONTENT), objectId);
    const aes = { name: "AES-GCM", length: 256 } as const;
    return crypto.subtle.deriveKey({ name: "HKDF", hash: "SHA-256", salt, info }, base, aes, false, [
      "encrypt",
      "decrypt",
    ]);
  }

  /** nonce = prefix (7) ‖ segment (4, big-endian) ‖ whether it is the last (1). */
  protected parameters(segment: number, last: boolean): AesGcmParams {
    const iv = new Uint8Array(12);
    iv.set(this.noncePrefix);
    new DataView(iv.buffer).setUint32(7, segment);
    iv[11] = last ? 1 : 0;
    return { name: "AES-GCM", iv };
  }
}

/** Plaintext segments into ciphertext. A key and nonce must never meet two plaintexts. */
export class Sealer extends Cipher {
  private constructor(
    key: CryptoKey,
    noncePrefix: Bytes,
    private readonly header: Bytes,
  ) {
    super(key, noncePrefix);
  }

  static async of(keys: ContentKeys): Promise<Sealer> {
    const header = concat(Uint8Array.of(HEADER_SIZE), keys.salt, keys.noncePrefix);
    const key = await Cipher.segmentKey(keys.key, keys.salt, keys.objectId);
    return new Sealer(key, keys.noncePrefix, header);
  }

  /** The ciphertext of one segment; that of the first begins with the stream's header. */
  async seal(segment: number, plain: Bytes, last: boolean): Promise<Bytes> {
    const sealed = await crypto.subtle.encrypt(this.parameters(segment, last), this.key, plain);
    return segment === 0 ? concat(this.header, new Uint8Array(sealed)) : new Uint8Array(sealed);
  }
}

/** Ciphertext segments back into plaintext, each authenticated. */
export class Opener extends Cipher {
  private constructor(key: CryptoKey, noncePrefix: Bytes) {
    super(key, noncePrefix);
  }

  /** Takes the stream's first 40 bytes. Throws AuthenticityError `content-tampered` when they are no header. */
  static async of(key: Bytes, objectId: Bytes, header: Bytes): Promise<Opener> {
    if (header.length !== HEADER_SIZE || header[0] !== HEADER_SIZE) throw tampered(0);
    const salt = header.slice(1, 1 + SALT_SIZE);
    return new Opener(await Cipher.segmentKey(key, salt, objectId), header.slice(1 + SALT_SIZE));
  }

  /** The plaintext of one segment. Throws AuthenticityError `content-tampered` with its number. */
  async open(segment: number, sealed: Bytes, last: boolean): Promise<Bytes> {
    const body = segment === 0 ? sealed.subarray(HEADER_SIZE) : sealed;
    try {
      return new Uint8Array(await crypto.subtle.decrypt(this.parameters(segment, last), this.key, body));
    } catch {
      throw tampered(segment);
    }
  }
}

/** Before anything is fetched: the host's length must be exactly the manifest's. */
export function checkLength(layout: Layout, announced: number): void {
  if (announced !== layout.ciphertextLength) throw new AuthenticityError("content-length");
}

/** The content ended before its announced length. */
export function truncated(segment: number): AuthenticityError {
  return new AuthenticityError("content-truncated", `ends early in segment ${segment}`, segment);
}

function tampered(segment: number): AuthenticityError {
  return new AuthenticityError("content-tampered", `segment ${segment}`, segment);
}
