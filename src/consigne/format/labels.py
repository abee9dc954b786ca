"""Every HKDF label of format 1, once.

`info` = ASCII `consigne/v1/` + label. A label used for two purposes would tie two
secrets together; a test refuses a value that stands here twice. The label of the
object id, `object-id`, stands in `consigne.protocol`, which the host shares.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = b"consigne/v1/"

LINK_SECRET: Final = "link-secret"
LINK_SEED: Final = "link-seed/"  # followed by n in decimal
OWNER_TOKEN: Final = "owner-token"
OWNER_ROOT: Final = "owner-root"
CONTENT_KEY: Final = "content-key"
CONTENT_COMMITMENT: Final = "content-commitment"
CONTENT_HEADER: Final = "content-header"
PASSWORD_SALT: Final = "password-salt"
PASSWORD_ROOT: Final = "password-root"
LINK_ID: Final = "link-id"
READ_TOKEN: Final = "read-token"
CAPSULE: Final = "capsule"

CONTENT: Final = b"consigne/v1/content"  # associated data of the content, before the object id
