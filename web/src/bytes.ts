// Bytes and their texts: what TypeScript's own library lacks.

export type Bytes = Uint8Array<ArrayBuffer>;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));
const ENCODER = new TextEncoder();

/** UTF-8; the text must be well-formed, or what is lone becomes U+FFFD. */
export function utf8(text: string): Bytes {
  return ENCODER.encode(text) as Bytes;
}

/** All pieces, one after the other. */
export function concat(...pieces: Uint8Array[]): Bytes {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** base64url without padding (RFC 4648, section 5). */
export function b64u(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += 3) {
    const [a = 0, b = 0, c = 0] = data.subarray(at, at + 3);
    const bits = (a << 16) | (b << 8) | c;
    const count = Math.min(3, data.length - at) + 1;
    for (let index = 0; index < count; index++) {
      text += ALPHABET[(bits >> (18 - 6 * index)) & 63];
    }
  }
  return text;
}

/** Bytes out of their one canonical text, or undefined. */
export function unb64u(text: string): Bytes | undefined {
  if (text.length % 4 === 1) return undefined;
  const data = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const character of text) {
    const value = VALUES.get(character);
    if (value === undefined) return undefined;
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      data[at++] = (bits >> held) & 0xff;
    }
  }
  const isCanonical = (bits & ((1 << held) - 1)) === 0;
  return isCanonical ? data : undefined;
}

/** Whether both are equal, in a time that does not tell where they differ. */
export function equal(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let index = 0; index < one.length; index++) {
    difference |= (one[index] as number) ^ (other[index] as number);
  }
  return difference === 0;
}
