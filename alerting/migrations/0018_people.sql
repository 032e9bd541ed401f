-- Who did it, by their account: two may be called the same, and one may be called otherwise later. Rows from before have no account, as
-- have what Varde did itself, answers by links, and a service in which nobody logs in.

ALTER TABLE audit ADD COLUMN account TEXT;             -- the actor's; covered by the digest where it is there (src/audit.rs)
ALTER TABLE timeline ADD COLUMN account TEXT;
ALTER TABLE undo ADD COLUMN account TEXT;
ALTER TABLE silence ADD COLUMN account TEXT;
ALTER TABLE reveal ADD COLUMN asked_account TEXT;
ALTER TABLE reveal_step ADD COLUMN account TEXT;

-- What counts of a provider's word, as it was at the last login: it says who may be given an incident while nobody is logged in.
ALTER TABLE identity ADD COLUMN claimed TEXT;          -- JSON, as session.claimed
ALTER TABLE identity ADD COLUMN claimed_at BIGINT;
UPDATE identity SET
    claimed = (SELECT session.claimed FROM session WHERE session.account = identity.account AND session.provider = identity.provider
        ORDER BY session.created_at DESC LIMIT 1),
    claimed_at = (SELECT session.created_at FROM session WHERE session.account = identity.account AND session.provider = identity.provider
        ORDER BY session.created_at DESC LIMIT 1);

-- How often the answer to a question to a contact was changed since it was asked.
ALTER TABLE contact_check ADD COLUMN changes BIGINT NOT NULL DEFAULT 0;

-- Logins that failed lately: the first of a kind is in the audit log at once, the others as one number when their time is over.
CREATE TABLE login_failure (
    account  TEXT NOT NULL,                            -- empty where there is none with that name
    name     TEXT NOT NULL,                            -- the actor in the audit log
    action   TEXT NOT NULL,                            -- login.failed, login.refused
    subject  TEXT NOT NULL,
    since    BIGINT NOT NULL,                          -- the first of them
    last_at  BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (account, action, subject)
);
CREATE INDEX login_failure_by_time ON login_failure (since);
