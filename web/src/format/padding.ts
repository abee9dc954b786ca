// Padmé: lengths that tell little (Nikitin et al., "Reducing Metadata Leakage", PETS 2019).
//
// A length keeps only its highest bits, about log2(log2(L)) of them; the rest is rounded
// up. Lengths go beyond 32 bits, so it is arithmetic instead of bit operations; doubles
// are exact up to 2^53.

export const MINIMUM = 4096;

/** `length` rounded up to the next Padmé size, bytes. */
export function padme(length: number): number {
  if (length < 2) return length;
  const exponent = bitLength(length) - 1;
  const step = 2 ** Math.max(exponent - bitLength(exponent), 0);
  return Math.ceil(length / step) * step;
}

/** Size of a content or manifest of `length` bytes once padded: at least 4,096. */
export function padded(length: number): number {
  return padme(Math.max(length, MINIMUM));
}

function bitLength(value: number): number {
  const high = Math.floor(value / 2 ** 32);
  return high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(value);
}
