-- The catalog: what the host must remember to keep its word, and nothing more.
--
-- Written for SQLite and PostgreSQL both. The one substitution is {unordered}:
-- WITHOUT ROWID on SQLite, nothing on PostgreSQL. Rows are kept under random keys,
-- so nothing here tells the order in which they came; times are days or full hours
-- rounded up (docs/decisions/0010), never the instant of an upload. No column joins
-- two objects, and no column holds a token, a key or an address.

-- One encrypted content. The host knows an id, a padded length and an end.
CREATE TABLE objects (
    id            BYTEA   NOT NULL PRIMARY KEY, -- follows from commitment and owner hash
    owner_hash    BYTEA   NOT NULL,             -- SHA-256 of the owner token
    length        BIGINT,                       -- bytes of ciphertext; NULL while unknown
    part_size     BIGINT  NOT NULL,             -- bytes
    complete      BOOLEAN NOT NULL,
    expires       BIGINT  NOT NULL,             -- seconds since 1970, a full hour or a midnight
    touched_day   BIGINT,                       -- days since 1970 of its last part; NULL once complete
    owner_capsule BYTEA                         -- SHA-256 of the current one; NULL before the first
) {unordered};
CREATE INDEX objects_by_expiry ON objects (expires);
CREATE INDEX objects_unfinished ON objects (touched_day) WHERE touched_day IS NOT NULL;

-- What is durable of an object that is not complete; deleted when it is.
CREATE TABLE parts (
    object BYTEA  NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    part   BIGINT NOT NULL, -- from 0
    length BIGINT NOT NULL, -- bytes
    PRIMARY KEY (object, part)
) {unordered};

-- One right to read an object.
CREATE TABLE links (
    id              BYTEA  NOT NULL PRIMARY KEY,
    object          BYTEA  NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    token_hash      BYTEA  NOT NULL, -- SHA-256 of the read token
    expires         BIGINT,          -- as in objects; NULL: with its object
    downloads_limit BIGINT,          -- NULL: unlimited
    downloads       BIGINT NOT NULL, -- counted when the first content byte goes out
    capsule         BYTEA,           -- SHA-256 of its capsule; NULL before there is one
    wrong           BIGINT NOT NULL, -- wrong tokens since the link was made or unlocked
    not_before      BIGINT NOT NULL  -- seconds since 1970: no token is judged earlier
) {unordered};
CREATE INDEX links_by_object ON links (object);
CREATE INDEX links_by_expiry ON links (expires) WHERE expires IS NOT NULL;

-- One download under way.
CREATE TABLE tickets (
    hash    BYTEA   NOT NULL PRIMARY KEY, -- SHA-256 of the ticket
    link    BYTEA   NOT NULL REFERENCES links (id) ON DELETE CASCADE,
    expires BIGINT  NOT NULL,             -- seconds since 1970, a full hour
    counted BOOLEAN NOT NULL,             -- it counts against the link's limit
    served  BIGINT  NOT NULL              -- bytes charged
) {unordered};
CREATE INDEX tickets_by_link ON tickets (link, counted);
CREATE INDEX tickets_by_expiry ON tickets (expires);

-- SHA-256 of every id of an object or link that expired or was removed: an id is
-- accepted once. No day: nobody needs to know when.
CREATE TABLE gone (
    hash BYTEA NOT NULL PRIMARY KEY
) {unordered};
