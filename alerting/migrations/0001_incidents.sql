-- Incidents, what belongs to them, and how far the bus has been read.
-- One text for SQLite and PostgreSQL. Times are whole nanoseconds since 1970, ids are text of 32 hexadecimal digits, lists
-- are JSON in text; all whole numbers are BIGINT, which both know as 64 bits.

CREATE TABLE incident (
    id           TEXT PRIMARY KEY NOT NULL,
    dedup        TEXT NOT NULL,               -- digest of rule or indicator, organisation, entity, exercise
    relapse_of   TEXT,
    lead         TEXT NOT NULL,               -- the alert that explains it, in its wire format, with the samples
    organization TEXT NOT NULL,
    owner        TEXT NOT NULL,               -- whose it is after routing: what a responder may see hangs on it
    severity     BIGINT NOT NULL,             -- 1 (informational) to 5 (critical)
    count        BIGINT NOT NULL,
    first_seen   BIGINT NOT NULL,
    last_seen    BIGINT NOT NULL,
    state        TEXT NOT NULL,
    verdict      TEXT,
    priority     TEXT NOT NULL,
    opened_at    BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    route        TEXT NOT NULL,               -- the steps of the explanation
    search       TEXT NOT NULL,               -- lower case, what a search looks in
    change       BIGINT NOT NULL              -- grows with every change of any incident: the stream's resume point
);
CREATE INDEX incident_by_dedup ON incident (dedup, opened_at);
CREATE INDEX incident_by_update ON incident (updated_at DESC, id);
CREATE INDEX incident_by_organization ON incident (organization, updated_at DESC, id);
CREATE UNIQUE INDEX incident_by_change ON incident (change);

-- Every alert that was applied: what makes at least once into once.
CREATE TABLE alert (
    id       TEXT PRIMARY KEY NOT NULL,
    incident TEXT NOT NULL REFERENCES incident (id)
);

CREATE TABLE notification (
    id              TEXT PRIMARY KEY NOT NULL,
    incident        TEXT NOT NULL REFERENCES incident (id),
    responder       TEXT NOT NULL,
    responder_name  TEXT NOT NULL,
    channel         TEXT NOT NULL,            -- email, webhook
    address         TEXT NOT NULL,
    language        TEXT NOT NULL,
    reason          TEXT NOT NULL,
    severity        BIGINT NOT NULL,          -- the graver leaves first
    created_at      BIGINT NOT NULL,
    state           TEXT NOT NULL,            -- pending, sent, failed
    attempts        BIGINT NOT NULL,
    next_at         BIGINT NOT NULL,          -- not before
    sent_at         BIGINT,
    receipt         TEXT,
    error           TEXT,
    seen_at         BIGINT,
    acknowledged_at BIGINT,
    verdict         TEXT,
    appended_ms     BIGINT NOT NULL,          -- when the alert was put on the bus, milliseconds since 1970
    claimed_by      TEXT,                     -- the instance that is sending it,
    claimed_until   BIGINT NOT NULL           -- and until when it is that one's alone, by the store's own clock
);
CREATE INDEX notification_by_incident ON notification (incident, created_at);
CREATE INDEX notification_pending ON notification (channel, next_at) WHERE state = 'pending';

CREATE TABLE timeline (
    incident TEXT NOT NULL REFERENCES incident (id),
    number   BIGINT NOT NULL,                 -- 1, 2, … of this incident
    at       BIGINT NOT NULL,
    kind     TEXT NOT NULL,
    actor    TEXT NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (incident, number)
);

-- Next-to-read positions, written with the effects of what was read.
CREATE TABLE position (
    topic     TEXT NOT NULL,
    partition BIGINT NOT NULL,
    next      BIGINT NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- Single values: the last canary.
CREATE TABLE mark (
    name  TEXT PRIMARY KEY NOT NULL,
    value BIGINT NOT NULL
);

-- What all instances must have in common and nobody else may know, in hexadecimal digits: the key of the links.
CREATE TABLE secret (
    name  TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);
