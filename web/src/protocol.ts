// What client and host say to each other: sizes (spec/http-api.md).

export const MIB = 1024 * 1024;
export const SEGMENT_SIZE = 256 * 1024; // ciphertext; parts are a whole number of these
export const PART_SIZES = [8 * MIB, 16 * MIB, 32 * MIB, 64 * MIB] as const;
export const MAX_PARTS = 10_000;
export const MAX_CONTENT = MAX_PARTS * 64 * MIB;
export const CAPSULE_OVERHEAD = 1 + 32 + 32 + 16;
export const MAX_CAPSULE = 64 * MIB + CAPSULE_OVERHEAD;

/** Smallest part size that holds `length` bytes of ciphertext in 10,000 parts; undefined over MAX_CONTENT. */
export function partSizeFor(length: number): number | undefined {
  return PART_SIZES.find((size) => length <= size * MAX_PARTS);
}

/** How many parts hold `length` bytes; an empty object has none. */
export function partCount(length: number, partSize: number): number {
  return Math.ceil(length / partSize);
}
