// Secrets and the rights that follow from them (spec/format.md, "Secrets and rights").
//
// One owner secret, fresh for every upload, gives everything: what the host may see (id,
// hashes) and what it may not (keys). A right can be weakened into a lesser one, never
// strengthened: an owner makes readers, nothing leads back. WebCrypto is asynchronous, so
// what follows from a secret is derived once and kept in a plain record.

import { type Bytes, concat, utf8 } from "../bytes.ts";
import { UsageError } from "../errors.ts";
import * as labels from "./labels.ts";

export const SECRET_SIZE = 32;
export const FIRST_LINK = 0n;
export const MAX_LINK_NUMBER = 2n ** 63n - 1n;

// Argon2id (RFC 9106). Constants of the format: nothing on the wire can change them.
const ARGON = { iterations: 3, memorySize: 64 * 1024, parallelism: 4 } as const;

/** What encrypts one content: key, and the Tink header's salt and nonce prefix. */
export interface ContentKeys {
  readonly key: Bytes;
  readonly salt: Bytes;
  readonly noncePrefix: Bytes;
  readonly objectId: Bytes;
}

/** The owner secret and what follows from it. Encrypts one content, once. */
export interface Owner {
  readonly secret: Bytes;
  /** Bearer token for the owner's requests; the host keeps its SHA-256. */
  readonly token: Bytes;
  readonly ownerHash: Bytes;
  readonly contentKey: Bytes;
  /** Commits the object id to the content key without telling it. */
  readonly commitment: Bytes;
  readonly objectId: Bytes;
  /** R of the owner capsule. */
  readonly capsuleRoot: Bytes;
}

/** What a link opens: the id that names it, the root that unseals, the token that reads. */
export interface Reader {
  readonly linkId: Bytes;
  readonly root: Bytes;
  readonly token: Bytes;
}

/** HKDF-SHA256 (RFC 5869) with the label as `info`; salt empty but for capsules. */
export async function derive(
  key: Bytes,
  label: string,
  size = SECRET_SIZE,
  salt: Bytes = new Uint8Array(),
): Promise<Bytes> {
  const base = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveBits"]);
  const info = utf8(labels.PREFIX + label);
  return new Uint8Array(
    await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, base, size * 8),
  );
}

/** SHA-256 of a token: all that a host keeps of it. */
export async function tokenHash(token: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", token));
}

/** A secret that nobody ever had. */
export function freshSecret(): Bytes {
  return crypto.getRandomValues(new Uint8Array(SECRET_SIZE));
}

/** All that follows from an owner secret. */
export async function ownerOf(secret: Bytes): Promise<Owner> {
  const [token, contentKey, capsuleRoot] = await Promise.all([
    derive(secret, labels.OWNER_TOKEN),
    derive(secret, labels.CONTENT_KEY),
    derive(secret, labels.OWNER_ROOT),
  ]);
  const [ownerHash, commitment] = await Promise.all([tokenHash(token), contentCommitment(contentKey)]);
  const objectId = await deriveObjectId(commitment, ownerHash);
  return { secret, token, ownerHash, contentKey, commitment, objectId, capsuleRoot };
}

/** Everything that encrypting an owner's content needs. */
export async function contentKeysOf(owner: Owner): Promise<ContentKeys> {
  const header = await derive(owner.secret, labels.CONTENT_HEADER, 39);
  return {
    key: owner.contentKey,
    salt: header.slice(0, 32),
    noncePrefix: header.slice(32),
    objectId: owner.objectId,
  };
}

/** What commits an object id to one content key. */
export function contentCommitment(contentKey: Bytes): Promise<Bytes> {
  return derive(contentKey, labels.CONTENT_COMMITMENT);
}

/** The id that an object must have: host and client both compute it. */
export function deriveObjectId(commitment: Bytes, ownerHash: Bytes): Promise<Bytes> {
  return derive(concat(commitment, ownerHash), labels.OBJECT_ID);
}

/** seed(n): goes into the manifest of link n, so that S follows from it. */
export function linkSeed(owner: Owner, number: bigint): Promise<Bytes> {
  return derive(owner.secret, `${labels.LINK_SEED}${number}`);
}

/** S out of its seed and the object: a link belongs to one object. */
export function linkSecret(seed: Bytes, objectId: Bytes): Promise<Bytes> {
  return derive(concat(seed, objectId), labels.LINK_SECRET);
}

/** A number for a further link: random, so that it is never used again. */
export function freshLinkNumber(): bigint {
  const [bits = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return bits & MAX_LINK_NUMBER;
}

/** The id that the host knows a link by. */
export function linkId(secret: Bytes): Promise<Bytes> {
  return derive(secret, labels.LINK_ID);
}

/**
 * The right to read that link secret S gives, with the password if there is one: that takes
 * Argon2id's time (some 0.3 s) and 64 MiB. Throws UsageError `password-unusable`.
 */
export async function readerOf(secret: Bytes, password?: string): Promise<Reader> {
  const root = password === undefined ? secret : await passwordRoot(secret, password);
  const [id, token] = await Promise.all([linkId(secret), derive(root, labels.READ_TOKEN)]);
  return { linkId: id, root, token };
}

/** NFC in UTF-8: the same password however a keyboard composes its accents. */
export function passwordBytes(password: string): Bytes {
  if (password === "" || !password.isWellFormed()) throw new UsageError("password-unusable");
  return utf8(password.normalize("NFC"));
}

async function passwordRoot(secret: Bytes, password: string): Promise<Bytes> {
  const given = passwordBytes(password);
  const salt = await derive(secret, labels.PASSWORD_SALT, 16);
  const { argon2id } = await import("hash-wasm");
  const hardened = await argon2id({
    password: given,
    salt,
    ...ARGON,
    hashLength: SECRET_SIZE,
    outputType: "binary",
  });
  return derive(concat(secret, hardened), labels.PASSWORD_ROOT);
}
