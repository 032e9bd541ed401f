-- Records that could not be applied, kept until a person has looked: no alert that this version reads, or one that the store refuses.

CREATE TABLE aside (
    id          TEXT PRIMARY KEY NOT NULL,    -- digest of the three below
    topic       TEXT NOT NULL,
    partition   BIGINT NOT NULL,
    place       BIGINT NOT NULL,              -- its offset
    reason      TEXT NOT NULL,
    detail      TEXT NOT NULL,                -- what the reader or the store said
    record      TEXT NOT NULL,                -- in base64; empty if it was too large to keep
    appended_ms BIGINT NOT NULL,
    put_at      BIGINT NOT NULL
);
CREATE INDEX aside_by_time ON aside (put_at, id);
