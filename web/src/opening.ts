// Opening links: a capsule fetched, unsealed, its manifest checked.
//
// Nothing of what a host says changes how a link is opened: whether a password goes with it
// stands in the link, what Argon2id costs stands in the format.

import type { Bytes } from "./bytes.ts";
import { HostError, PasswordError } from "./errors.ts";
import * as capsule from "./format/capsule.ts";
import { type Owner, ownerOf, type Reader, readerOf } from "./format/keys.ts";
import type { Fragment } from "./format/link.ts";
import { type Manifest, parseForLink, parseForOwner } from "./format/manifest.ts";
import type { Remote } from "./remote.ts";

/** What a download link opens. */
export interface OpenedLink {
  readonly reader: Reader;
  readonly manifest: Manifest;
}

/** What a manage link opens. `capsule` is the owner capsule's present bytes. */
export interface OpenedObject {
  readonly owner: Owner;
  readonly manifest: Manifest;
  readonly capsule: Bytes;
}

/**
 * The share behind a download link; counts nothing. Throws PasswordError `password-needed`,
 * `password-wrong`, `slow-down`, `link-locked`; GoneError; AuthenticityError.
 */
export async function openLink(remote: Remote, fragment: Fragment, password?: string): Promise<OpenedLink> {
  const reader = await rightOf(fragment, password);
  const sealed = await remote.linkCapsule(reader.linkId, reader.token).catch((error: unknown) => {
    const isGuess = error instanceof HostError && error.code === "token-wrong" && fragment.password;
    throw isGuess ? capsule.wrongPassword() : error;
  });
  const plain = await capsule.unseal(reader.root, reader.linkId, sealed, fragment.password);
  return { reader, manifest: await parseForLink(plain, fragment.secret) };
}

/** The object behind a manage link. Throws GoneError, AuthenticityError. */
export async function openObject(remote: Remote, fragment: Fragment): Promise<OpenedObject> {
  const owner = await ownerOf(fragment.secret);
  const sealed = await remote.ownerCapsule(owner.objectId, owner.token);
  const plain = await capsule.unseal(owner.capsuleRoot, owner.objectId, sealed);
  return { owner, manifest: await parseForOwner(plain, owner), capsule: sealed };
}

/** The right that a link gives, with its password if it needs one; one that is not needed is ignored. */
function rightOf(fragment: Fragment, password: string | undefined): Promise<Reader> {
  if (!fragment.password) return readerOf(fragment.secret);
  if (password === undefined) throw new PasswordError("password-needed");
  return readerOf(fragment.secret, password);
}
