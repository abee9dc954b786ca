-- Which store this catalog speaks of: the store keeps the same random id. A host
-- refuses to start where the two differ, before a sweep takes each file for a leftover.
CREATE TABLE store (
    id BYTEA NOT NULL PRIMARY KEY -- random; one row
) {unordered};
