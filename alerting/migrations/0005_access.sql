-- Who may log in, what they may do, and who is logged in. Times are whole nanoseconds since 1970.
-- Nothing here lets a reader of the store log in: ids of sessions, tokens and recovery codes are kept as SHA-256 only,
-- passwords as Argon2id, the keys of codes sealed with a key that lies outside the store.

CREATE TABLE account (
    id         TEXT PRIMARY KEY NOT NULL,     -- 32 hexadecimal digits
    login      TEXT NOT NULL UNIQUE,          -- what they log in as, in lower case
    name       TEXT NOT NULL,                 -- as the timeline and the audit log show it
    kind       TEXT NOT NULL,                 -- local, break_glass, machine
    password   TEXT,                          -- Argon2id, in PHC form
    totp       TEXT,                          -- the sealed key of the codes
    totp_step  BIGINT NOT NULL,               -- the newest time step whose code was taken: each works once
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE account_grant (
    account      TEXT NOT NULL REFERENCES account (id),
    role         TEXT NOT NULL,
    organization TEXT NOT NULL,               -- empty: all
    until        BIGINT,
    PRIMARY KEY (account, role, organization)
);

CREATE TABLE recovery_code (
    account TEXT NOT NULL REFERENCES account (id),
    digest  TEXT NOT NULL,
    PRIMARY KEY (account, digest)
);

CREATE TABLE session (
    digest     TEXT PRIMARY KEY NOT NULL,
    account    TEXT NOT NULL REFERENCES account (id),
    login      TEXT NOT NULL,                 -- local, break_glass
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL
);
CREATE INDEX session_by_account ON session (account);
CREATE INDEX session_by_end ON session (ends_at);

CREATE TABLE api_token (
    digest     TEXT PRIMARY KEY NOT NULL,
    account    TEXT NOT NULL REFERENCES account (id),
    actions    TEXT NOT NULL,                 -- with commas between
    created_at BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL
);
CREATE INDEX api_token_by_account ON api_token (account);

-- Attempts to log in under a name since the last that succeeded, whether there is such an account or not.
CREATE TABLE login_attempt (
    login    TEXT PRIMARY KEY NOT NULL,       -- a digest of the name
    attempts BIGINT NOT NULL,
    last_at  BIGINT NOT NULL
);
CREATE INDEX login_attempt_by_time ON login_attempt (last_at);
