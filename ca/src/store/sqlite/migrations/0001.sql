-- Moments are seconds since 1970; serials, fingerprints and certificates are bytes; the rest is text.

CREATE TABLE settings (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    json TEXT NOT NULL
) STRICT;

CREATE TABLE entries (
    id TEXT PRIMARY KEY,
    dns TEXT NOT NULL, -- JSON
    ttl_max INTEGER NOT NULL,
    may_assert INTEGER NOT NULL,
    may_admin INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The ledger. Rows are only ever added at its end, so `number` is the order in which they were signed.
CREATE TABLE issued (
    number INTEGER PRIMARY KEY,
    serial BLOB NOT NULL UNIQUE,
    id TEXT NOT NULL,
    instance TEXT NOT NULL,
    how TEXT NOT NULL,
    public_key BLOB NOT NULL,
    issuer TEXT NOT NULL,
    root TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    signed_at INTEGER NOT NULL,
    der BLOB NOT NULL
) STRICT;
CREATE INDEX issued_by_end ON issued (not_after);
CREATE INDEX issued_by_id ON issued (id, not_after);
CREATE INDEX issued_by_key ON issued (public_key, not_after);
CREATE INDEX issued_by_root ON issued (root, not_after);

-- A token cannot be committed as spent without its certificate in the ledger.
CREATE TABLE tokens (
    hash BLOB PRIMARY KEY,
    entry TEXT NOT NULL,
    roots BLOB NOT NULL, -- fingerprints, one after the other
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    spent_at INTEGER,
    spent_key BLOB,
    spent_serial BLOB REFERENCES issued (serial) DEFERRABLE INITIALLY DEFERRED,
    CHECK ((spent_at IS NULL) = (spent_key IS NULL) AND (spent_at IS NULL) = (spent_serial IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_entry ON tokens (entry);
CREATE INDEX tokens_by_end ON tokens (expires);
CREATE INDEX tokens_by_serial ON tokens (spent_serial);

CREATE TABLE instances (
    instance TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    acknowledged INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    serial BLOB NOT NULL,
    not_after INTEGER NOT NULL,
    shown INTEGER NOT NULL CHECK (shown IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX instances_by_id ON instances (id, instance);
CREATE INDEX instances_by_end ON instances (not_after);

-- `subject` is a serial in hex or a SPIFFE ID; `not_before` is 0 where the rule has none.
CREATE TABLE denied (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('serial', 'id', 'before')),
    subject TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    UNIQUE (kind, subject, not_before)
) STRICT;

CREATE TABLE authorities (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    root TEXT REFERENCES authorities (id),
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    der BLOB NOT NULL
) STRICT;

CREATE TABLE audit_pending (
    number INTEGER PRIMARY KEY,
    json TEXT NOT NULL
) STRICT;

CREATE TABLE audit_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
