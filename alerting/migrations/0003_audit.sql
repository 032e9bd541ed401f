-- What was changed, by whom: appended to, never changed. Each row's digest covers the one before it (src/audit.rs says how), so
-- a row that is changed or taken out shows. On PostgreSQL grant the service no UPDATE or DELETE on audit.

CREATE TABLE audit (
    seq     BIGINT PRIMARY KEY NOT NULL,      -- 1, 2, 3, …
    at      BIGINT NOT NULL,                  -- nanoseconds since 1970
    actor   TEXT NOT NULL,                    -- analyst:NAME, responder:NAME, varde
    action  TEXT NOT NULL,                    -- what was done, for example registry.put
    subject TEXT NOT NULL,                    -- to what
    before  TEXT,                             -- JSON; null where there was nothing
    after   TEXT,                             -- JSON; null where nothing is left
    digest  TEXT NOT NULL                     -- SHA-256, 64 hexadecimal digits
);
CREATE INDEX audit_by_subject ON audit (subject, seq);
CREATE INDEX audit_by_action ON audit (action, seq);

-- The end of the log, in one row: whoever appends locks it first, and rows that are cut off at the end show.
CREATE TABLE audit_head (
    id     BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    seq    BIGINT NOT NULL,
    digest TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, digest)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
