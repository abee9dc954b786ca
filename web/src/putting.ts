// The story of a put, from top to bottom: tell the host, make the link, send, complete.
//
// A `Plan` is all that is random or chosen in one put. The same plan makes the same requests
// with the same bytes: it is what a journal keeps, and what makes every step repeatable.

import { broken } from "./answers.ts";
import { type Bytes, b64u } from "./bytes.ts";
import { HostError } from "./errors.ts";
import * as capsule from "./format/capsule.ts";
import { Layout, Sealer } from "./format/content.ts";
import * as keys from "./format/keys.ts";
import { linkText } from "./format/link.ts";
import { encode, type Manifest } from "./format/manifest.ts";
import type { Journal } from "./journal.ts";
import type { Patience } from "./patience.ts";
import { type ObjectState, partCount, partSizeFor } from "./protocol.ts";
import type { Remote } from "./remote.ts";
import { send } from "./sending.ts";
import type { Source } from "./source.ts";

/** What a link allows. `expiresIn` in seconds, undefined for the host's default. */
export interface PutOptions {
  readonly expiresIn?: number;
  readonly downloads?: number;
  readonly password?: string;
  readonly note?: string;
}

export interface Plan {
  readonly owner: keys.Owner;
  readonly reader: keys.Reader;
  readonly linkSecret: Bytes;
  readonly linkSeed: Bytes;
  readonly options: PutOptions;
  readonly linkSaltSecret: Bytes;
  readonly ownerSaltSecret: Bytes;
}

/** What a put gives. Both links are secrets. */
export interface Given {
  readonly link: string;
  readonly manage: string;
  readonly expires: string;
}

/** The plan that an owner secret and two secrets of salts stand for; fresh ones where none are given. */
export async function planOf(
  options: PutOptions,
  secret = keys.freshSecret(),
  linkSaltSecret = capsule.freshSalt(),
  ownerSaltSecret = capsule.freshSalt(),
): Promise<Plan> {
  const owner = await keys.ownerOf(secret);
  const linkSeed = await keys.linkSeed(owner, keys.FIRST_LINK);
  const linkSecret = await keys.linkSecret(linkSeed, owner.objectId);
  const reader = await keys.readerOf(linkSecret, options.password);
  return { owner, reader, linkSecret, linkSeed, options, linkSaltSecret, ownerSaltSecret };
}

/** All that one put needs. Both listeners may be left out. */
export interface Story {
  readonly remote: Remote;
  readonly source: Source;
  readonly plan: Plan;
  readonly journal: Journal;
  readonly patience: Patience;
  /** Hears of the links as soon as they open, before the first byte goes up. */
  readonly onLink?: (given: Given) => void;
  /** Hears of bytes that are durable. */
  readonly onSent?: (bytes: number) => void;
}

/** Put a source; resolves when the host has all of it durably. */
export async function put(story: Story): Promise<Given> {
  const { remote, source, plan, journal, patience } = story;
  const layout = Layout.ofContent(source.length);
  const state = await begin(remote, plan, layout);
  const durable = durableParts(state, layout);
  if ([...durable].some((part) => !journal.parts.has(part))) throw broken(); // it never got that from us
  await announce(remote, plan, source);
  const given = givenOf(remote, plan, state);
  story.onLink?.(given);
  const { objectId, token: ownerToken } = plan.owner;
  const sealer = await Sealer.of(await keys.contentKeysOf(plan.owner));
  const partSize = state.part_size;
  const upload = { remote, objectId, ownerToken, sealer, layout, partSize, source, journal };
  await send(upload, durable, patience, (bytes) => story.onSent?.(bytes));
  const length = layout.ciphertextLength;
  const done = await remote.complete(objectId, ownerToken, length);
  if (!done.complete || done.length !== length) throw broken();
  await journal.discard();
  return given;
}

/** Make the object, or find it as an earlier try left it. Nothing about it is the host's to choose. */
async function begin(remote: Remote, plan: Plan, layout: Layout): Promise<ObjectState> {
  const { objectId, commitment, ownerHash, token } = plan.owner;
  const length = layout.ciphertextLength;
  const created = remote.createObject({
    id: b64u(objectId),
    commitment: b64u(commitment),
    owner_hash: b64u(ownerHash),
    length,
    expires_in: plan.options.expiresIn ?? null,
  });
  const state = await created.catch((error: unknown) => {
    if (error instanceof HostError && error.code === "object-exists") {
      return remote.objectState(objectId, token);
    }
    throw error;
  });
  const isMeant = state.id === b64u(objectId) && state.length === length;
  if (!isMeant || state.part_size !== partSizeFor(length)) throw broken();
  return state;
}

/** Make the first link and both capsules; from here on the link opens. */
async function announce(remote: Remote, plan: Plan, source: Source): Promise<void> {
  const { owner, reader, options } = plan;
  await remote.putLink(reader.linkId, owner.token, {
    object: b64u(owner.objectId),
    token_hash: b64u(await keys.tokenHash(reader.token)),
    expires_in: null,
    downloads: options.downloads ?? null,
  });
  const whole = manifestOf(plan, source);
  const forLink = encode({ ...whole, seed: plan.linkSeed, links: [] });
  const linkSalt = await capsule.saltOf(plan.linkSaltSecret, forLink);
  const linkCapsule = await capsule.seal(reader.root, reader.linkId, forLink, linkSalt);
  await remote.putLinkCapsule(reader.linkId, owner.token, linkCapsule);
  const forOwner = encode(whole);
  const ownerSalt = await capsule.saltOf(plan.ownerSaltSecret, forOwner);
  const ownCapsule = await capsule.seal(owner.capsuleRoot, owner.objectId, forOwner, ownerSalt);
  await remote.putOwnerCapsule(owner.objectId, owner.token, ownCapsule);
}

function manifestOf(plan: Plan, source: Source): Manifest {
  const { owner, options } = plan;
  return {
    objectId: owner.objectId,
    key: owner.contentKey,
    ownerHash: owner.ownerHash,
    length: source.length,
    files: source.files.map((file) => file.entry),
    links: [{ number: keys.FIRST_LINK, password: options.password !== undefined }],
    ...(options.note === undefined ? {} : { note: options.note }),
  };
}

function givenOf(remote: Remote, plan: Plan, state: ObjectState): Given {
  const password = plan.options.password !== undefined;
  const base = remote.base;
  const download = { kind: "download", secret: plan.linkSecret, password } as const;
  const manage = { kind: "manage", secret: plan.owner.secret, password: false } as const;
  return {
    link: linkText({ base, fragment: download }),
    manage: linkText({ base, fragment: manage }),
    expires: state.expires,
  };
}

/** The parts that the host says it has, which must be parts of this object. */
function durableParts(state: ObjectState, layout: Layout): Set<number> {
  const most = partCount(layout.ciphertextLength, state.part_size);
  const parts = new Set<number>();
  for (const [first, last] of state.parts) {
    if (last >= most) throw broken();
    for (let part = first; part <= last; part++) parts.add(part);
  }
  return parts;
}
