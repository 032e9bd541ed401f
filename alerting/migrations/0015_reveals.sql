-- What the CERT asks sites of their pseudonyms, and what they answer. Times are whole nanoseconds since 1970.
-- What was revealed stands in one column, which is emptied when its time is over; who asked, agreed, answered and looked stays.

CREATE TABLE reveal (
    id           TEXT PRIMARY KEY NOT NULL,   -- 32 hexadecimal digits
    incident     TEXT NOT NULL REFERENCES incident (id),
    organization TEXT NOT NULL,               -- whose site
    key_name     TEXT NOT NULL,               -- the key that the pseudonyms were made with
    pseudonyms   TEXT NOT NULL,               -- a list, JSON
    reason       TEXT NOT NULL,
    asked_by     TEXT NOT NULL,
    asked_at     BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL,             -- from when on no answer counts
    state        TEXT NOT NULL,
    digest       TEXT,                        -- of the line in the site's own log, once it answered
    revealed     TEXT,                        -- what they stood for, a list, JSON; empty when it is no longer kept
    forget_at    BIGINT,                      -- when that is
    envelope     TEXT,                        -- the signed question
    bus          TEXT NOT NULL                -- what has to be done on the bus: none, put, take
);
CREATE INDEX reveal_by_incident ON reveal (incident, asked_at);
CREATE INDEX reveal_by_organization ON reveal (organization, state);
CREATE INDEX reveal_by_end ON reveal (state, ends_at);
CREATE INDEX reveal_by_forget ON reveal (forget_at);
CREATE INDEX reveal_by_bus ON reveal (bus);

CREATE TABLE reveal_step (
    reveal TEXT NOT NULL REFERENCES reveal (id),
    seq    BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    who    TEXT NOT NULL,
    step   TEXT NOT NULL,
    note   TEXT NOT NULL,
    PRIMARY KEY (reveal, seq)
);
