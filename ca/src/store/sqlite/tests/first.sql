-- A store as the first portcullis left it.

PRAGMA application_id = 1346585409;
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

INSERT INTO settings VALUES (1, '{"trust_domain":"shop.example","urls":["https://ca.shop.example:8443"],"ttl_default":86400,"sequence":7,"phase":{"phase":"prepared","active":"root-1","next":"root-2","since":6},"roots":2,"intermediates":1,"signing":"intermediate-1","restored":"2026-09-21T14:13:20Z"}');
INSERT INTO entries VALUES ('spiffe://shop.example/svc/order', '["order.shop.example","order"]', 3600, 1, 0, 1790000000);
INSERT INTO issued VALUES (1, x'40000000000000000000000000000001', 'spiffe://shop.example/svc/order', '0000000000000001', 'bootstrap', x'cd2662154e6d76b2b2b92e70c0cac3ccf534f9b74eb5b89819ec509083d00a50', 'intermediate-1', 'root-1', 1789999940, 1790003600, 1790000000, x'3000');
INSERT INTO tokens VALUES (x'cd2662154e6d76b2b2b92e70c0cac3ccf534f9b74eb5b89819ec509083d00a50', 'spiffe://shop.example/svc/order', x'f652498d092acd949bad74e40683bf3824fb817980504a0c7e6722cfc5a9c0a3ce43c3353a7ad7aac3408cad0bf921b6a7dda89be75d9cb2b3b5a152cefc8afd', 1790000000, 1790000600, 1790000000, x'cd2662154e6d76b2b2b92e70c0cac3ccf534f9b74eb5b89819ec509083d00a50', x'40000000000000000000000000000001');
INSERT INTO instances VALUES ('0000000000000001', 'spiffe://shop.example/svc/order', 0, 1790000000, x'40000000000000000000000000000001', 1790003600, 0);
INSERT INTO denied VALUES (1, 'before', 'spiffe://shop.example/svc/stock', 1790000000, 'key lost', 1790000000, NULL);
INSERT INTO authorities VALUES (1, 'root-1', NULL, 1790000000, 1790000009, x'3000');
INSERT INTO audit_pending VALUES (3, '{}');
INSERT INTO audit_head VALUES (1, 2, x'cd04a4754498e06db5a13c5f371f1f04ff6d2470f24aa9bd886540e5dce77f70');
PRAGMA user_version = 1;
