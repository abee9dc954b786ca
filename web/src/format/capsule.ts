// The capsule: a manifest, padded and sealed under one key only.
//
// AES-GCM alone lets one ciphertext open under two keys ("invisible salamanders", Dodis et
// al., CRYPTO 2018). So the key comes with a commitment out of the same HKDF, compared first.
//
//     0x01 ‖ salt (32) ‖ commitment (32) ‖ AES-256-GCM(key, nonce 0, plaintext, data = id)
//
// The key is used once (a salt for each plaintext), so the nonce can be constant.

import { type Bytes, concat, equal } from "../bytes.ts";
import { AuthenticityError, PasswordError, UsageError } from "../errors.ts";
import { CAPSULE_OVERHEAD, MAX_CAPSULE } from "../protocol.ts";
import { derive, SECRET_SIZE } from "./keys.ts";
import * as labels from "./labels.ts";
import { padded } from "./padding.ts";

const VERSION = 1;
const SALT_SIZE = 32;
const COMMIT_AT = 1 + SALT_SIZE;
const SEALED_AT = COMMIT_AT + SECRET_SIZE;
const MAX_PLAINTEXT = MAX_CAPSULE - CAPSULE_OVERHEAD;
const SPACE = 0x20;

/** 32 random bytes: a salt, or what salts follow from (`saltOf`). */
export function freshSalt(): Bytes {
  return crypto.getRandomValues(new Uint8Array(SALT_SIZE));
}

/**
 * The salt of one manifest: the same again for the same, another one for any other. So whoever
 * seals again what changed meanwhile reuses no key (docs/decisions/0045).
 */
export async function saltOf(saltSecret: Bytes, manifest: Bytes): Promise<Bytes> {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", saltSecret, hmac, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign(hmac, key, manifest));
}

/**
 * The capsule of `manifest` under root R, bound to a link or object id.
 * Throws UsageError `content-too-large` when the manifest is over 64 MiB padded.
 */
export async function seal(root: Bytes, boundTo: Bytes, manifest: Bytes, salt: Bytes): Promise<Bytes> {
  const size = padded(manifest.length);
  if (size > MAX_PLAINTEXT) throw new UsageError("content-too-large");
  const plain = new Uint8Array(size).fill(SPACE);
  plain.set(manifest);
  const [key, commitment] = await keyAndCommitment(root, salt);
  const sealed = await crypto.subtle.encrypt(parameters(boundTo), key, plain);
  return concat(Uint8Array.of(VERSION), salt, commitment, new Uint8Array(sealed));
}

/**
 * The padded manifest out of a capsule; `password`: whether the link's flag is set.
 * Throws AuthenticityError `capsule-newer` or `capsule-tampered`, and PasswordError
 * `password-wrong` when only another root would fit.
 */
export async function unseal(root: Bytes, boundTo: Bytes, capsule: Bytes, password = false): Promise<Bytes> {
  if (capsule.length === 0) throw tampered();
  if (capsule[0] !== VERSION) throw new AuthenticityError("capsule-newer");
  if (capsule.length < CAPSULE_OVERHEAD || capsule.length > MAX_CAPSULE) throw tampered();
  const [key, commitment] = await keyAndCommitment(root, capsule.slice(1, COMMIT_AT));
  if (!equal(commitment, capsule.subarray(COMMIT_AT, SEALED_AT))) {
    throw password ? wrongPassword() : tampered();
  }
  try {
    return new Uint8Array(await crypto.subtle.decrypt(parameters(boundTo), key, capsule.subarray(SEALED_AT)));
  } catch {
    throw tampered();
  }
}

/** The one error of a wrong password, whoever notices it first. */
export function wrongPassword(): PasswordError {
  return new PasswordError("password-wrong");
}

function parameters(boundTo: Bytes): AesGcmParams {
  return { name: "AES-GCM", iv: new Uint8Array(12), additionalData: boundTo };
}

async function keyAndCommitment(root: Bytes, salt: Bytes): Promise<[CryptoKey, Bytes]> {
  const both = await derive(root, labels.CAPSULE, 2 * SECRET_SIZE, salt);
  const usages: KeyUsage[] = ["encrypt", "decrypt"];
  const key = await crypto.subtle.importKey("raw", both.slice(0, SECRET_SIZE), "AES-GCM", false, usages);
  return [key, both.slice(SECRET_SIZE)];
}

function tampered(): AuthenticityError {
  return new AuthenticityError("capsule-tampered");
}
