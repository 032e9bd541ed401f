-- Passkeys (WebAuthn) of accounts of this service. Times are whole nanoseconds since 1970.
-- Only public keys stand here: who reads the store can log in as nobody.

CREATE TABLE passkey (
    id         TEXT PRIMARY KEY NOT NULL,     -- 32 hexadecimal digits
    account    TEXT NOT NULL REFERENCES account (id),
    credential TEXT NOT NULL UNIQUE,          -- a digest of its id at the authenticator
    public_key TEXT NOT NULL,                 -- JSON: the key, and what the authenticator said of itself
    counter    BIGINT NOT NULL,               -- of signatures, as in the key: of two answers with one count one is taken
    name       TEXT NOT NULL,                 -- as its owner calls it
    created_at BIGINT NOT NULL,
    used_at    BIGINT,
    copied_at  BIGINT                         -- when its counter went back: refused since
);
CREATE INDEX passkey_by_account ON passkey (account);

-- Registrations and logins that were begun: each is ended once.
CREATE TABLE passkey_challenge (
    digest  TEXT PRIMARY KEY NOT NULL,        -- of the challenge
    account TEXT NOT NULL,                    -- who adds one; empty for a login
    state   TEXT NOT NULL,                    -- JSON: what the answer is held to
    ends_at BIGINT NOT NULL
);
CREATE INDEX passkey_challenge_by_account ON passkey_challenge (account, ends_at);
