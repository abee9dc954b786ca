// Every HKDF label of format 1, once: `info` = ASCII `consigne/v1/` + label.

export const PREFIX = "consigne/v1/";

export const OBJECT_ID = "object-id";
export const LINK_SECRET = "link-secret";
export const LINK_SEED = "link-seed/"; // followed by n in decimal
export const OWNER_TOKEN = "owner-token";
export const OWNER_ROOT = "owner-root";
export const CONTENT_KEY = "content-key";
export const CONTENT_COMMITMENT = "content-commitment";
export const CONTENT_HEADER = "content-header";
export const PASSWORD_SALT = "password-salt";
export const PASSWORD_ROOT = "password-root";
export const LINK_ID = "link-id";
export const READ_TOKEN = "read-token";
export const CAPSULE = "capsule";

export const CONTENT = "consigne/v1/content"; // associated data of the content, before the object id
