-- People who log in by an identity provider (OpenID Connect). Times are whole nanoseconds since 1970.
-- No subject and no national identity number of a provider's stands here: who somebody is there is kept as an
-- HMAC-SHA-256 over issuer and subject, with a key that lies outside the store.

CREATE TABLE identity (
    digest     TEXT PRIMARY KEY NOT NULL,     -- of issuer and subject
    account    TEXT NOT NULL REFERENCES account (id),
    provider   TEXT NOT NULL,                 -- its id in the configuration
    created_at BIGINT NOT NULL
);
CREATE INDEX identity_by_account ON identity (account);

-- Who showed who they are and is nobody here yet: whoever gives access is told the code.
CREATE TABLE identity_request (
    code     TEXT PRIMARY KEY NOT NULL,       -- a digest of it
    identity TEXT NOT NULL UNIQUE,            -- a digest, as above
    provider TEXT NOT NULL,
    ends_at  BIGINT NOT NULL
);
CREATE INDEX identity_request_by_end ON identity_request (ends_at);

-- Logins that came back from a provider: each is looked at once.
CREATE TABLE login_returned (
    state   TEXT PRIMARY KEY NOT NULL,        -- a digest of it
    ends_at BIGINT NOT NULL
);
CREATE INDEX login_returned_by_end ON login_returned (ends_at);

ALTER TABLE session ADD COLUMN provider TEXT; -- by which it was opened
ALTER TABLE session ADD COLUMN claimed TEXT;  -- JSON: what of its word the configuration's rules look at
