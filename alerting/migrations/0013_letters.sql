-- Mails that are not about one incident, what came back, and whom to ask whether they are still right.
-- Times are whole nanoseconds since 1970.

ALTER TABLE notification ADD COLUMN letter TEXT;          -- the digest that tells it; its state is digested until that is sent
ALTER TABLE notification ADD COLUMN aside_at BIGINT;      -- it was given up, and a person has set it aside
CREATE INDEX notification_by_letter ON notification (letter) WHERE letter IS NOT NULL;
CREATE INDEX notification_failed ON notification (next_at) WHERE state = 'failed';

CREATE TABLE letter (
    id            TEXT PRIMARY KEY NOT NULL,  -- 32 hexadecimal digits, derived from what it is about
    kind          TEXT NOT NULL,              -- digest, given_up, address_off, check
    responder     TEXT NOT NULL,
    name          TEXT NOT NULL,
    address       TEXT NOT NULL,
    language      TEXT NOT NULL,
    exercise      BIGINT NOT NULL,
    about         TEXT NOT NULL,              -- JSON: what the kind needs
    created_at    BIGINT NOT NULL,
    state         TEXT NOT NULL,              -- pending, sent, failed
    attempts      BIGINT NOT NULL,
    next_at       BIGINT NOT NULL,
    sent_at       BIGINT,
    receipt       TEXT,
    error         TEXT,
    aside_at      BIGINT,
    claimed_by    TEXT,
    claimed_until BIGINT NOT NULL
);
CREATE INDEX letter_pending ON letter (next_at) WHERE state = 'pending';
CREATE INDEX letter_failed ON letter (next_at) WHERE state = 'failed';

-- Mails that were refused for good or came back, once each.
CREATE TABLE bounce (
    message TEXT PRIMARY KEY NOT NULL,        -- the notification or letter
    address TEXT NOT NULL,                    -- in lower case; empty until it is looked up
    at      BIGINT NOT NULL,
    status  TEXT NOT NULL,                    -- as SMTP (550) or RFC 3463 (5.1.1) writes it
    state   TEXT NOT NULL                     -- new, counted, passed_over, forgiven
);
CREATE INDEX bounce_by_address ON bounce (address, at);
CREATE INDEX bounce_new ON bounce (at) WHERE state = 'new';

-- Addresses that nothing is sent to until a person switches them on again.
CREATE TABLE address_off (
    address TEXT PRIMARY KEY NOT NULL,        -- in lower case
    at      BIGINT NOT NULL,
    bounces BIGINT NOT NULL
);

-- Contacts, and when they were asked whether they are still right.
CREATE TABLE contact_check (
    id          TEXT PRIMARY KEY NOT NULL,    -- derived from contact and address
    responder   TEXT NOT NULL,
    address     TEXT NOT NULL,
    due_at      BIGINT NOT NULL,              -- when to ask next
    asked_at    BIGINT,
    reminded_at BIGINT,
    answered_at BIGINT,
    answer      TEXT                          -- right, not_me
);
CREATE INDEX contact_check_by_due ON contact_check (due_at);
